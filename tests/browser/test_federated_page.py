"""The page of federated learning in a real browser: train the project's own model, see its curve, draw a digit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from tests.support.pictures import small
from tests.support.running_farm import ROOT, RunningFarm, until

expect.set_options(timeout=60_000)
pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former


def browse(farm: RunningFarm) -> Iterator[Page]:
    """A page that fails the test when it asks another host, or complains of anything."""
    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        made = browser.new_page()
        made.set_default_timeout(60_000)
        made.on("request", lambda request: asked.append(request.url))
        made.on("console", lambda message: message.type == "error" and said.append(message.text))
        made.on("pageerror", lambda error: said.append(str(error)))
        yield made
        browser.close()
    assert asked
    own = (farm.url, farm.url.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert [text for text in said if "401" not in text] == []


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm on a copy of the repository's own project."""
    path = tmp_path_factory.mktemp("federated")
    shutil.copytree(ROOT / "flower_project", path / "project", ignore=shutil.ignore_patterns("*_2*", "__pycache__"))
    given = {"FARM_ENABLE": "classify,simulate", "FARM_WORKERS": 1, "FLOWER_PROJECT_DIR": path / "project"}
    made = RunningFarm(path, **given, FARM_API_KEY="secret")
    try:
        made.start(ready=False)
        until(lambda: len(made.farm.workers()) == 2, 60, what="the workers")
        until(lambda: made.get("/health")[0] == 200, 60, what="the front")
        yield made
    finally:
        made.stop()


@pytest.fixture
def page(farm: RunningFarm) -> Iterator[Page]:
    yield from browse(farm)


def test_a_model_is_trained_its_history_plotted_and_a_drawn_digit_told(farm: RunningFarm, page: Page) -> None:
    page.goto(f"{farm.url}/federated")
    page.fill("#key input", "secret")
    page.click("#key button")
    expect(page.locator("#about")).to_have_text("There is no model yet: train one.")
    page.fill("[name=rounds]", "3")
    page.fill("[name=learning_rate]", "0.05")
    page.fill("#more", "local_epochs=3\nstrategy = FedAvgM\n")
    page.click("text=Start")
    expect(page.locator("#state")).to_have_text("模拟成功完成。", timeout=110_000)
    expect(page.locator("#log")).to_contain_text("round 3/3 accuracy")
    assert page.locator("#live circle.accuracy").count() == 3
    expect(page.locator("#history circle.loss")).to_have_count(3)
    expect(page.locator("#about")).to_contain_text("3 rounds")
    assert re.match(r"SmallCNN_\d{8}-\d{6}", page.input_value("#model"))
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 30)  # a one
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 170, steps=8)
    page.mouse.up()
    expect(page.locator("#predictions li")).to_have_count(10)
    expect(page.locator("#predictions li b").first).to_have_text("1")
    page.click("text=Clear")
    expect(page.locator("#predictions li")).to_have_count(0)


def test_a_page_that_is_opened_again_goes_on_and_can_stop_the_training(farm: RunningFarm, page: Page) -> None:
    page.goto(f"{farm.url}/federated")
    page.fill("#key input", "secret")
    slow: list[Route] = []
    page.route("**/api/models/", lambda route: slow.append(route))
    with page.expect_request("**/api/models/"):
        page.click("#key button")
    page.fill("[name=rounds]", "1000")
    page.click("text=Start")  # before the page is connected
    for route in slow:
        route.continue_()
    page.unroute("**/api/models/")
    expect(page.locator("#log")).to_contain_text("writing to")
    page.reload()
    expect(page.locator("#log")).to_contain_text("writing to")
    expect(page.locator("#log")).to_have_text(re.compile(r"^[^\n]*writing to(?!.*writing to)", re.DOTALL))
    page.click("text=Stop")
    expect(page.locator("#state")).to_have_class("bad")
    ended = re.compile("^模拟失败，退出码 (143|137)。$")  # 137 where it was slow to end
    expect(page.locator("#state")).to_have_text(ended)


def test_a_picture_from_a_file_is_told_and_what_is_wrong_is_said(farm: RunningFarm, page: Page, tmp_path: Path) -> None:
    listing = Request(f"{farm.url}/api/models/", headers={"X-API-Key": "secret"})
    if not farm.ask(listing)[1]["models"]:  # no other test has trained one
        farm.farm.submit("simulate", rounds=1, local_epochs=1).wait(110)
    page.goto(f"{farm.url}/federated")
    page.fill("#key input", "secret")
    page.click("#key button")
    expect(page.locator("#model option")).not_to_have_count(0)
    (tmp_path / "a.png").write_bytes(small())
    page.locator("#file").set_input_files(tmp_path / "a.png")
    expect(page.locator("#predictions li")).to_have_count(10)
    page.fill("#more", "-b=1")
    page.click("text=Start")
    expect(page.locator("#state")).to_contain_text("is no plain name")
