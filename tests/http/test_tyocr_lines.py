"""`/tyocr` ends every line of its text with a line break, the last one too."""

from __future__ import annotations

import pytest
import requests

from spoolfarm.server.views.tyocr import ended
from tests.support.pictures import page, small, text_of
from tests.support.running_farm import RunningFarm


@pytest.mark.parametrize(("text", "wanted"), [("", ""), ("a", "a\n"), ("a\nb", "a\nb\n"), ("a\n", "a\n")])
def test_every_line_is_ended_once(text: str, wanted: str) -> None:
    assert ended(text) == wanted


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_page_has_as_many_line_breaks_as_lines(live: RunningFarm, count: int) -> None:
    picture = page([f"page number {number}" for number in range(count)]) if count else small()
    told = requests.post(f"{live.url}/tyocr", data={"imgbase64": text_of(picture)}, timeout=60).json()
    assert (told["sign"], told["text"].count("\n")) == (0, count)
    assert told["text"].endswith("\n") == bool(count)
