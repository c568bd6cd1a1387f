"""The pictures of the pages in docs/pages: `python -m tests.support.screenshots` starts a farm and takes them anew."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.support.browser import browsing
from tests.support.running_farm import ROOT, RunningFarm

FOLDER = ROOT / "docs/pages"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@dataclass(frozen=True)
class Shot:
    """One picture: the address, what is done there, and how it is looked at."""

    name: str
    path: str
    act: Callable[[Page], None]
    size: dict[str, int]
    language: str = "en"
    theme: str = "light"


def try_sample(task: str, sample: str, shown: str) -> Callable[[Page], None]:
    """Run *task* on the *sample* of the page Try, and wait for what is then *shown*."""

    def act(page: Page) -> None:
        page.locator(f"[name=task][value={task}]").check(force=True)
        page.locator(f"[data-sample='{sample}']").click()
        page.wait_for_selector(shown)

    return act


OBJECTS = try_sample("segment", "things.jpg", ".objects li")
TEXT = try_sample("ocr", "page.png", ".lines li")
SHOTS = (
    Shot("try", "/", OBJECTS, DESKTOP),
    Shot("try-dark-zh", "/", TEXT, DESKTOP, "zh", "dark"),
    Shot("try-phone", "/", TEXT, PHONE),
    Shot("try-phone-dark-zh", "/", OBJECTS, PHONE, "zh", "dark"),
)


def take(farm: RunningFarm, shot: Shot) -> None:
    """Take one picture."""
    looks = {"viewport": shot.size, "color_scheme": shot.theme, "device_scale_factor": 2 if shot.size is PHONE else 1}
    with browsing(farm, **looks) as page:  # type: ignore[arg-type]
        page.goto(f"{farm.url}{shot.path}?lang={shot.language}")
        shot.act(page)
        page.wait_for_load_state("networkidle")
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            picture.save(FOLDER / f"{shot.name}.webp", quality=82, method=6)


def main() -> None:
    """Take all of them."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as path:
        tasks = {"FARM_ENABLE": "ocr,document,segment,orient,edit,echo", "FARM_SEGMENT_MODEL": "classical"}
        farm = RunningFarm(Path(path), FARM_SIMULATIONS=0, FARM_WORKERS=1, **tasks)
        try:
            farm.start()
            for shot in SHOTS:
                take(farm, shot)
        finally:
            farm.stop()


if __name__ == "__main__":
    main()
