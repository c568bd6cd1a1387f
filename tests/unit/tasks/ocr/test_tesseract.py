"""Languages that the recogniser inside does not know: read by the tesseract command, where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.errors import InvalidParams, JobFailed, NotInstalled
from spoolfarm.spool.job import Job
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.letters import runs_leftwards
from spoolfarm.tasks.ocr.readings import Readings
from spoolfarm.tasks.ocr.task import Ocr
from spoolfarm.tasks.ocr.tesseract import Tesseract, installed, known, package
from tests.support.silent_context import Silence

#: Stands for the command: it knows Russian, and says the same of every picture, surely of the first alone.
STAND_IN = """#!/bin/sh
if [ "$1" = --list-langs ]; then printf 'List of available languages (1):\\nrus\\n'; exit; fi
printf 'level\\tpage_num\\tblock_num\\tpar_num\\tline_num\\tword_num\\tleft\\ttop\\twidth\\theight\\tconf\\ttext\\n'
page=0
while read -r name; do
  page=$((page + 1))
  printf '5\\t%s\\t1\\t1\\t1\\t1\\t12\\t12\\t100\\t40\\t%s\\tСтрока\\n' $page $((100 - 10 * page))
  printf '5\\t%s\\t1\\t1\\t1\\t2\\t132\\t12\\t80\\t40\\t90\\t"%s\\n' $page $page
done < "$1"
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of commands."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.fixture
def stand_in(commands: Path) -> None:
    (commands / "tesseract").write_text(STAND_IN)
    (commands / "tesseract").chmod(0o755)


def picture(width: int = 400) -> np.ndarray:
    return np.full((48, width, 3), 255, np.uint8)


def test_a_language_that_is_not_installed_is_named_with_its_package(stand_in: None) -> None:
    with pytest.raises(NotInstalled, match=r"apt install tesseract-ocr-chi-sim-vert tesseract-ocr-kor$"):
        Tesseract("rus+chi_sim_vert+kor")
    assert package("deu_frak") == "tesseract-ocr-frk"


def test_without_the_command_no_language_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed() == frozenset()
    with pytest.raises(NotInstalled, match=r"apt install tesseract-ocr-rus$"):
        Tesseract("rus")


def test_lines_are_read_at_once_with_their_words_and_how_sure_that_is(stand_in: None) -> None:
    first, second = Tesseract("rus").read_all([picture(), picture(200)])
    assert first[0] == 'Строка "1'
    assert first[1] == pytest.approx(0.9)
    assert [(word.text, word.start, word.end) for word in first[2]] == [("Строка", 0, 0.25), ('"1', 0.3, 0.5)]
    assert second[1] == pytest.approx((6 * 0.8 + 2 * 0.9) / 8)
    assert Tesseract("rus").read_all([]) == []


def test_boxes_are_read_ahead_in_few_runs_and_each_once(stand_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    reader = Tesseract("rus")
    whole = reader.read_all
    monkeypatch.setattr(reader, "read_all", lambda lines: read.append(len(lines)) or whole(lines))
    readings = Readings(picture(), reader)
    boxes = [TextBox(Box(200, 10 * number, 300, 24, 0), 0.9) for number in range(1, 4)]
    readings.ahead(boxes)
    assert read == [3, 2]  # all of them, and those that are not sure upside down
    assert [readings.line(box, 0).score for box in boxes] == pytest.approx([0.9, 0.825, 0.75])
    assert len(read) == 2


def test_a_command_that_fails_ends_the_job_and_says_why(commands: Path) -> None:
    script = '#!/bin/sh\n[ "$1" = --list-langs ] && echo rus && exit\necho "no memory" >&2\nexit 1\n'
    (commands / "tesseract").write_text(script)
    (commands / "tesseract").chmod(0o755)
    with pytest.raises(JobFailed, match="tesseract failed: no memory"):
        Tesseract("rus").read(picture())


def test_known_languages_need_no_tesseract() -> None:
    assert known("eng+chi_sim+deu")
    assert not known("rus")
    assert not known("eng+rus")


def test_lang_is_a_list_of_codes() -> None:
    assert Ocr().validate({"lang": "rus+chi_sim"})["lang"] == "rus+chi_sim"
    for wrong in ("russian", "rus eng", "../rus", "rus+", "-l"):
        with pytest.raises(InvalidParams, match="lang"):
            Ocr().validate({"lang": wrong})


def test_a_job_in_a_language_that_is_not_installed_fails_with_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    task = Ocr()
    task.setup()
    sheet = pages.Sheet(200, 60)
    data = sheet.page("empty").jpeg()
    known_ones, missing = (Ocr().validate({"lang": lang}) for lang in ("eng+deu", "ukr"))
    (read, error) = task.run([Job("ocr", known_ones, [data]), Job("ocr", missing, [data])], Silence())
    assert read["text"] == ""
    assert isinstance(error, NotInstalled)
    assert "tesseract-ocr-ukr" in str(error)


@pytest.mark.needs("tesseract")
def test_tesseract_reads_a_line() -> None:
    sheet = pages.Sheet(620, 48)
    sheet.row(4, [(10, "The ferry leaves the north quay at 06:45")], pages.font("DejaVu Serif", 28))
    text, score, words = Tesseract("eng").read(sheet.page("line").picture)
    assert text == "The ferry leaves the north quay at 06:45"
    assert score > 0.8
    assert len(words) == 8


def test_hebrew_and_arabic_run_leftwards() -> None:
    assert runs_leftwards("שלום 12")
    assert runs_leftwards("وصل القطار (A)")
    assert not runs_leftwards("page 12")
    assert not runs_leftwards("2026")
