"""What tells of the farm, in a real browser: the endpoints, to be tried, and the manual, to be searched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import browsing, severe
from tests.support.pictures import small
from tests.support.running_farm import RunningFarm

pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former

#: What Swagger UI complains of when an operation's name has an underscore, and browsers where a key is missing.
PARDONED = "escaping deep link|401"
#: Bytes that a page may load, and the width of a phone.
MOST, PHONE = 400_000, 390


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that wants a key."""
    farm = RunningFarm(
        tmp_path_factory.mktemp("keyed"),
        FARM_ENABLE="echo,edit",
        FARM_WORKERS=1,
        FARM_API_KEY="secret",
        FARM_SIMULATIONS=0,
    )
    try:
        yield farm.start()
    finally:
        farm.stop()


@pytest.fixture(scope="module")
def page(keyed: RunningFarm) -> Iterator[Page]:
    """A tab, which no key has been entered in yet."""
    with browsing(keyed, pardoned=PARDONED, viewport={"width": 1280, "height": 900}) as tab:
        yield tab


def test_the_link_that_users_know_leads_to_the_face_and_its_example_is_echoed(keyed: RunningFarm, page: Page) -> None:
    page.goto(f"{keyed.url}/docs#/default/create_request_items__post")
    for given in ("wrong", "secret"):
        page.fill("#key input", given)
        page.keyboard.press("Enter")
        if given == "wrong":
            expect(page.locator("#key-wrong")).to_be_visible()
            expect(page.locator("#key-wrong")).not_to_be_empty()
    page.click("text=Try it out")
    page.click("button.execute")
    answered = page.inner_text(".live-responses-table .response-col_description .highlight-code code")
    assert json.loads(answered) == {"images": [], "operations": ["string"]}


def test_a_picture_can_be_edited_from_the_page_light_and_dark(keyed: RunningFarm, page: Page, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(small())
    page.goto("about:blank")  # the address of another face is no other page
    page.goto(f"{keyed.url}/docs?lang=zh#/edit/edit_edit")
    expect(page.get_by_role("heading", level=1)).to_have_text("HTTP 接口")
    expect(page.locator(".opblock-tag").first).to_contain_text("jobs")
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
    assert severe(page) == []


def test_the_manual_is_searched_by_keyboard_and_a_hit_is_read(keyed: RunningFarm, page: Page) -> None:
    page.goto(f"{keyed.url}/help?lang=en")
    page.keyboard.press("/")
    page.keyboard.type("no worker is ready")
    first = page.locator("#hits li").first
    expect(first).to_contain_text("the workers still load")
    expect(first.locator("mark").first).to_have_text("no")
    assert severe(page) == []
    expect(page).to_have_url(f"{keyed.url}/help?q=no+worker+is+ready")
    first.get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{keyed.url}/help#the-answer-does-not-come-or-is-another")
    expect(page.locator("#the-answer-does-not-come-or-is-another")).to_be_in_viewport()
    page.goto(f"{keyed.url}/help?q=zzyzx")
    expect(page.locator("#count")).to_have_text("Nothing in the manual has all of these words.")


def test_the_manual_is_read_on_a_phone_in_chinese_and_weighs_little(keyed: RunningFarm, page: Page) -> None:
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto(f"{keyed.url}/help/coming-from?lang=zh#other-machines")
    expect(page.get_by_role("heading", name="其他机器")).to_be_in_viewport()
    expect(page.locator("#contents nav")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    page.locator("article .example button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("已复制")
    assert severe(page) == []
    page.goto(f"{keyed.url}/help/page")
    expect(page.locator(".note")).to_have_text("此页面只有英文版。")
    page.wait_for_load_state("networkidle")
    entries = "performance.getEntries().map(each => each.encodedBodySize ?? 0)"
    assert 20_000 < sum(page.evaluate(entries)) < MOST
