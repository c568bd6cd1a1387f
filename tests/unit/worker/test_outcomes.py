"""Outcomes travel as JSON, bytes and text, and come back as what the worker's own executor would have said."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import FarmError, JobCancelled, NoObject
from spoolfarm.tasks import Answer, Stopping
from spoolfarm.worker.executors.outcomes import packed, unpacked
from tests.support.cluster_tasks import Odd


def travelled(outcome: Any) -> Any:
    return unpacked(pickle.loads(pickle.dumps(packed(outcome))))


@pytest.mark.parametrize("value", [None, 1.5, "猫\ud800", [1, {"a": [True]}], {"deep": {"er": ""}}])
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert travelled(value) == value


def test_files_come_back_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"\0page")
    got = travelled(Answer({"n": 1}, {"a": b"a", "b": tmp_path / "page", "c": bytearray(b"c")}))
    assert got == Answer({"n": 1}, {"a": b"a", "b": b"\0page", "c": b"c"})


def test_an_error_of_the_farm_keeps_code_words_and_details() -> None:
    got = travelled(NoObject("nothing there", details={"page": 3}))
    assert isinstance(got, FarmError)
    assert (got.code, str(got), got.details) == ("no_object", "nothing there", {"page": 3})
    assert isinstance(travelled(JobCancelled("heard")), JobCancelled)
    assert isinstance(travelled(Stopping()), Stopping)


def test_an_error_of_a_task_keeps_its_name_and_words_and_where_it_was_raised() -> None:
    with pytest.raises(Odd) as caught:
        raise Odd("it went wrong")
    got = travelled(caught.value)
    assert (type(got).__name__, str(got)) == ("Odd", "it went wrong")
    assert "test_outcomes.py" in got.__notes__[0]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({1, 2}, "the task's result is nothing JSON can say: "),
        (float("nan"), "the task's result is nothing JSON can say: "),
        (Answer(1, {"a": "text"}), "the files of the task's answer cannot be published: "),  # type: ignore[dict-item]
        (Answer(1, {"a": Path("/no/such/file")}), "the files of the task's answer cannot be published: "),
        (Answer(1, ["a"]), "the files of the task's answer cannot be published: "),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_published_is_an_error_of_its_job(outcome: Any, said: str) -> None:
    got = travelled(outcome)
    assert isinstance(got, Exception)
    assert str(got).startswith(said)
