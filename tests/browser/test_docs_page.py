"""The documentation page in a real browser: what people do with it, and that nothing comes from elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.pictures import small
from tests.support.running_farm import RunningFarm

pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that wants a key."""
    farm = RunningFarm(
        tmp_path_factory.mktemp("keyed"), FARM_ENABLE="echo,edit", FARM_API_KEY="secret", FARM_SIMULATIONS=0
    )
    try:
        yield farm.start()
    finally:
        farm.stop()


@pytest.fixture
def page(keyed: RunningFarm) -> Iterator[Page]:
    """A page that fails the test when it asks another host, or breaks its own rules."""
    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        made = browser.new_page()
        made.set_default_timeout(30_000)
        made.on("request", lambda request: asked.append(request.url))
        made.on("console", lambda message: said.append(message.text))
        yield made
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith((keyed.url, "data:", "blob:"))] == []
    assert [text for text in said if "Content Security Policy" in text] == []


def open_with_key(page: Page, url: str) -> None:
    """Open the page and give it the farm's key."""
    page.goto(url)
    page.fill("#key input", "wrong")
    page.click("#key button")
    page.wait_for_selector("#key.wrong")
    page.fill("#key input", "secret")
    page.click("#key button")


def test_the_link_that_users_know_leads_to_the_face_and_its_example_is_echoed(keyed: RunningFarm, page: Page) -> None:
    open_with_key(page, f"{keyed.url}/docs#/default/create_request_items__post")
    page.click("text=Try it out")
    page.click("button.execute")
    answered = page.inner_text(".live-responses-table .response-col_description .highlight-code code")
    assert json.loads(answered) == {"images": [], "operations": ["string"]}


def test_a_picture_can_be_edited_from_the_page(keyed: RunningFarm, page: Page, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(small())
    open_with_key(page, f"{keyed.url}/docs#/edit/edit_edit")
    face = page.locator("#operations-edit-edit_edit")
    face.get_by_text("Try it out").click()
    face.locator("input[type=file]").set_input_files(tmp_path / "a.png")
    with page.expect_response(f"{keyed.url}/v1/edit") as answer:
        face.locator("button.execute").click()
    assert answer.value.status == 200, answer.value.text()
    shown = face.locator(".live-responses-table img")
    shown.wait_for()
    # resize=2 and blur=3, each a part of its own
    assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [80, 40]
