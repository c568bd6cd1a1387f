"""How carefully pages are read: with which networks, and that the quick ones are only believed where they may be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.ocr import models, pair
from spoolfarm.tasks.ocr.pair import Pair
from spoolfarm.tasks.ocr.reader import Reader
from spoolfarm.tasks.ocr.recogniser import HEIGHT, Recogniser
from spoolfarm.tasks.ocr.task import Ocr
from spoolfarm.tasks.ocr.tesseract import Reading

LATIN = pages.ENGLISH[:6]
HAN = pages.CHINESE[:5]
TRADITIONAL = (
    "這個國家的圖書館收藏了許多歷史資料與舊報紙，",
    "參考資料請向圖書館二樓的服務櫃檯領取紙本，",
    "投資人應詳細閱讀相關資料與風險說明書，",
    "紙張與資源回收請依照規定分類放置，",
    "學校圖書館開放時間為早上八點至晚上九點。",
)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def sheet(rows: Sequence[str], family: str = "Noto Sans CJK SC") -> pages.Page:
    """A small page of long lines."""
    made = pages.Sheet(860, 40 + 46 * len(rows))
    for number, row in enumerate(rows):
        made.row(20 + 46 * number, [(30, row)], pages.font(family, 22))
    return made.page("sheet")


class Said(Recogniser):
    """A recogniser that says the same of every line, and counts them."""

    def __init__(self, text: str, score: float = 1.0) -> None:
        self._said, self.lines = (text, score, ()), 0

    def read(self, line: np.ndarray[object, np.dtype[np.uint8]]) -> Reading:
        self.lines += 1
        return self._said


def line(heights: int = 20) -> np.ndarray[object, np.dtype[np.uint8]]:
    return np.zeros((HEIGHT, heights * HEIGHT, 3), np.uint8)


@pytest.mark.parametrize("rows", [LATIN, HAN], ids=["english", "chinese"])
def test_a_clean_page_reads_the_same_however_carefully(reader: Reader, rows: Sequence[str]) -> None:
    page = sheet(rows)
    told = {quality: reader.read(page.picture, quality=quality).text for quality in ("fast", "normal", "best")}
    assert set(told.values()) == {page.text}


def test_letters_that_the_quick_network_does_not_know_are_read_right(reader: Reader) -> None:
    page = sheet(TRADITIONAL, "Noto Sans CJK TC")
    assert not reader._quick_recogniser.knows("資")
    assert pages.letters(reader.read(page.picture).text) == pages.letters(page.text)


def test_after_its_proofs_the_quick_network_reads_alone() -> None:
    quick, careful = Said("as it is"), Said("as it is")
    both = Pair(quick, careful)
    assert [both.read(line())[0] for _ in range(20)] == ["as it is"] * 20
    assert (quick.lines, careful.lines) == (20, pair.PROOFS)


def test_a_page_of_few_lines_is_not_worth_the_proofs(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_quick_recogniser", quick := Said("wrong"))
    page = sheet(LATIN[: pair.ENOUGH - 1])
    assert reader.read(page.picture).text == page.text
    assert quick.lines == 0
    reader.read(sheet(LATIN[: pair.ENOUGH]).picture)
    assert quick.lines > 0


def test_a_page_on_which_the_quick_network_was_wrong_is_read_carefully() -> None:
    quick, careful = Said("资料"), Said("資料")
    both = Pair(quick, careful, haste=True)
    assert [both.read(line())[0] for _ in range(20)] == ["資料"] * 20
    assert (quick.lines, careful.lines) == (1, 20)


def test_doubtful_and_short_lines_are_read_carefully() -> None:
    quick, careful = Said("l0O", pair.SURE - 0.01), Said("100")
    both = Pair(quick, careful)
    assert both.read(line(2))[0] == "100"
    assert quick.lines == 0
    assert [both.read(line())[0] for _ in range(20)] == ["100"] * 20
    assert quick.lines == pair.PATIENCE


@pytest.mark.parametrize(("score", "text"), [(pair.VERY_SURE, "(61.1)"), (pair.VERY_SURE - 0.01, "(6.11)")])
def test_a_short_line_needs_a_surer_reading_than_a_long_one(score: float, text: str) -> None:
    quick, careful = Said("(61.1)", score), Said("(61.1)")
    both = Pair(quick, careful)
    for _ in range(pair.PROOFS):
        both.read(line())
    careful._said = ("(6.11)", 1.0, ())
    assert both.read(line(3))[0] == text
    assert both.read(line())[0] == "(61.1)"


def test_the_quick_networks_come_with_the_package_and_with_their_licence() -> None:
    for name in (models.QUICK_DETECTOR, models.QUICK_RECOGNISER):
        assert models.path(name).parent == models.OWN
    assert "Apache License" in models.OWN.joinpath("LICENSE").read_text()


def test_a_quality_that_is_none_is_refused() -> None:
    assert Ocr().validate({})["quality"] == "normal"
    with pytest.raises(InvalidParams, match="quality"):
        Ocr().validate({"quality": "quick"})
