"""A damaged ledger costs the inputs whose lines are damaged another run, and says which file is to blame."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from spoolfarm.batch.ledger import Beginning, Ledger, Version
from spoolfarm.errors import InvalidRequest
from tests.support.damage import cut, damages

RECORD = {"id": "0" * 24, "status": "succeeded", "started": 10.0, "finished": 11.5, "result": {"text": "hello"}}


@pytest.fixture
def begun(tmp_path: Path) -> tuple[Path, Beginning]:
    """The folder of a batch that has done two inputs."""
    beginning = Beginning("ocr", {"side": 960}, str(tmp_path))
    with closing(Ledger(str(tmp_path / "out"), beginning, resume=False, table=False)) as ledger:
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / name).write_text(name)
            ledger.add(name, Version.of(os.stat(tmp_path / name)), dict(RECORD), lambda name: tmp_path / name)
    return tmp_path / "out", beginning


def resumed(begun: tuple[Path, Beginning]) -> set[str]:
    with closing(Ledger(str(begun[0]), begun[1], resume=True, table=False)) as ledger:
        return ledger.done


def test_a_damaged_beginning_is_named(begun: tuple[Path, Beginning]) -> None:
    mark = begun[0] / ".spoolfarm-batch"
    named = 0
    for _ in damages(mark):
        try:
            assert resumed(begun) == {"a.jpg", "b.jpg"}  # it was the name of the checksum
        except InvalidRequest as error:
            named += f"{mark} is damaged" in str(error)
    assert named > 9 * mark.stat().st_size - 100


def test_a_beginning_of_an_earlier_version_is_read(begun: tuple[Path, Beginning]) -> None:
    mark = begun[0] / ".spoolfarm-batch"
    whole = mark.read_bytes()
    mark.write_bytes(whole[: whole.index(b',"crc32"')] + b"}")
    assert resumed(begun) == {"a.jpg", "b.jpg"}


def test_a_damaged_line_costs_its_own_input_another_run(begun: tuple[Path, Beginning]) -> None:
    lines = begun[0] / "results.jsonl"
    first, second = lines.read_bytes().splitlines(keepends=True)
    done = 0
    lines.write_bytes(first)
    for spoiled in damages(lines, step=3):
        lines.write_bytes(spoiled + b"\n" + second)  # a flipped line break takes the next line with it
        found = resumed(begun)
        assert found <= {"a.jpg", "b.jpg"}
        assert "b.jpg" in found
        done += "a.jpg" not in found
    assert done > len(first) / 3


def test_an_answer_that_was_cut_short_is_made_again(begun: tuple[Path, Beginning]) -> None:
    answer, lines = begun[0] / "a.jpg.json", begun[0] / "results.jsonl"
    whole = lines.read_bytes()
    for spoiled in cut(answer.read_bytes()):
        answer.write_bytes(spoiled)
        lines.write_bytes(whole)
        assert resumed(begun) == {"b.jpg"}
