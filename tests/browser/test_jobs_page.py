"""The pages of jobs in a real browser: the list and its filters, one job followed, dead letters, many at once."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, expect

from spoolfarm.client.client import Client
from spoolfarm.spool.job import Result, State
from tests.support.browser import browsing, severe
from tests.support.pictures import small
from tests.support.running_farm import RunningFarm, until

expect.set_options(timeout=30_000)
pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former

KEY = "secret"
#: What the browser says of what happens here on purpose: no key or job, wrong parameters or filters, a killed front.
PARDONED = r"status of (400|401|404|422)|ERR_(CONNECTION|INCOMPLETE|EMPTY)"
#: How a job of a task ended that has been taken away since.
RESULT = Result("0" * 24, "readings", State.FAILED, 1, 1.0, 1.0, 2.0, error="ValueError: bulk", code="task_error")
TASKS = {
    "talker": "tests.support.talking_tasks:Talker",
    "poison": "tests.support.rude_tasks:Poison",
    "grumpy": "tests.support.rude_tasks:Grumpy",
}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with a key, and tasks that talk, fail and kill."""
    own = {"FARM_TASKS": ",".join(f"{name}={where}" for name, where in TASKS.items()), "FARM_API_KEY": KEY}
    made = RunningFarm(
        tmp_path_factory.mktemp("farm"), FARM_ENABLE=f"echo,edit,{','.join(TASKS)}", FARM_SIMULATIONS=0, **own
    )
    with made:
        yield made


@pytest.fixture(scope="module")
def client(farm: RunningFarm) -> Client:
    """A client that has the key."""
    return Client(farm.url, KEY)


@pytest.fixture(scope="module")
def dead(farm: RunningFarm) -> str:
    """The id of a job whose picture has killed three workers."""
    sent = {"image": ("the killer.png", small())}
    asked = requests.post(
        f"{farm.url}/v1/jobs", data={"task": "poison"}, files=sent, headers={"X-API-Key": KEY}, timeout=30
    )
    job_id = str(asked.json()["id"])
    until(lambda: job_id in farm.farm.dead_letters(), 30, what="the dead letter")
    return job_id


@pytest.fixture(scope="module")
def tab(farm: RunningFarm) -> Iterator[Page]:
    """A tab in which the key was entered, once."""
    with browsing(farm, pardoned=PARDONED, viewport={"width": 1280, "height": 900}) as page:
        page.goto(f"{farm.url}/jobs")
        page.fill("#key input", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-wrong")).to_have_text("That is not the key of this farm.")
        page.fill("#key input", KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#live")).to_contain_text("2 workers")
        yield page


def show(tab: Page, farm: RunningFarm, query: str = "") -> None:
    """Open the list."""
    tab.goto(f"{farm.url}/jobs{query}")
    tab.mouse.move(5, 5)
    expect(tab.locator("#live")).to_contain_text("Live")
    expect(tab.locator("#count")).not_to_contain_text("Looking")


def row(tab: Page, job_id: str) -> str:
    return f"tr[data-job='{job_id}']"


def test_the_filters_are_the_address_and_the_address_the_filters(
    tab: Page, farm: RunningFarm, dead: str, client: Client
) -> None:
    good = client.submit("echo")
    good.wait(20)
    show(tab, farm)
    expect(tab.locator(row(tab, dead))).to_contain_text("the killer.png")
    expect(tab.locator(f"{row(tab, dead)} .thumb img")).to_have_count(1)
    expect(tab.locator(f"{row(tab, good.id)} .state")).to_have_text("Succeeded")
    expect(tab.locator("#count-failed")).to_have_text("1")
    tab.get_by_role("radio", name="Failed").check(force=True)
    expect(tab.locator(row(tab, good.id))).to_have_count(0)
    tab.fill("#name", "KILLER")
    expect(tab).to_have_url(f"{farm.url}/jobs?status=failed&name=KILLER")
    tab.fill("#error", "no such words")
    expect(tab.locator("#empty")).to_have_text("No job fits.")
    tab.fill("#error", "worker died")
    expect(tab.locator("#jobs tbody tr")).to_have_count(1)
    tab.reload()
    expect(tab.locator("#jobs tbody tr")).to_have_count(1)
    assert tab.input_value("#name") == "KILLER"
    tab.go_back()
    expect(tab.locator("#empty")).to_be_visible()
    tab.get_by_role("button", name="Clear filters").click()
    expect(tab).to_have_url(f"{farm.url}/jobs")
    tab.go_back()
    expect(tab.get_by_role("radio", name="Failed")).to_be_checked()
    tab.go_forward()
    expect(tab.get_by_role("radio", name="All")).to_be_checked()
    tab.select_option("#task", "poison")
    tab.select_option("#source", "http")
    tab.select_option("#time", "3600")
    expect(tab).to_have_url(re.compile(r"task=poison&source=http&since=\d+"))
    expect(tab.locator("#jobs tbody tr")).to_have_count(1)


def test_a_filter_of_nonsense_is_asked_for_once_and_does_nothing(tab: Page, farm: RunningFarm) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    show(tab, farm, "?status=nonsense")
    expect(tab.locator(".message.bad")).to_contain_text("status: Input should be")
    show(tab, farm, "?since=yesterday")
    tab.get_by_role("button", name="Delete").click()
    expect(tab.locator(".message.bad").nth(1)).to_contain_text("filter.since: Input should be")
    assert len([url for url in asked if "/v1/jobs?" in url]) == 2
    show(tab, farm, "?since=1e99")
    expect(tab.locator("#empty")).to_have_text("No job fits.")


def test_the_list_changes_without_moving_what_is_read(tab: Page, farm: RunningFarm, client: Client) -> None:
    show(tab, farm, "?task=talker")
    first = client.submit("talker", lines=10_000, pause=0.05)
    expect(tab.locator(f"{row(tab, first.id)} .state")).to_have_text("Running")
    expect(tab.locator(f"{row(tab, first.id)} progress")).to_have_count(1)
    tab.locator(f"{row(tab, first.id)} .what a").focus()
    second = client.submit("talker", lines=1)
    expect(tab.locator("#new")).to_have_text("1 new")
    expect(tab.locator(row(tab, second.id))).to_have_count(0)
    tab.locator(row(tab, first.id)).get_by_role("button", name="Cancel").click()
    expect(tab.locator(f"{row(tab, first.id)} .state")).to_have_text("Cancelled")
    tab.locator("#new").click()
    expect(tab.locator(f"{row(tab, second.id)} .state")).to_have_text("Succeeded")


def test_a_worker_that_is_killed_while_the_page_is_open_is_told_with_its_last_words(
    tab: Page, farm: RunningFarm, client: Client
) -> None:
    job = client.submit("talker", lines=10_000, pause=0.05)
    tab.goto(f"{farm.url}/jobs/{job.id}")
    expect(tab.locator("#log")).to_contain_text("line 3")
    expect(tab.locator("#timeline .running")).to_contain_text("Attempt 1")
    worker = job.record()["worker"]
    os.kill(next(each["pid"] for each in farm.farm.workers() if each["worker"] == worker), signal.SIGKILL)
    expect(tab.locator("#timeline .failed")).to_contain_text("killed by signal 9 (SIGKILL)")
    expect(tab.locator("#timeline .running")).to_contain_text("Attempt 2")
    expect(tab.locator("#log")).to_contain_text("attempt 1 ended")
    tab.get_by_role("button", name="Cancel the job").click()
    expect(tab.locator("#state")).to_have_text("Cancelled")


def test_no_line_is_missing_when_the_front_is_restarted(tab: Page, farm: RunningFarm, client: Client) -> None:
    job = client.submit("talker", lines=120, pause=0.05)
    tab.goto(f"{farm.url}/jobs/{job.id}")
    expect(tab.locator("#log")).to_contain_text("line 3")
    farm.kill(farm.front())
    expect(tab.locator("#state")).to_have_text("Succeeded")
    expect(tab.locator("#log")).to_contain_text("line 119")
    told = re.findall(r"  line (\d+)\n", tab.locator("#log").text_content() or "")
    assert told == [str(number) for number in range(120)]
    expect(tab.locator("#log-count")).to_have_text("Lines: 120")


def test_a_dead_letter_shows_the_picture_it_died_of_and_why_and_runs_again(
    tab: Page, farm: RunningFarm, dead: str, client: Client
) -> None:
    tab.goto(f"{farm.url}/jobs/{dead}")
    expect(tab.locator("#failure")).to_contain_text("the worker died in every one of 3 attempts")
    expect(tab.locator("#timeline .failed")).to_have_count(4)
    picture = tab.locator("#pictures img")
    expect(picture).to_have_attribute("alt", "the killer.png")
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [40, 20]
    expect(tab.locator("#about")).to_contain_text(client.record(dead)["request_id"])
    assert severe(tab) == []
    tab.get_by_role("button", name="Retry").click()
    expect(tab.locator("#messages")).to_contain_text("Queued again")
    expect(tab.locator("#state")).not_to_have_text("Failed")
    until(lambda: dead in farm.farm.dead_letters(), 30, what="the dead letter")
    expect(tab.locator("#timeline .failed")).to_have_count(4)


def test_a_task_that_raised_shows_its_traceback_and_markup_is_text(
    tab: Page, farm: RunningFarm, client: Client
) -> None:
    job = client.submit("grumpy", why="<img src=x onerror=alert(1)>")
    tab.goto(f"{farm.url}/jobs/{job.id}")
    expect(tab.locator("#failure .note")).to_have_text("ValueError: <img src=x onerror=alert(1)>")
    tab.get_by_text("Traceback", exact=True).click()
    expect(tab.locator("#failure pre")).to_contain_text("rude_tasks.py")
    assert tab.locator("#failure img").count() == 0


def test_a_job_runs_again_with_changes(tab: Page, farm: RunningFarm, client: Client) -> None:
    job = client.submit("edit", small(), operations=["resize=2"])
    job.wait(20)
    tab.goto(f"{farm.url}/jobs/{job.id}")
    expect(tab.locator("#pictures img")).to_have_count(2)
    tab.get_by_text("Run again with changes").click()
    tab.fill("#again-params", "no json")
    expect(tab.locator("#again-wrong")).to_have_text("This is no JSON object.")
    tab.fill("#again-params", '{"operations": ["explode=1"]}')
    tab.get_by_role("button", name="Run", exact=True).click()
    expect(tab.locator("#again-wrong")).to_contain_text("explode")
    tab.fill("#again-params", '{"operations": ["resize=3"]}')
    tab.get_by_role("button", name="Run", exact=True).click()
    expect(tab).not_to_have_url(f"{farm.url}/jobs/{job.id}")
    expect(tab.locator("#state")).to_have_text("Succeeded")
    again = client.record(tab.url.rpartition("/")[2])
    assert again["result"]["pictures"][0]["width"] == 120
    with tab.expect_download() as started:
        tab.get_by_role("button", name="Download edited.png").click()
    assert Image.open(io.BytesIO(Path(started.value.path()).read_bytes())).size == (120, 60)
    tab.get_by_role("button", name="Delete").click()
    tab.locator("#sure").get_by_role("button", name="Cancel").click()
    assert client.record(again["id"])["status"] == "succeeded"
    tab.get_by_role("button", name="Delete").click()
    tab.locator("#sure").get_by_role("button", name="Delete").click()
    expect(tab).to_have_url(f"{farm.url}/jobs")
    assert again["id"] not in farm.farm.ended_jobs()


def test_all_that_fit_are_counted_and_then_acted_on_by_keyboard_alone(
    tab: Page, farm: RunningFarm, client: Client, dead: str
) -> None:
    until(lambda: dead in farm.farm.dead_letters(), 30, what="the dead letter")
    jobs = [client.submit("grumpy", why=f"bulk {number}") for number in range(3)]
    until(lambda: {job.id for job in jobs} <= farm.farm.dead_letters().keys(), what="dead letters")
    gone = RESULT._replace(id=jobs[0].id)
    farm.farm.results.remove(gone.id)
    farm.farm.results.publish(gone, sync=True)
    show(tab, farm, "?error=bulk")
    expect(tab.locator("#jobs tbody tr")).to_have_count(3)
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "name"
    tab.keyboard.press("Escape")
    tab.locator("[data-act=retry]").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#bulk-do")).to_be_focused()
    expect(tab.locator("#bulk-count")).to_have_text("Retry 2 of 3")
    expect(tab.locator("#bulk-refused")).to_have_text("1 not: task 'readings' is gone")
    expect(tab.locator("#bulk-curl")).to_contain_text('"filter":{"error":"bulk"}')
    assert severe(tab) == []
    tab.keyboard.press("Enter")
    expect(tab.locator("#messages")).to_contain_text("Done to 2 jobs.")
    until(lambda: {job.id for job in jobs} <= farm.farm.dead_letters().keys(), what="the jobs to end again")
    show(tab, farm, "?task=grumpy")
    tab.keyboard.press("j")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    expect(tab.locator("#state")).to_have_text("Failed")


def test_the_list_is_for_everybody(tab: Page, farm: RunningFarm, dead: str) -> None:
    show(tab, farm)
    assert severe(tab) == []
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.goto(f"{farm.url}/jobs/{dead}")
    expect(tab.locator("#state")).to_have_text("Failed")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(f"{farm.url}/jobs/{'0' * 24}")
    expect(tab.locator("#title")).to_have_text("There is no such job here, or it has been removed.")
