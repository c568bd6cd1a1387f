"""The ocr task on rendered pages, with the real models."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import unicodedata
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.errors import BrokenImage, InvalidParams
from spoolfarm.spool.job import Job
from spoolfarm.system import threads
from spoolfarm.tasks.ocr import models, recogniser
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.reader import Reader
from spoolfarm.tasks.ocr.task import Ocr
from tests.support.silent_context import Silence


@pytest.fixture(scope="module")
def ocr() -> Ocr:
    task = Ocr()
    task.setup()
    return task


@pytest.fixture(scope="module")
def reader(ocr: Ocr) -> Reader:
    return ocr._reader


@pytest.fixture(scope="module")
def invoice() -> pages.Page:
    return pages.render("invoice")


def letters(text: str) -> str:
    """*text* as it is compared: one form of each character, no blanks."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def note(*rows: str, width: int = 520, size: int = 26) -> pages.Page:
    """A small page of *rows*, quick to read."""
    sheet = pages.Sheet(width, 60 + 50 * len(rows))
    for number, row in enumerate(rows):
        sheet.row(30 + 50 * number, [(30, row)], pages.font("Noto Sans CJK SC", size))
    return sheet.page("note")


@pytest.fixture(scope="module")
def slip() -> pages.Page:
    return note("Harbour Supply Ltd.", "北京海港贸易有限公司", "No. 35011444", "合计 351,622.86")


def run(task: Ocr, *pictures: bytes, **params: Any) -> list[Any]:
    return task.run([Job("ocr", task.validate(params), [picture]) for picture in pictures], Silence())


# What it reads.


def test_a_chinese_and_english_table_is_read_row_by_row(reader: Reader, invoice: pages.Page) -> None:
    page = reader.read(invoice.picture)
    assert letters(page.text) == letters(invoice.text)
    rows = page.text.split("\n")
    assert len(rows) == len(invoice.rows)
    item = invoice.rows[5].split(" ")
    assert rows[5].split("\t")[0].startswith(item[0])
    assert rows[5].split("\t")[-1] == item[-1]


def test_columns_are_read_one_after_the_other_below_their_heading(reader: Reader) -> None:
    sheet = pages.Sheet(1000, 420)
    sheet.row(30, [(330, "News from the Harbour")], pages.font("DejaVu Serif", 32))
    for x in (50, 530):
        sheet.flow(x, 110, 420, 420, pages.prose(random.Random(x), pages.ENGLISH, 9), pages.font("DejaVu Serif", 20))
    made = sheet.page("columns")
    page = reader.read(made.picture)
    assert letters(page.text) == letters(made.text)
    assert [line.block for line in page.lines] == sorted(line.block for line in page.lines)
    assert {line.block for line in page.lines} == {0, 1, 2}
    across = reader.read(made.picture, order="rows")
    assert across.text != page.text
    assert len(across.text.split("\n")) < len(page.text.split("\n"))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_page_is_read_and_its_turn_is_told(reader: Reader, rotation: int, slip: pages.Page) -> None:
    turned = np.ascontiguousarray(np.rot90(slip.picture, -rotation // 90))
    page = reader.read(turned)
    assert page.rotation == rotation
    assert letters(page.text) == letters(slip.text)
    assert (page.height, page.width) == turned.shape[:2]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_polygons_start_at_the_top_left_of_the_text(reader: Reader, rotation: int, slip: pages.Page) -> None:
    upright = reader.read(slip.picture).lines[0]
    turned = np.ascontiguousarray(np.rot90(slip.picture, -rotation // 90))
    line = reader.read(turned).lines[0]
    height, width = slip.picture.shape[:2]
    for (x, y), found in zip(upright.box.corners(), line.box.corners(), strict=True):
        expected = {90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}[rotation]
        assert found == pytest.approx(expected, abs=16)
    assert (line.box.angle - rotation + 5) % 360 < 10


def test_short_numbers_on_a_page_upside_down_are_not_read_as_others(reader: Reader) -> None:
    made = note("69", "1680 / 98", "The quick brown fox", "waits at the harbour", "18")
    assert letters(reader.read(np.ascontiguousarray(made.picture[::-1, ::-1])).text) == letters(made.text)


def test_single_digits_stand_although_they_are_taller_than_wide(reader: Reader) -> None:
    sheet = pages.Sheet(500, 230)
    for number in range(1, 4):
        row: list[tuple[float, str]] = [(30, str(number)), (150, "Copper pipe"), (400, str(number + 4))]
        sheet.row(30 + 60 * (number - 1), row, pages.font("DejaVu Sans", 30))
    made = sheet.page("digits")
    assert letters(reader.read(made.picture).text) == letters(made.text)


@pytest.mark.parametrize("angle", [-7, 7])
def test_a_skewed_page_keeps_its_rows(reader: Reader, invoice: pages.Page, angle: float) -> None:
    height, width = invoice.picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 0.85)
    tilted = cv2.warpAffine(invoice.picture, turn, (width, height), flags=cv2.INTER_AREA, borderValue=(255, 255, 255))
    page = reader.read(tilted.astype(np.uint8))
    assert page.rotation == 0
    assert letters(page.text).replace(",51白", ",5l白") == letters(invoice.text)  # five litres, a fair mistake
    assert page.lines[0].box.angle == pytest.approx(-angle, abs=1.5)


@pytest.mark.parametrize("margin", [0, 2])
def test_text_that_touches_the_edge_is_read(reader: Reader, margin: int) -> None:
    for text, family in (("INVOICE No. 4711", "DejaVu Sans"), ("合计", "Noto Sans CJK SC")):
        left, top, right, bottom = pages.font(family, 24).getbbox(text)
        sheet = pages.Sheet(round(right - left) + 2 * margin, round(bottom - top) + 2 * margin)
        sheet.write(margin - left, margin - top, text, pages.font(family, 24))
        assert letters(reader.read(sheet.page("snippet").picture).text) == letters(text)


def test_white_on_black_and_large_letters_are_read(reader: Reader, slip: pages.Page) -> None:
    assert letters(reader.read(255 - slip.picture).text) == letters(slip.text)
    assert letters(reader.read(cv2.resize(slip.picture, None, fx=5, fy=5)).text) == letters(slip.text)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (40, 30), (900, 700)])
@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_without_text_has_no_lines(reader: Reader, shape: tuple[int, int], value: int) -> None:
    page = reader.read(np.full((*shape, 3), value, np.uint8))
    assert (page.text, page.lines, page.rotation) == ("", (), 0)
    assert (page.height, page.width) == shape


def test_a_line_longer_than_any_text_does_not_eat_memory(reader: Reader) -> None:
    bar = np.full((60, 12000, 3), 255, np.uint8)
    bar[20:40, 50:-50] = 0
    longest = max((line.box.w for line in reader.read(bar, side=4096, min_score=0).lines), default=0)
    assert longest <= bar.shape[1] * 1.1
    assert recogniser.cut(bar, Box(6000, 30, 12000, 3, 0)).shape == (recogniser.HEIGHT, recogniser.LONGEST, 3)


# The task around it.


def test_the_answer_has_exactly_the_promised_shape(ocr: Ocr, slip: pages.Page) -> None:
    [answer] = run(ocr, slip.jpeg())
    assert json.loads(json.dumps(answer)) == answer
    assert list(answer) == ["text", "width", "height", "rotation", "paragraphs", "lines", "ms"]
    assert letters(answer["text"]) == letters(slip.text)
    assert (answer["width"], answer["height"], answer["rotation"]) == (520, 260, 0)
    assert list(answer["ms"]) == ["decode", "detect", "recognise"]
    line = answer["lines"][0]
    assert list(line) == ["name", "text", "score", "det_score", "box", "poly", "block", "row", "words"]
    assert list(line["box"]) == ["cx", "cy", "w", "h", "angle"]
    assert [line["name"] for line in answer["lines"]] == [str(number) for number in range(len(answer["lines"]))]
    assert 0.5 < line["score"] <= 1
    assert 0.5 <= line["det_score"] <= 1
    left, top = line["poly"][0]
    assert left < 45
    assert 15 < top < 45
    assert line["box"]["cx"] == pytest.approx(sum(x for x, _ in line["poly"]) / 4, abs=0.2)


def test_a_blank_page_has_an_empty_answer(ocr: Ocr) -> None:
    [answer] = run(ocr, pages.Sheet(300, 200).page("blank").jpeg())
    assert (answer["text"], answer["lines"]) == ("", [])


def test_a_broken_picture_fails_alone(ocr: Ocr, slip: pages.Page) -> None:
    good = slip.jpeg()
    first, second, third = run(ocr, good, good[: len(good) // 2], good)
    assert isinstance(second, BrokenImage)
    assert first["text"] == third["text"] != ""


def test_the_frame_is_the_upright_picture(ocr: Ocr, slip: pages.Page) -> None:
    orientation = (
        b"\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06"
        + bytes(6)
    )
    turned = replace(slip, picture=np.ascontiguousarray(np.rot90(slip.picture))).jpeg()
    [answer] = run(ocr, turned[:2] + orientation + turned[2:])
    assert (answer["width"], answer["height"], answer["rotation"]) == (520, 260, 0)
    assert letters(answer["text"]) == letters(slip.text)


def test_regions_and_ignored_polygons_choose_lines_by_their_centre(ocr: Ocr, slip: pages.Page) -> None:
    top = [[0, 0], [520, 0], [520, 80], [0, 80]]
    [only] = run(ocr, slip.jpeg(), regions=[top])
    [rest] = run(ocr, slip.jpeg(), ignore=[top])
    assert letters(only["text"]) == letters(slip.rows[0])
    assert letters(rest["text"]) == letters("".join(slip.rows[1:]))


def test_without_rotation_a_turned_page_is_left_as_it_lies(ocr: Ocr, slip: pages.Page) -> None:
    over = replace(slip, picture=np.ascontiguousarray(slip.picture[::-1, ::-1])).jpeg()
    [answer] = run(ocr, over, rotate="none")
    assert answer["rotation"] == 0
    assert letters(answer["text"]) != letters(slip.text)
    assert all(abs(line["box"]["angle"]) < 45 for line in answer["lines"])


def test_lines_below_the_wanted_score_are_dropped(ocr: Ocr, slip: pages.Page) -> None:
    [all_of_them] = run(ocr, slip.jpeg(), min_score=0)
    [none] = run(ocr, slip.jpeg(), min_score=1)
    assert len(all_of_them["lines"]) >= 4
    assert len(none["lines"]) < 4


def test_join_puts_a_paragraph_on_one_line(ocr: Ocr) -> None:
    [answer] = run(
        ocr, note("The ferry leaves the north quay and re-", "turns in the evening", width=600).jpeg(), join=True
    )
    assert answer["text"] == "The ferry leaves the north quay and returns in the evening"
    assert [line["row"] for line in answer["lines"]] == [0, 1]


def test_order_none_gives_each_line_a_row_of_its_own(ocr: Ocr, invoice: pages.Page) -> None:
    [answer] = run(ocr, invoice.jpeg(), order="none")
    assert [line["row"] for line in answer["lines"]] == list(range(len(answer["lines"])))
    assert sorted(answer["text"].split("\n")) == sorted(line["text"] for line in answer["lines"])


@pytest.mark.parametrize(
    "params",
    [
        {"rotate": "maybe"},
        {"side": 100},
        {"side": 100_000},
        {"min_score": 1.5},
        {"order": "z"},
        {"regions": [[[0, 0], [1, 1]]]},
        {"regions": [[[0, 0], [1, 1], [2]]]},
        {"regions": [[[0, 0], [1e300, 1], [2, 3]]]},
        {"ignore": "all"},
        {"no_such": 1},
    ],
)
def test_parameters_that_can_never_work_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams, match=f"params.{next(iter(params))}"):
        Ocr().validate(params)


def test_it_reads_without_a_network_and_runs_none_of_the_code_that_could_download(slip: pages.Page) -> None:
    code = """
import socket, sys
def refuse(*_):
    raise AssertionError("the network was asked")
for name in ("connect", "connect_ex", "sendto", "bind"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse
from spoolfarm.spool.job import Job
from spoolfarm.tasks.ocr.task import Ocr
task = Ocr()
assert not {"cv2", "numpy", "onnxruntime"} & set(sys.modules), "importing the task must stay light"
task.setup()
answer = task.run([Job("ocr", {}, [sys.stdin.buffer.read()])], None)[0]
assert not {"rapidocr", "requests", "torch"} & set(sys.modules)
sys.stdout.buffer.write(answer["text"].encode())
"""
    done = subprocess.run([sys.executable, "-c", code], input=slip.jpeg(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert letters(done.stdout.decode()) == letters(slip.text)


# The models.


def test_only_denormal_weights_are_changed() -> None:
    before = models.path(models.DETECTOR).read_bytes()
    after = models.without_denormals(before)
    assert len(after) == len(before)
    old, new = (np.frombuffer(data, np.uint8) for data in (before, after))
    changed = np.flatnonzero(old != new)
    assert len(changed) > 200_000, "the detector had denormal weights; if a new one has none, drop the step"
    assert (new[changed] == 0).all()
    assert models.without_denormals(after) == after


def test_opening_a_model_leaves_small_numbers_to_the_other_tasks_of_the_worker() -> None:
    look = (
        "import numpy as np\n"
        "from spoolfarm.tasks.ocr import models\n"
        "models.session(models.RECOGNISER, 1)\n"
        "print(np.float32(1e-39) * np.float32(1) > 0, float('5e-324') * 1.0 > 0)\n"
    )
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "True"]


def test_a_second_look_needs_no_new_memory() -> None:
    look = (
        "import resource\n"
        "import numpy as np\n"
        "from spoolfarm.tasks.ocr import models\n"
        "detector = models.session(models.QUICK_DETECTOR, 1, arena=True)\n"
        "for _ in range(3):\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    detector.run(None, {'x': np.zeros((1, 3, 640, 640), np.float32)})\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    first, _, third = map(int, told.stdout.split())
    assert first > 10 * third, "the system gave and took 4 KB each time, which cost a fifth of the look"


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="no-such"):
        models.path("no-such.onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="reinstall"):
        models.path(models.DETECTOR)


def test_the_thread_budget_is_one_unless_the_worker_was_given_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in ((None, 1), ("3", 3), ("0", 1), ("4,2", 1)):
        if value is None:
            monkeypatch.delenv(threads.VARIABLE, raising=False)
        else:
            monkeypatch.setenv(threads.VARIABLE, value)
        assert threads.budget() == expected
    before = cv2.getNumThreads()
    monkeypatch.setenv(threads.VARIABLE, "1")
    threads.limit()
    assert cv2.getNumThreads() == 1
    cv2.setNumThreads(before)
