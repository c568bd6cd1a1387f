"""The pages of federated training in a real browser: a run started, followed and stopped; a thousand compared."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import browsing, download, severe
from tests.support.pictures import small
from tests.support.run_folders import run_folder
from tests.support.running_farm import ROOT, RunningFarm, until

expect.set_options(timeout=60_000)
pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former

KEY = "secret"
#: What the browser says of what happens here on purpose: no key, no such run or model, a front that is killed.
PARDONED = r"status of (401|404|409|422)|ERR_(CONNECTION|INCOMPLETE|EMPTY)|WebSocket connection"
#: A letter that readers of English do not know.
CHINESE = re.compile(r"[\u3400-\u9fff]")
MANY = 1000
#: Milliseconds within which the page is painted, and bytes of files that it may load.
PAINTED, LOADED = 1000, 400_000
#: Milliseconds that a frame takes at most, as a rule, while the page is scrolled.
FRAME = 100


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with a key, on a copy of the repository's own project."""
    path = tmp_path_factory.mktemp("federated")
    shutil.copytree(ROOT / "flower_project", path / "project", ignore=shutil.ignore_patterns("*_2*", "__pycache__"))
    given = {"FARM_ENABLE": "classify,simulate", "FARM_WORKERS": 1, "FLOWER_PROJECT_DIR": path / "project"}
    made = RunningFarm(path, **given, FARM_API_KEY=KEY)
    try:
        made.start(ready=False)
        until(lambda: len(made.farm.workers()) == 2, 60, what="the workers")
        until(lambda: made.get("/health")[0] == 200, 60, what="the front")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def project(farm: RunningFarm) -> Path:
    return Path(farm.given["FLOWER_PROJECT_DIR"])


@pytest.fixture(scope="module")
def page(farm: RunningFarm) -> Iterator[Page]:
    """A tab in which the key was entered."""
    with browsing(farm, pardoned=PARDONED, viewport={"width": 1280, "height": 900}) as tab:
        tab.goto(f"{farm.url}/federated")
        tab.fill("#key input", KEY)
        tab.keyboard.press("Enter")
        expect(tab.locator("#none")).to_have_text("There is no run yet. Start one above.")
        yield tab


@pytest.fixture(scope="module")
def job(farm: RunningFarm, page: Page) -> str:
    """The job of a run that was started by the form, with the keyboard alone, and is under way."""
    expect(page.locator("#without-model")).to_be_visible()
    rounds = page.get_by_label("rounds", exact=True)
    expect(rounds).to_have_attribute("min", "1")
    rounds.press("ControlOrMeta+a")
    page.keyboard.type("0")
    page.keyboard.press("Enter")  # which the browser refuses, as the project's own limits say
    assert page.evaluate("document.querySelector('#field-rounds').validity.rangeUnderflow")
    rounds.press("ControlOrMeta+a")
    page.keyboard.type("100000")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "field-learning_rate"
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0.05")
    page.locator("#start summary").press("Enter")
    page.get_by_label("more").fill("-b=1")
    page.locator("#start-run").press("Enter")
    expect(page.locator("#start-said")).to_contain_text("is no plain name")
    page.get_by_label("more").fill("")
    page.get_by_label("alpha").fill("100")
    page.get_by_label("local_epochs").fill("2")
    page.locator("#start-run").press("Enter")
    expect(page.locator("#log")).to_contain_text("round 2/100000")
    found = re.search(r"/federated/([0-9a-f]{24})$", page.url)
    assert found
    return found[1]


def remove(page: Page) -> None:
    """Delete the run that the page shows, and come to all others."""
    page.locator("#run-acts").get_by_role("button", name="Delete").click()
    page.locator("#sure").get_by_role("button", name="Delete").click()
    expect(page.locator("#runs-title")).to_be_visible()


def lines(page: Page, path: Path) -> list[str]:
    """The log as the page gives it away."""
    return download(page, "Download", path).read_text().splitlines()


def test_a_run_is_followed_by_who_started_it_and_seen_in_a_second_browser(
    farm: RunningFarm, page: Page, job: str, tmp_path: Path
) -> None:
    expect(page.locator("#run-state")).to_have_text("running")
    expect(page.locator("#run-title")).to_contain_text("SmallCNN_")
    expect(page.locator("#run-curve")).to_have_attribute("aria-label", re.compile("^Round [1-9].*accuracy 0"))
    assert page.context.browser is not None
    other = page.context.browser.new_context(locale="en-US").new_page()
    other.goto(f"{farm.url}/federated")
    other.fill("#key input", KEY)
    other.keyboard.press("Enter")
    row = other.locator("#runs tr")
    expect(row).to_contain_text("running")
    row.get_by_role("link").click()
    expect(other.locator("#log")).to_contain_text("writing to")
    expect(other.locator("#log")).to_contain_text("round 3/")
    assert lines(other, tmp_path)[0].startswith("writing to ")
    other.context.close()


def test_no_line_is_missing_or_doubled_when_the_front_is_killed_and_a_stop_is_no_failure(
    farm: RunningFarm, page: Page, job: str, tmp_path: Path
) -> None:
    before = farm.front()
    farm.kill(before)
    until(lambda: set(farm.front()) - set(before) and farm.get("/health")[0] == 200, 60, what="the front")
    said = len(farm.farm.log(job))
    until(lambda: len(farm.farm.log(job)) > said + 4, 60, what="more rounds")
    last = [each["log"] for each in farm.farm.log(job) if "log" in each][-1]
    expect(page.locator("#log")).to_contain_text(last)
    page.get_by_role("searchbox", name="Search the log").fill("ROUND 2/")
    expect(page.locator("#log-count")).to_have_text(re.compile(r"^1 of \d+ lines$"))
    expect(page.locator("#log mark")).to_have_text("round 2/")
    page.get_by_role("searchbox", name="Search the log").fill("")
    page.get_by_role("button", name="Stop").click()
    page.locator("#sure").get_by_role("button", name="Stop").click()
    expect(page.locator("#run-state")).to_have_text("stopped")
    expect(page.locator("#run-state")).to_have_class("state ")
    expect(page.locator("#run-error")).to_be_hidden()
    assert farm.farm.record(job)["status"] == "cancelled"
    whole = [each["log"] for each in farm.farm.log(job) if "log" in each]
    expect(page.locator("#log-count")).to_have_text(f"Lines: {len(whole)}")
    assert lines(page, tmp_path) == whole
    assert not CHINESE.search(page.inner_text("main"))
    page.reload()
    expect(page.locator("#log-count")).to_have_text(f"Lines: {len(whole)}")
    expect(page.locator("#run-state")).to_have_text("stopped")
    assert severe(page) == []


def test_a_run_that_fails_says_why_in_the_readers_language(page: Page, farm: RunningFarm, job: str) -> None:
    stopped = page.locator("#run-title").inner_text()
    page.get_by_role("link", name="New run like this").click()
    expect(page.get_by_label("learning_rate", exact=True)).to_have_value("0.05")
    expect(page.get_by_label("alpha")).to_have_value("100")
    page.get_by_label("clients", exact=True).fill("1")
    page.locator("#start-run").click()
    expect(page.locator("#run-state")).to_have_text("failed")
    why = "run_flower.py: min_clients 2: there are only 1 clients"
    expect(page.locator("#run-error")).to_have_text(f"the script ended with exit code 2: {why} simulation_failed")
    expect(page.locator("#log")).to_contain_text("min_clients 2: there are only 1 clients")
    assert not CHINESE.search(page.inner_text("main"))
    remove(page)
    page.get_by_role("link", name=stopped).click()
    page.get_by_role("link", name="Go on with it").click()
    expect(page.get_by_label("rounds", exact=True)).to_have_value("200000")
    expect(page.get_by_label("alpha")).to_have_value("100")
    page.locator("#start-run").click()
    expect(page.locator("#stop-run")).to_be_visible()
    more = page.url.rpartition("/")[2]
    assert farm.farm.inputs.job(more).params == {"rounds": 200_000, "resume": f"global_models/{stopped}"}
    farm.farm.cancel(more)
    expect(page.locator("#run-state")).to_have_text("stopped")
    remove(page)
    page.goto(f"{farm.url}/federated/{job}")


def test_a_model_predicts_what_is_drawn_by_pointer_and_keyboard_and_what_is_in_a_file(
    page: Page, job: str, tmp_path: Path
) -> None:
    chances = page.locator("#predictions li")
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)  # a one
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=8)
    page.mouse.up()
    expect(chances).to_have_count(10)
    expect(chances.first.locator(".name")).to_have_text("1")
    page.get_by_role("button", name="Wipe off").click()
    expect(chances).to_have_count(0)
    page.locator("#canvas").focus()
    page.keyboard.press("Space")
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(chances).to_have_count(10)
    page.keyboard.press("Delete")
    expect(chances).to_have_count(0)
    (tmp_path / "a.png").write_bytes(small())
    page.locator("#picture").set_input_files(tmp_path / "a.png")
    expect(chances).to_have_count(10)
    page.get_by_role("button", name="Wipe off").click()
    dropped = page.evaluate_handle(
        """sent => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(sent)], "a.png", { type: "image/png" }));
          return transfer;
        }""",
        [*small()],
    )
    page.dispatch_event("#pad", "drop", {"dataTransfer": dropped})
    expect(chances).to_have_count(10)


def test_a_model_is_renamed_taken_away_and_removed(
    farm: RunningFarm, page: Page, project: Path, job: str, tmp_path: Path
) -> None:
    old = page.locator("#run-title").inner_text()
    weights = (project / "global_models" / old / "best_model.pth").read_bytes()
    page.get_by_role("button", name="Rename").press("Enter")
    page.locator("#rename-name").fill("best of all")
    page.keyboard.press("Enter")
    expect(page.locator("#rename-wrong")).to_contain_text("has to begin with SmallCNN")
    page.locator("#rename-name").fill("SmallCNN_best")
    page.keyboard.press("Enter")
    expect(page.locator("#run-title")).to_have_text("SmallCNN_best")
    expect(page.locator("#run-state")).to_have_text("stopped")
    assert not (project / "global_models" / old).exists()
    saved = download(page, "Download weights", tmp_path)
    assert saved.name == "SmallCNN_best.pth"
    assert saved.read_bytes() == weights
    remove(page)
    expect(page.locator("#none")).to_be_visible()
    assert not (project / "global_models/SmallCNN_best").exists()
    assert job not in farm.farm.ended_jobs()


def test_two_runs_are_compared_and_one_by_hand_is_seen_to_go_on(farm: RunningFarm, page: Page, project: Path) -> None:
    slow = run_folder(project, 1, learning_rate=0.005)
    quick = run_folder(project, 2, rounds=4, learning_rate=0.1, status="running")
    path = project / "global_models" / quick / "result.json"
    told = json.loads(path.read_text()) | {"pid": os.getpid()}
    path.write_text(json.dumps(told))
    page.goto(f"{farm.url}/federated")
    row = page.locator("#runs tr", has_text=quick)
    expect(row).to_contain_text("by hand")
    expect(row.locator("td").nth(3)).to_have_text("4 / 10")
    for name in (slow, quick):
        page.get_by_label(f"Compare {name}").check()
    expect(page.locator("#plot")).to_have_attribute("aria-label", re.compile(f"^Accuracy by round of 2 runs: .*{slow}"))
    expect(page.locator("#differences-head th")).to_have_text(
        ["Run", "Accuracy", "Loss", "learning_rate", "seed", "Baseline", "Leave out"]
    )
    page.get_by_label(f"Compare with {slow}").check()
    expect(page.locator("#differences-rows tr", has_text=quick)).to_contain_text(re.compile(r"\+0\.\d+"))
    page.get_by_role("tab", name="Accuracy").press("ArrowRight")
    page.get_by_label("Log axis").check()
    expect(page.locator("#plot")).to_have_attribute("aria-label", re.compile("^Loss by round"))
    page.get_by_label("Figures of").select_option("last")
    told["rounds"].append(5)
    told["accuracies"].append(0.9999)
    told["losses"].append(0.0001)
    path.write_text(json.dumps(told | {"status": "completed"}))
    expect(row.locator("td").nth(4)).to_have_text("0.9999")
    expect(page.locator("#differences-rows tr", has_text=quick)).to_contain_text("0.9999")
    kept = page.url
    page.goto(f"{farm.url}/jobs")
    page.goto(kept)
    expect(page.locator("#differences-rows tr")).to_have_count(2)
    expect(page.get_by_label(f"Compare with {slow}")).to_be_checked()
    assert severe(page) == []


def test_a_thousand_runs_are_listed_sorted_and_compared_smoothly(farm: RunningFarm, page: Page, project: Path) -> None:
    for number in range(3, MANY + 1):
        run_folder(project, number, learning_rate=(0.005, 0.01, 0.05)[number % 3])
    page.goto(f"{farm.url}/federated")
    expect(page.locator("#count-all")).to_have_text("1,000")
    page.reload()
    expect(page.locator("#runs tr")).to_have_count(15)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < PAINTED
    names = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    files = [name for name in names if "/web/" in name]
    assert len(files) > 10
    assert sum(len(page.request.get(name).body()) for name in files) < LOADED
    page.get_by_role("button", name="Accuracy").click()
    expect(page.locator("#runs tr").first.locator("td").nth(4)).to_have_text("0.9999")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#shown")).to_have_text("16 to 30 of 1,000")
    page.get_by_role("searchbox", name="Search runs").fill("-235000")
    expect(page.locator("#runs tr")).to_have_count(6)
    page.get_by_role("searchbox", name="Search runs").fill("")
    expect(page.locator("#shown")).to_have_text("1 to 15 of 1,000")
    page.get_by_role("button", name="Compare all that fit").click()
    expect(page.locator("#plot")).to_have_attribute("aria-label", re.compile("1,000 runs"))
    expect(page.locator("#compare-count")).to_have_text("Compared: 1,000")
    usual = page.evaluate(
        """async () => {
          const took = [];
          let before = performance.now();
          for (let frame = 0; frame < 30; frame++) {
            scrollBy(0, 20);
            await new Promise(requestAnimationFrame);
            took.push(performance.now() - before);
            before = performance.now();
          }
          return took.sort((one, other) => one - other)[15];
        }"""
    )
    assert usual < FRAME


def test_the_pages_speak_chinese_and_fit_a_phone(farm: RunningFarm, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{farm.url}/federated?lang=zh")
    expect(page.locator("h1")).to_have_text("联邦学习")
    expect(page.locator("#runs tr")).to_have_count(15)
    page.locator("#new-run").click()
    expect(page.locator("#field-learning_rate-hint")).to_have_text("客户端 SGD 的步长")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#runs a").first.click()
    expect(page.locator("#run-state")).to_have_text("已完成")
    expect(page.locator("#no-log")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert severe(page) == []
    page.goto(f"{farm.url}/federated/nothing")
    expect(page.locator("#trouble")).to_have_text("没有此运行，或已被删除。")
