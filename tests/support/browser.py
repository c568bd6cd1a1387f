"""A page of a real browser that keeps what it asked, and what it complained of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.running_farm import ROOT, RunningFarm

expect.set_options(timeout=30_000)
#: What checks a page for those who cannot see it or use no mouse.
AXE = (ROOT / "tests/browser/axe-core/axe.min.js").read_text
#: The grades of what axe finds that no page may have.
SEVERE = ("serious", "critical")


@contextmanager
def browsing(farm: RunningFarm, *flags: str, pardoned: str = "401", **context: Any) -> Iterator[Page]:
    """A page that fails at its end if it asked another host, or complained of anything but what is *pardoned*.

    That is a pattern; without one only a missing key is.
    """
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *flags])
        page = browser.new_context(locale="en-US", reduced_motion="reduce", **context).new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith((farm.url, "data:", "blob:"))] == []
    assert [text for text in said if not re.search(pardoned, text)] == []


def severe(page: Page) -> list[str]:
    """What is wrong with the page, light and dark, for screen readers, the keyboard or weak eyes, after axe-core."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE())
    found = []
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.evaluate("new Promise(requestAnimationFrame)")  # what follows the theme by code has done so then
        told = page.evaluate("axe.run({resultTypes: ['violations'], preload: false})")  # which would add styles
        found += [(theme, each) for each in told["violations"] if each["impact"] in SEVERE]
    return [f"{theme}: {each['id']}: {node['html'][:200]}" for theme, each in found for node in each["nodes"]]


def download(page: Page, label: str, path: Path) -> Path:
    """The file that the button called *label* gives, saved in *path*."""
    with page.expect_download() as started:
        page.get_by_role("button", name=label, exact=True).click()
    saved = path / started.value.suggested_filename
    started.value.save_as(saved)
    return saved
