"""The page Try in a real browser: every kind of answer over its picture, by mouse and by keyboard, with a key."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.support.browser import browsing, download, severe
from tests.support.pictures import page as written
from tests.support.pictures import small
from tests.support.running_farm import ROOT, RunningFarm

pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former

KEY = "secret"
THINGS = ROOT / "spoolfarm/server/web/try/things.jpg"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with a key, a task of one's own, and an engine for objects that is no net."""
    given = {
        "FARM_ENABLE": "document,echo,edit,halves,measure,mood,ocr,orient,segment",
        "FARM_SEGMENT_MODEL": "classical",
    }
    own = ",".join(f"{name.lower()}=tests.support.own_tasks:{name}" for name in ("Halves", "Mood"))
    given |= {"FARM_TASKS": own, "FARM_API_KEY": KEY, "FARM_SIMULATIONS": "0", "FARM_WORKERS": "1"}
    with RunningFarm(tmp_path_factory.mktemp("farm"), **given) as made:
        yield made


@pytest.fixture(scope="module")
def tab(farm: RunningFarm) -> Iterator[Page]:
    """A tab in which the key was entered."""
    with browsing(farm, *CAMERA, viewport={"width": 1280, "height": 900}) as page:
        page.goto(farm.url)
        page.fill("#key input", "ключ")
        page.keyboard.press("Enter")
        expect(page.locator("#key input:invalid")).to_be_visible()
        page.fill("#key input", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-wrong")).to_have_text("That is not the key of this farm.")
        page.fill("#key input", KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("radio")).to_have_count(9)
        yield page


@pytest.fixture
def page(tab: Page, farm: RunningFarm) -> Page:
    """The page as it is opened, in a tab that has the key."""
    tab.goto(farm.url)
    expect(tab.get_by_role("radio")).to_have_count(9)
    return tab


def choose(page: Page, task: str) -> None:
    page.locator(f"[name=task][value={task}]").check(force=True)


def done(page: Page) -> None:
    expect(page.locator("#status .state")).to_have_class("state succeeded")


def same(page: Page, kind: str) -> str:
    page.get_by_role("tab", name=kind).click()
    return page.inner_text("#same")


def test_a_sample_is_read_with_one_click_and_its_text_can_be_corrected(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="A page").click()
    done(page)
    boxes = page.locator(".layer .line")
    assert "Invoice 2026-118" in boxes.all_inner_texts()
    boxes.first.click()
    page.keyboard.type("Invoice <b>119</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".lines li").first).to_contain_text("Invoice <b>119</b>")
    page.locator(".lines button").nth(1).press("Enter")
    page.keyboard.type("dropped")
    page.keyboard.press("Escape")
    text = download(page, "Text", tmp_path).read_text()
    assert text.splitlines() == [
        "Invoice <b>119</b>",
        "Steel bolt M8 x 40\t240.00",
        "复印纸\t1,000.00",
        "Total\t1,240.00",
    ]
    told = json.loads(download(page, "JSON", tmp_path).read_text())
    assert [line["corrected"] for line in told["lines"] if "corrected" in line] == [True]
    assert download(page, "TSV", tmp_path).read_text().splitlines()[1].startswith("Invoice <b>119</b>\t0.99")
    assert download(page, "Searchable PDF", tmp_path).read_bytes().startswith(b"%PDF")
    place = boxes.nth(1).bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + 4, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"], place["y"] + place["height"] / 2)
    page.mouse.up()
    assert page.evaluate("getSelection().toString()").startswith("Steel bolt M8")


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_objects_are_filtered_hidden_and_exported_without_another_request(page: Page, tmp_path: Path) -> None:
    choose(page, "segment")
    page.get_by_role("button", name="Some things").click()
    done(page)
    rows = page.locator(".objects li")
    expect(rows).to_have_count(6)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#score").fill("0.88")
    expect(rows).to_have_count(3)
    expect(page.locator(".sum")).to_have_text("3 of 6 objects")
    page.get_by_role("checkbox", name="Axes").check()
    expect(page.locator(".layer .axis")).to_have_count(6)
    page.locator("#opacity").fill("0.1")
    expect(page.locator("#same")).to_contain_text('"score_threshold":0.88')
    page.locator("#hide").focus()
    page.keyboard.press("h")
    expect(page.locator(".layer")).to_be_hidden()
    page.keyboard.press("h")
    expect(page.locator(".layer")).to_be_visible()
    coco = json.loads(download(page, "COCO", tmp_path).read_text())
    from pycocotools import mask

    assert coco["images"] == [{"id": 1, "file_name": "things.jpg", "width": 720, "height": 480}]
    with Image.open(download(page, "Picture with overlay", tmp_path)) as picture:
        after = np.asarray(picture.convert("RGB"))
    with Image.open(THINGS) as picture:
        changed = (np.asarray(picture) != after).any(axis=2)
    for each in coco["annotations"]:
        inside = mask.decode({**each["segmentation"], "counts": each["segmentation"]["counts"].encode()}).astype(bool)
        assert inside.sum() == each["area"]
        assert changed[inside].mean() > 0.9
    assert [url for url in asked if "/v1/" in url] == []


def test_the_masks_on_the_canvas_are_the_masks_of_the_answer(page: Page) -> None:
    choose(page, "segment")
    page.get_by_role("button", name="Some things").click()
    done(page)
    areas = page.evaluate("""async () => {
        const { crop } = await import("./web/try/rle.js");
        const job = new URL(location.href).searchParams.get("job");
        const key = sessionStorage.getItem("spoolfarm-key");
        const record = await (await fetch(`v1/jobs/${job}`, { headers: { "X-API-Key": key } })).json();
        return record.result.masks.map(({ mask_rle: { counts, size }, area, bbox }) => {
            const { left, top, bits } = crop(atob(counts), size);
            return [bits.reduce((sum, bit) => sum + bit, 0), area, left, bbox[0], top, bbox[1]];
        });
    }""")
    assert len(areas) == 6
    for counted, area, left, x, top, y in areas:
        assert counted == area
        assert abs(left - x) <= 1
        assert abs(top - y) <= 1


def test_an_edited_picture_is_compared_with_the_one_before(page: Page, tmp_path: Path) -> None:
    choose(page, "edit")
    page.get_by_role("button", name="grayscale=true").click()
    page.get_by_role("button", name="Some things").click()
    done(page)
    wipe = page.get_by_label("How much of the picture before is shown")
    wipe.focus()
    page.keyboard.press("Home")
    assert page.locator(".after").evaluate("each => getComputedStyle(each).clipPath") == "inset(0px 0px 0px 0%)"
    with Image.open(download(page, "edited.jpg", tmp_path)) as picture:
        assert picture.size == (720, 480)
    page.get_by_role("button", name="split=true").click()
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".gallery img")).to_have_count(4)


def test_an_angle_is_an_arrow_and_a_task_of_ones_own_has_a_form_and_bars(page: Page, tmp_path: Path) -> None:
    choose(page, "orient")
    page.get_by_role("button", name="Some things").click()
    done(page)
    expect(page.locator(".huge")).to_have_text(re.compile(r"^-?[\d.]+°$"))
    expect(page.locator(".layer .arrow")).to_have_count(1)
    choose(page, "measure")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".measures tbody tr")).to_have_count(6)
    expect(page.locator(".layer .bounds")).to_have_count(6)
    choose(page, "mood")
    expect(page.locator(".task", has_text="mood")).to_contain_text("The mood of a picture.")
    page.locator("#field-about").fill("<img src=x onerror=alert(1)>")
    page.get_by_text("Options").click()
    page.locator("#field-scale").select_option("fine")
    page.locator("#field-loud").check()
    page.get_by_role("button", name="Run").click()
    done(page)
    expect(page.locator(".chances li").first).to_contain_text("<b><img src=x onerror=alert(1)></b> fine")
    expect(page.locator(".chances li").nth(1)).to_contain_text("LOUD")
    page.locator("#field-tries").fill("9")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#status [role=alert]")).to_have_text("<i><img src=x onerror=alert(1)></i> is in no mood")


def test_masks_of_a_task_of_ones_own_are_shown_on_the_upright_picture_and_hidden_by_class(
    page: Page, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (80, 40), "white").save(tmp_path / "turned.jpg", exif=exif)
    choose(page, "halves")
    page.locator("#files").set_input_files(tmp_path / "turned.jpg")
    page.get_by_role("button", name="Run").click()
    done(page)
    canvas = page.locator(".layer canvas")
    assert canvas.evaluate("each => [each.width, each.height]") == [40, 80]
    middle = "each => [20, 60].map(row => each.getContext('2d').getImageData(20, row, 1, 1).data[3] > 0)"
    assert canvas.evaluate(middle) == [True, True]
    page.get_by_role("checkbox", name="upper").uncheck()
    expect(page.locator(".objects li")).to_have_count(1)
    assert canvas.evaluate(middle) == [False, True]


def test_several_pictures_are_each_a_job_and_a_broken_one_fails_alone(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(small()[:60])
    (tmp_path / "one.png").write_bytes(small())
    (tmp_path / "two.png").write_bytes(written(["Two"]))
    choose(page, "segment")
    page.locator("#files").set_input_files([tmp_path / name for name in ("one.png", "broken.png", "two.png")])
    expect(page.locator(".strip li")).to_have_count(3)
    page.get_by_role("button", name="Run").click()
    for number, state in enumerate(("succeeded", "failed", "succeeded")):
        expect(page.locator(".strip button").nth(number)).to_have_class(state)
    page.locator(".strip button").nth(1).click()
    expect(page.locator("#status [role=alert]")).to_contain_text("damaged")


def test_pictures_come_by_drop_paste_and_webcam(page: Page, tmp_path: Path) -> None:
    picture = base64.b64encode(small()).decode()
    file = f"new File([Uint8Array.from(atob('{picture}'), each => each.charCodeAt(0))], 'a.png', {{type: 'image/png'}})"
    made = f"const data = new DataTransfer(); data.items.add({file});"
    page.evaluate(f"{made} document.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data }}))")
    page.evaluate(f"{made} document.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data }}))")
    expect(page.locator(".strip li")).to_have_count(2)
    page.locator("#shown [data-webcam]").click()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".strip li")).to_have_count(3)
    expect(page.locator("#name")).to_have_text("webcam.jpg")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#empty")).to_be_visible()
    (tmp_path / "folder/below").mkdir(parents=True)
    for name in ("2.png", "10.png", ".hidden"):
        (tmp_path / "folder/below" / name).write_bytes(small())
    steer = page.context.new_cdp_session(page)
    given = {"items": [], "files": [str(tmp_path / "folder")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        steer.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 400, "data": given})
    expect(page.locator(".strip button").nth(1)).to_have_attribute("title", "10.png")
    expect(page.locator(".strip li")).to_have_count(2)


def test_a_document_is_shown_page_by_page_and_its_address_can_be_shared(page: Page, tmp_path: Path) -> None:
    pages = [Image.open(io.BytesIO(written([words]))) for words in ("First sheet", "Second sheet")]
    pages[0].save(tmp_path / "two.tiff", save_all=True, append_images=pages[1:])
    choose(page, "document")
    page.locator("#files").set_input_files(tmp_path / "two.tiff")
    expect(page.locator(".file")).to_contain_text("TIFF")
    page.get_by_role("button", name="Run").click()
    done(page)
    expect(page.locator(".sum")).to_have_text("Page 1 of 2")
    expect(page.locator(".layer .line")).to_have_text(["First sheet"])
    page.get_by_role("button", name="Page after").click()
    expect(page.locator(".layer .line")).to_have_text(["Second sheet"])
    page.reload()
    expect(page.locator(".sum")).to_have_text("Page 1 of 2")
    expect(page.locator("#name")).to_have_text("two.tiff")


def test_a_job_is_followed_to_its_end_when_its_events_break_off(page: Page) -> None:
    broken: list[Route] = []

    def break_once(route: Route) -> None:
        if broken:
            route.continue_()
        else:
            said = 'event: status\ndata: {"status": "running"}\n\n'
            route.fulfill(content_type="text/event-stream", body=said)
        broken.append(route)

    page.route("**/events", break_once)
    choose(page, "echo")
    page.get_by_text("Options").click()
    page.locator("#field-seconds").fill("1.2")  # the first request waits for a second
    page.get_by_role("button", name="Run").click()
    done(page)
    expect(page.locator("#panel pre")).to_contain_text('"seconds": 1.2')
    page.unroute("**/events")
    assert len(broken) > 1


def test_the_lines_that_do_the_same_run_when_pasted(page: Page, farm: RunningFarm, tmp_path: Path) -> None:
    choose(page, "segment")
    page.get_by_role("button", name="Some things").click()
    done(page)
    page.locator("#score").fill("0.88")
    expect(page.locator("#same")).to_contain_text("0.88")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = farm.given | {"FARM_API_KEY": KEY, "PYTHONPATH": str(ROOT), "PATH": path}
    shell = ["bash", "-ec"]
    for kind, program in (("curl", shell), ("Python", [sys.executable, "-c"]), ("Command line", shell)):
        command = [*program, same(page, kind)]
        ran = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        assert re.search(r".count.: ?3\b", ran.stdout), ran.stdout


def test_the_whole_page_can_be_used_by_keyboard_alone(page: Page) -> None:
    page.locator("[name=task]:checked").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[name=task][value=segment]")).to_be_checked()
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.sample") == "things.jpg":
            break
    page.keyboard.press("Enter")
    done(page)
    page.locator("#score").focus()
    page.keyboard.press("End")
    expect(page.locator(".objects li")).to_have_count(0)
    page.keyboard.press("Home")
    page.locator(".objects li").first.focus()
    page.keyboard.press("h")
    expect(page.locator(".layer")).to_be_hidden()


def test_language_and_theme_are_kept(page: Page) -> None:
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_have_text("试一试")
    page.locator("#theme").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 17)"
    expect(page.locator("h1")).to_have_text("试一试")
    page.locator("#theme").select_option("system")
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
    page.get_by_role("link", name="English").click()
    expect(page.locator("h1")).to_have_text("Try it")


def test_nothing_severe_is_wrong_with_the_page_for_those_who_use_it_differently(page: Page) -> None:
    assert severe(page) == []
    page.locator("summary").first.click()
    page.get_by_role("button", name="A page").click()
    done(page)
    assert severe(page) == []
    choose(page, "segment")
    page.get_by_role("button", name="Run").click()
    done(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert severe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_key_once_entered_opens_the_other_pages_too(page: Page, farm: RunningFarm) -> None:
    for path, shown in (("/docs", "#operations-edit-edit_edit"), ("/federated", "#start")):
        page.goto(farm.url + path)
        expect(page.locator(shown)).to_be_visible()
        expect(page.locator("#key")).to_be_hidden()


def test_the_page_is_small(page: Page, farm: RunningFarm) -> None:
    loaded: set[str] = set()
    page.on("request", lambda request: loaded.add(request.url))
    page.goto(farm.url)
    page.wait_for_load_state("networkidle")
    files = [url for url in loaded if "/web/" in url]
    assert f"{farm.url}/web/try/try.js" in files
    assert sum(len(page.request.get(url).body()) for url in files) < 400_000
