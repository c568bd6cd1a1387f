"""The pages Farm, Inbox and Batch in a real browser, on one farm that has a key and whose front is killed meanwhile."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import browsing, download, severe
from tests.support.odd_answers import ANSWERS, FILLED, SCHEMA
from tests.support.pictures import small
from tests.support.running_farm import RunningFarm, until

pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former

KEY = "secret"
#: The inputs of a batch that takes long enough for a front to be killed meanwhile: a second each.
MANY = 8


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with a key, a folder to be done, and a file in its inbox that fails."""
    path = tmp_path_factory.mktemp("farm")
    scans = path / "data/scans"
    scans.mkdir(parents=True)
    for number in range(MANY):
        (scans / f"{number}.png").write_bytes(small())
    made = RunningFarm(path, FARM_ENABLE="echo,edit", FARM_WORKERS=1, FARM_API_KEY=KEY, FARM_SIMULATIONS=0)
    try:
        made.start(ready=False)
        until(lambda: len(made.farm.workers()) == 1, 60, what="the worker")
        until(lambda: made.get("/health")[0] == 200, 60, what="the front")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def page(farm: RunningFarm) -> Iterator[Page]:
    """A tab in which the key was entered."""
    with browsing(farm, pardoned="401|net::ERR_", viewport={"width": 1280, "height": 900}) as tab:  # a front is killed
        tab.goto(f"{farm.url}/farm")
        tab.fill("#key input", KEY)
        tab.keyboard.press("Enter")
        expect(tab.locator("#tasks tr")).to_have_count(2)
        yield tab


def test_a_task_and_the_queue_are_paused_and_resumed_by_keyboard(farm: RunningFarm, page: Page) -> None:
    page.get_by_role("button", name="Pause echo").press("Enter")
    resume = page.get_by_role("button", name="Resume echo")
    expect(resume).to_be_focused()
    job = farm.farm.submit("echo", n=1)
    expect(page.locator("#tasks tr").first.locator("td").nth(1)).to_have_text("1")
    assert farm.farm.pauses.names() == ["echo"]
    resume.press("Enter")
    assert job.wait(20)["params"] == {"n": 1}
    page.get_by_role("button", name="Pause everything").click()
    expect(page.locator("#resting")).to_contain_text("The whole queue has been paused")
    expect(page.locator("#tasks .state:visible")).to_have_text(["paused", "paused"])
    assert farm.farm.pauses.names() == ["*"]
    page.get_by_role("button", name="Resume everything").click()
    expect(page.locator("#resting")).to_be_hidden()


def test_a_worker_is_added_and_retired_and_what_each_does_is_shown(farm: RunningFarm, page: Page) -> None:
    page.get_by_role("button", name="Add a worker").click()
    expect(page.locator(".workers li")).to_have_count(2, timeout=60_000)
    job = farm.farm.submit("echo", seconds=30)
    link = page.locator(".doing a")
    expect(link).to_have_attribute("href", f"jobs/{job.id}")
    job.cancel()
    page.get_by_role("button", name="Retire a worker").click()
    expect(page.locator(".workers li")).to_have_count(1, timeout=60_000)
    expect(page.get_by_role("button", name="Retire a worker")).to_be_disabled()


def test_the_curves_and_the_doctor_say_what_was_done_and_what_is_wrong(farm: RunningFarm, page: Page) -> None:
    page.reload()
    expect(page.locator("#plot")).to_have_attribute("aria-label", re.compile("^echo: "), timeout=30_000)
    page.get_by_role("tab", name="Done").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Run time")).to_be_focused()
    expect(page.locator("#plot")).to_have_attribute("aria-label", re.compile("^echo: .*, echo 95 %: "))
    farm.farm.pauses.pause("edit")
    page.get_by_role("button", name="Examine").click()
    expect(page.locator("#findings")).to_contain_text("task edit has been paused", timeout=60_000)
    farm.farm.pauses.resume("edit")
    assert severe(page) == []


def test_a_file_that_failed_is_put_back_and_done(farm: RunningFarm, page: Page) -> None:
    inbox, out = Path(farm.farm.inbox, "edit"), Path(farm.given["FARM_RESULTS_DIR"], "inbox/edit")
    (inbox / "<b>bad.png").write_bytes(b"no picture at all, by far")
    until(lambda: (out / "<b>bad.png").exists(), 30, what="the answer")
    page.goto(f"{farm.url}/inbox?folder=edit")
    row = page.locator("#rows tr")
    expect(row).to_contain_text(["<b>bad.png"])
    expect(row).to_contain_text(["is not a picture of a type we take"])
    assert severe(page) == []
    expect(row.get_by_role("link", name="unsupported_media")).to_have_attribute(
        "href", f"{farm.url}/help?q=unsupported_media"
    )
    (out / "<b>bad.png").write_bytes(small())
    page.get_by_role("button", name="Put back <b>bad.png").press("Enter")
    expect(page.locator("#none")).to_have_text("Nothing has failed here.")
    page.get_by_role("tab", name="Done").click()
    expect(row).to_contain_text(["<b>bad.png"], timeout=30_000)
    page.get_by_role("button", name="Answer to <b>bad.png").click()
    expect(page.locator("#answer-text")).to_contain_text('"status": "succeeded"')
    page.keyboard.press("Escape")


def test_a_batch_goes_on_while_its_front_is_killed_and_its_results_are_taken(
    farm: RunningFarm, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{farm.url}/batch")
    page.get_by_label("Task").select_option("echo")
    page.locator("summary").click()
    page.get_by_label("seconds").fill("1")
    page.get_by_label("or a folder on the farm's machine").fill("scans")
    page.get_by_role("button", name="Start").press("Enter")
    expect(page.locator("#one-told")).to_contain_text(re.compile(rf"^[1-{MANY}] of {MANY} done"), timeout=60_000)
    before = farm.front()
    farm.kill(before)
    until(lambda: set(farm.front()) - set(before) and farm.get("/health")[0] == 200, 60, what="the front")
    expect(page.locator("#one-state")).to_have_text("done", timeout=60_000)
    expect(page.locator("#one-told")).to_have_text(f"{MANY} of {MANY} done, 0 failed")
    assert severe(page) == []
    with zipfile.ZipFile(download(page, "ZIP", tmp_path)) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png.json")]) == MANY
    assert download(page, "CSV", tmp_path).read_bytes().count(b"succeeded") == MANY
    page.get_by_role("link", name="All batches").click()
    expect(page.locator(".batches .state")).to_have_text("done")


def test_a_folder_is_sent_failures_come_first_and_are_tried_again(
    farm: RunningFarm, page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "my scans"
    folder.mkdir()
    for name, data in (("a.png", small()), ("b.png", small()), ("bad.png", b"no picture at all, by far")):
        (folder / name).write_bytes(data)
    page.goto(f"{farm.url}/batch")
    page.get_by_label("Task").select_option("edit")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#order-said")).to_have_text("Choose files, or name a folder.")
    assert severe(page) == []
    page.locator("#folder-input").set_input_files(folder)
    expect(page.locator("#chosen-said")).to_contain_text("3 files")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#one-title")).to_have_text("my scans", timeout=60_000)
    expect(page.locator("#failures")).to_contain_text("my scans/bad.png", timeout=60_000)
    expect(page.locator("#one-state")).to_have_text("done", timeout=60_000)
    [batch] = [each for each in Path(farm.given["FARM_DATA_DIR"], "batches").iterdir() if page.url.endswith(each.name)]
    (batch / "inputs/my scans/bad.png").write_bytes(small())
    page.get_by_role("button", name="Try the failed ones again").click()
    expect(page.locator("#no-failures")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Remove").click()
    page.locator("#sure").get_by_role("button", name="Remove").click()
    expect(page.locator(".batches li")).to_have_count(1)
    assert not batch.exists()


def test_the_pages_speak_chinese_and_fit_a_phone(farm: RunningFarm, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path, title in (("farm", "农场"), ("inbox", "收件箱"), ("batch", "批量")):
        page.goto(f"{farm.url}/{path}?lang=zh")
        expect(page.locator("h1")).to_have_text(title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    assert severe(page) == []


def test_an_answer_of_any_shape_is_shown_and_a_parameter_of_any_kind_has_a_field(farm: RunningFarm, page: Page) -> None:
    page.goto(farm.url)
    expect(page.get_by_role("radio")).to_have_count(2)
    shown = page.evaluate(
        """async answers => {
            const { showAnswer } = await import("/web/try/answer.js");
            const { Stage } = await import("/web/try/stage.js");
            const told = [];
            for (const result of answers) {
                const stage = new Stage(document.createElement("div"));
                await showAnswer({ record: { id: "x", result }, name: "" }, stage, []);
                told.push(document.getElementById("panel").innerText);
            }
            return told;
        }""",
        ANSWERS,
    )
    assert [text for text in shown if "JSON" not in text or "NaN" in text or "undefined" in text] == []
    form = """async ([schema, filled]) => {
        const { Form } = await import("/web/try/form.js");
        const form = new Form("own", schema, []);
        const read = [form.read()];
        form.fill(filled);
        return [...read, form.read()];
    }"""
    assert page.evaluate(form, [SCHEMA, FILLED]) == [{}, FILLED]


def test_a_clock_that_is_wrong_makes_no_job_older(farm: RunningFarm, page: Page) -> None:
    job = farm.farm.submit("echo")
    job.wait(20)
    page.clock.set_system_time(time.time() + 7200)
    page.goto(f"{farm.url}/jobs")
    expect(page.locator(f"tr[data-job='{job.id}'] time")).to_have_text(re.compile("now|sec|现在|秒前"))
    page.clock.set_system_time(time.time())
