"""Pages in a script that the recogniser inside does not know: noticed, and read by Tesseract where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr import script
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.reader import Picture, Reader
from spoolfarm.tasks.ocr.tesseract import WithLatin

RUSSIAN = (
    "Договор аренды заключён между сторонами",
    "и вступает в силу со дня подписания.",
)
GREEK = "Το παλιο καικι εφυγε πριν απο την αυγη"
GEORGIAN = ("ძველმა ნავმა გათენებამდე დატოვა",)

#: Stands for the command: it has Russian, Thai and English, and says the same of every line, as surely as it is told.
STAND_IN = """#!/bin/sh
if [ "$1" = --list-langs ]; then printf 'rus\\ntha\\neng\\n'; exit; fi
echo "$4" >> "$(dirname "$0")/asked"
printf 'level\\tpage_num\\tblock_num\\tpar_num\\tline_num\\tword_num\\tleft\\ttop\\twidth\\theight\\tconf\\ttext\\n'
page=0
while read -r name; do
  page=$((page + 1))
  printf '5\\t%s\\t1\\t1\\t1\\t1\\t12\\t12\\t100\\t40\\t%s\\t%s\\n' $page "$SURE" "$SAID"
done < "$1"
"""


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture(scope="module")
def russian() -> Picture:
    """A page, drawn while fonts can still be asked for."""
    return sheet(RUSSIAN).picture


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of commands; what languages were asked for is written to `asked`."""
    (tmp_path / "tesseract").write_text(STAND_IN)
    (tmp_path / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SURE", "95")
    monkeypatch.setenv("SAID", "Договор")
    return tmp_path


@pytest.fixture
def no_tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def sheet(rows: tuple[str, ...], family: str = "DejaVu Serif") -> pages.Page:
    made = pages.Sheet(800, 40 + 46 * len(rows))
    for number, row in enumerate(rows):
        made.row(20 + 46 * number, [(30, row)], pages.font(family, 26))
    return made.page("sheet")


def line(text: str, score: float = 0.95, width: float = 400) -> Line:
    return Line(Box(400, 100, width, 30, 0), text, score, 0.9)


def test_a_line_that_says_too_little_for_its_length_was_not_read() -> None:
    unread = [line("     ,     ."), line("   или  ", 0.9), line("NULSUNUGINEBU", 0.6)]
    latin, chinese, spaced = (
        line("The ferry leaves"),
        line("港口的渡轮每天早上"),
        line("T O T A L :  4 5 . 8 0", width=330),
    )
    assert script.unread([*unread, latin, chinese, spaced]) == unread
    assert script.unread([line("1", width=40)]) == []  # as short as it is


def test_a_page_is_strange_when_much_of_it_was_not_read_or_is_greek() -> None:
    english, blank = line("The ferry leaves the north quay"), line("       ", width=150)
    assert script.is_strange([english, blank])
    assert not script.is_strange([english, english, blank])
    assert script.is_strange([line(GREEK)])
    assert not script.is_strange([line("π = 3.14, λ = 2 m", width=250)])
    assert not script.is_strange([])


def test_a_script_is_told_by_its_letters_however_the_page_is_turned() -> None:
    thai, russian = ("ท แท ย ไท", 0.7, ()), ("строка текста", 0.9, ())
    digits = ("12 450", 0.95, ())
    assert script.told([[russian, digits, russian], [thai, thai, thai]]) == "CYRILLIC"
    assert script.told([[thai, digits, thai], [russian, russian, russian]]) == "CYRILLIC"
    assert script.told([[digits, digits], [("ท ย ไท", 0.4, ())] * 2]) is None
    assert script.told([[], []]) is None


def test_one_language_stands_for_each_script_and_all_of_one_read_it() -> None:
    there = {"ukr", "rus", "kor", "deu", "frk", "eng", "osd"}
    assert script.samples(there) == "rus+kor"
    assert script.samples({"deu", "osd"}) == ""
    assert script.languages("CYRILLIC", there) == "rus+ukr"


def test_of_two_readings_the_one_that_can_be_right_is_believed() -> None:
    unread = line("        45", 0.97)
    told = line("Договор № 45", 0.8)
    assert script.better(told, unread) is told
    for said, sure, inside, score, right in (
        ("АКТ СВЕРКИ", 0.93, "AKT CBEPKU", 0.99, "АКТ СВЕРКИ"),
        ("КНМЕЯ ЮТСНЕМ", 0.6, "KHMER KITCHEN", 0.98, "KHMER KITCHEN"),
        ("was signed by Ше other party", 0.93, "was signed by the other party", 0.99, "was signed by the other party"),
        ("Почта: post@example.com", 0.93, "Πota: post@example.com", 0.97, "Почта: post@example.com"),
        ("4,3OO.OO", 0.95, "4,300.00", 0.99, "4,300.00"),
    ):
        assert script.better(line(said, sure, 200), line(inside, score, 200)).text == right


def test_a_strange_page_is_read_in_the_languages_of_its_script(reader: Reader, stand_in: Path) -> None:
    page = reader.read(sheet(RUSSIAN).picture)
    assert page.text == "Договор\nДоговор"
    assert page.lang == page.record()["lang"] == "rus"
    assert page.warnings == ()
    assert (stand_in / "asked").read_text().split() == ["rus+tha", "rus"]


@pytest.mark.needs("tesseract", "rus.traineddata")
def test_tesseract_reads_a_russian_page_that_nobody_said_is_russian(reader: Reader) -> None:
    page = reader.read(sheet(("Заказ № 45, ivan@example.com, Windows 11", *RUSSIAN)).picture)
    assert "ivan@example.com, Windows 11" in page.text
    assert "Договор аренды заключён между сторонами\nи вступает в силу со дня подписания." in page.text
    assert "rus" in page.lang.split("+")


def test_what_tesseract_is_not_sure_of_is_not_believed(
    reader: Reader, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURE", "70")
    page = reader.read(sheet(GEORGIAN, "DejaVu Sans").picture)
    assert "Договор" not in page.text
    assert page.lang == ""
    assert "apt install tesseract-ocr-rus" in page.warnings[0]
    (stand_in / "tesseract").write_text('#!/bin/sh\n[ "$1" = --list-langs ] && echo rus && exit\nexit 1\n')
    assert reader.read(sheet(GEORGIAN, "DejaVu Sans").picture).warnings == page.warnings


def test_without_tesseract_a_strange_page_says_so(reader: Reader, russian: Picture, no_tesseract: None) -> None:
    assert reader.read(russian).warnings == (script.advice([]),)
    assert reader.read(russian, lang="eng").warnings == ()
    assert "such as Russian: apt install tesseract-ocr-rus" in script.advice([])
    assert "such as Greek: apt install tesseract-ocr-ell" in script.advice([line(GREEK)])


def test_known_pages_start_no_tesseract(reader: Reader, stand_in: Path) -> None:
    for rows in (pages.ENGLISH[:2], pages.CHINESE[:2], ("7,410.20   18.00", "12.50   4,300.00")):
        page = reader.read(sheet(rows, "Noto Sans CJK SC").picture)
        assert page.warnings == ()
    assert not (stand_in / "asked").exists()


def test_lines_that_may_have_latin_words_are_read_with_them(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = sheet(RUSSIAN).picture[:48]
    assert WithLatin("rus").read_all([picture])[0][:2] == ("Договор", pytest.approx(0.95))
    monkeypatch.setenv("SURE", "80")
    assert WithLatin("rus").languages == "rus+eng"
    WithLatin("rus").read_all([picture])
    assert (stand_in / "asked").read_text().split() == ["rus", "rus", "rus+eng"]
