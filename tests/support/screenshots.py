"""The pictures of the pages in docs/pages: `python -m tests.support.screenshots` starts a farm and takes them anew."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.browser import browsing
from tests.support.pictures import small
from tests.support.run_folders import run_folder
from tests.support.running_farm import ROOT, RunningFarm, until

FOLDER = ROOT / "docs/pages"
#: Tasks that fail, kill and talk.
OWN = {"poison": "rude_tasks:Poison", "grumpy": "rude_tasks:Grumpy", "talker": "talking_tasks:Talker"}
DESKTOP, PHONE, TALL = {"width": 1280, "height": 860}, {"width": 390, "height": 844}, {"width": 1280, "height": 1100}


@dataclass(frozen=True)
class Shot:
    """One picture: the address, what is done there, and how it is looked at."""

    name: str
    path: str
    act: Callable[[Page], None]
    size: dict[str, int]
    language: str = "en"
    theme: str = "light"
    #: What the farm does before.
    before: Callable[[RunningFarm], object] = lambda farm: None


def try_sample(task: str, sample: str, shown: str) -> Callable[[Page], None]:
    """Run *task* on the *sample* of the page Try, and wait for what is then *shown*."""

    def act(page: Page) -> None:
        page.locator(f"[name=task][value={task}]").check(force=True)
        page.locator(f"[data-sample='{sample}']").click()
        page.wait_for_selector(shown)
        page.wait_for_load_state("networkidle")

    return act


def jobs_shown(page: Page) -> None:
    """Wait for the list, and the first of its thumbnails."""
    page.wait_for_selector("#live.on")
    page.locator(".thumb img").nth(2).wait_for()


def killer_shown(page: Page) -> None:
    """Open the job that has killed its workers, and wait for its picture."""
    page.goto(page.url.partition("?")[0] + "?status=failed")
    page.get_by_role("link", name="scan 0007.png").click()
    page.wait_for_selector("#pictures img")


def batch(page: Page) -> None:
    """Do a folder, and wait until some of it is done."""
    page.get_by_label("Task").select_option("edit")
    page.locator("#server-folder").fill("scans")
    page.locator("#begin").click()
    page.locator("#failures tr").first.wait_for()
    expect(page.locator("#one-told")).to_contain_text(re.compile("^[1-9][0-9]+ of"), timeout=60_000)


def prepare(farm: RunningFarm) -> None:
    """Give the farm something to show: files that failed and wait, a folder, and jobs."""
    scans = Path(farm.given["FARM_DATA_DIR"], "scans")
    scans.mkdir(parents=True)
    for number in range(400):
        (scans / f"invoice-{number:03}.png").write_bytes(small())
    (scans / "invoice-000.png").write_bytes(b"no picture at all, by far")
    for name in ("scan 12.png", "发票 7.jpg"):
        Path(farm.farm.inbox, "edit", name).write_bytes(b"no picture at all, by far")
    for number in range(3):
        Path(farm.farm.inbox, "edit", f"photo {number}.png").write_bytes(small())
    until(lambda: not any(names for _, _, names in os.walk(farm.farm.inbox)), 30, what="the answers")
    for _ in range(3):  # so that there are curves
        begin = len(farm.get("/v1/farm/history")[1]["points"])
        for _ in range(60):
            farm.farm.submit("echo", seconds=0.1, durable=False)
        until(lambda begin=begin: len(farm.get("/v1/farm/history")[1]["points"]) > begin, 30, what="the history")  # type: ignore[misc]


def busy(farm: RunningFarm) -> None:
    """Have jobs run and wait, and a task paused."""
    for _ in range(5):
        farm.farm.submit("echo", seconds=30)
    farm.farm.pauses.pause("edit")


def compared(page: Page) -> None:
    """Compare four runs with a baseline."""
    page.locator("#runs tr").nth(5).wait_for()
    for place in (1, 2, 3, 4):
        page.locator("#runs input").nth(place).check()
    page.locator("#differences-rows input").nth(0).check()
    page.wait_for_selector("#plot canvas")
    page.evaluate("scrollTo(0, 0)")


def new_run(page: Page) -> None:
    """Open the form."""
    page.locator("#new-run").click()
    page.wait_for_selector("#field-rounds")
    page.locator("#runs tr").first.wait_for()


def followed(page: Page) -> None:
    """Open the run that goes on, and draw a digit."""
    page.locator("#runs a").first.click()
    expect(page.locator("#log")).to_contain_text("round 8/", timeout=120_000)
    page.locator("#canvas").focus()
    for key in ("Space", *["ArrowDown"] * 14, "Space"):
        page.keyboard.press(key)
    page.wait_for_selector(".chances li")
    page.locator("h1").click()


def trained(farm: RunningFarm) -> None:
    """Have runs in the project, and one under way."""
    project = Path(farm.given["FLOWER_PROJECT_DIR"])
    if not farm.farm.jobs(task="simulate"):
        strategies = ("FedAvg", "FedAvgM", "FedAdam", "FedProx")
        for number in range(40):
            state, rounds = ("stopped", 6) if number % 7 == 3 else ("completed", 10)
            rate = (0.005, 0.01, 0.02, 0.05, 0.1)[number % 5]
            run_folder(
                project, number, rounds=rounds, status=state, learning_rate=rate, strategy=strategies[number % 4]
            )
        farm.farm.submit("simulate", rounds=500, learning_rate=0.02)


def wait_for(*selectors: str) -> Callable[[Page], None]:
    """Wait for all of these."""

    def act(page: Page) -> None:
        for selector in selectors:
            page.wait_for_selector(selector)

    return act


def face_tried(page: Page) -> None:
    """Edit a picture from the page of the endpoints."""
    page.goto(page.url.partition("?")[0] + "#/edit/edit_edit")
    page.reload()
    face = page.locator("#operations-edit-edit_edit")
    face.get_by_text("Try it out").click()
    face.locator("input[type=file]").set_input_files(ROOT / "docs/sample.png")
    face.locator("button.execute").click()
    face.locator(".live-responses-table img").wait_for()
    face.scroll_into_view_if_needed()


def searched(words: str) -> Callable[[Page], None]:
    """Search the manual for *words*."""

    def act(page: Page) -> None:
        page.fill("#words", words)
        page.wait_for_selector("#hits li")

    return act


OBJECTS = try_sample("segment", "things.jpg", ".objects li")
TEXT = try_sample("ocr", "page.png", ".lines li")
SHOTS = (
    Shot("try", "/", OBJECTS, DESKTOP),
    Shot("try-dark-zh", "/", TEXT, DESKTOP, "zh", "dark"),
    Shot("try-phone", "/", TEXT, PHONE),
    Shot("try-phone-dark-zh", "/", OBJECTS, PHONE, "zh", "dark"),
    Shot("jobs", "/jobs", jobs_shown, DESKTOP),
    Shot("jobs-phone-dark-zh", "/jobs", jobs_shown, PHONE, "zh", "dark"),
    Shot("job", "/jobs", killer_shown, DESKTOP),
    Shot("job-phone-zh", "/jobs", killer_shown, PHONE, "zh"),
    Shot("batch", "/batch", batch, DESKTOP),
    Shot("batch-new", "/batch", wait_for("#fields .field, #fields details", ".batches li"), DESKTOP, "zh", "dark"),
    Shot("inbox", "/inbox?folder=edit", wait_for("#rows tr"), DESKTOP),
    Shot("docs", "/docs", wait_for(".opblock"), DESKTOP),
    Shot("docs-dark", "/docs", face_tried, DESKTOP, "en", "dark"),
    Shot("help", "/help", wait_for("article table"), DESKTOP),
    Shot("help-search-dark", "/help", searched("worker_died"), DESKTOP, "en", "dark"),
    Shot("help-phone-zh", "/help/coming-from", wait_for("article table"), PHONE, "zh"),
    Shot("farm", "/farm", wait_for("#plot canvas", ".doing a"), TALL, before=busy),
    Shot("farm-phone-dark-zh", "/farm", wait_for(".workers li"), PHONE, "zh", "dark"),
    Shot("federated", "/federated", compared, TALL, before=trained),
    Shot("run", "/federated", followed, DESKTOP, before=trained),
    Shot("federated-new-dark-zh", "/federated", new_run, DESKTOP, "zh", "dark", before=trained),
    Shot("federated-phone-dark-zh", "/federated", compared, PHONE, "zh", "dark", before=trained),
)


def take(farm: RunningFarm, shot: Shot) -> None:
    """Take one picture."""
    shot.before(farm)
    looks = {"viewport": shot.size, "color_scheme": shot.theme, "device_scale_factor": 2 if shot.size is PHONE else 1}
    with browsing(farm, pardoned="escaping deep link", **looks) as page:  # type: ignore[arg-type]  # Swagger UI
        page.goto(f"{farm.url}{shot.path}{'&' if '?' in shot.path else '?'}lang={shot.language}")
        shot.act(page)
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            picture.save(FOLDER / f"{shot.name}.webp", quality=82, method=6)


def fill(farm: RunningFarm) -> None:
    """Have jobs of every kind in the list."""
    samples = ROOT / "spoolfarm/server/web/try"
    sent = [("segment", "things.jpg", f"parts {number}.jpg") for number in range(3)]
    sent += [
        ("poison", "page.png", "scan 0007.png"),
        ("ocr", "page.png", "scan 0008.png"),
        ("edit", "page.png", "flyer.png"),
    ]
    for task, picture, name in sent:
        file = {"image": (name, (samples / picture).read_bytes())}
        params = {"params": json.dumps({"operations": ["resize=0.5"]})} if task == "edit" else {}
        requests.post(f"{farm.url}/v1/jobs", data={"task": task, **params}, files=file, timeout=60).raise_for_status()
    until(lambda: not farm.farm.unfinished(), 60, what="the jobs")
    farm.farm.submit("grumpy", why="page 3 is upside down")
    farm.farm.submit("talker", lines=100_000, pause=0.02)


def main() -> None:
    """Take all of them, or those whose names are given."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as path:
        enabled = f"ocr,document,segment,orient,edit,echo,simulate,classify,{','.join(OWN)}"
        project = shutil.copytree(ROOT / "flower_project", Path(path, "project"))
        tasks = {"FARM_ENABLE": enabled, "FARM_SEGMENT_MODEL": "classical"}
        tasks["FARM_TASKS"] = ",".join(f"{name}=tests.support.{where}" for name, where in OWN.items())
        farm = RunningFarm(Path(path), FARM_WORKERS=2, FLOWER_PROJECT_DIR=project, **tasks)
        try:
            farm.start()
            fill(farm)
            prepare(farm)
            for shot in SHOTS:
                if shot.name in (sys.argv[1:] or [shot.name]):
                    take(farm, shot)
        finally:
            farm.stop()


if __name__ == "__main__":
    main()
