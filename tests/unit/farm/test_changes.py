"""Changes: looked for only while somebody listens, and told to all who do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.farm import changes
from spoolfarm.farm.farm import Farm
from tests.support.running_farm import until


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    monkeypatch.setattr(changes, "LOOK", 0.02)
    monkeypatch.setattr(changes, "SILENCE", 0.2)
    farm = Farm(tmp_path / "spool", tmp_path / "results")
    yield farm
    farm.close()


def watching() -> bool:
    return any(thread.name == "changes" for thread in threading.enumerate())


def test_one_thread_looks_for_all_and_only_while_somebody_listens(farm: Farm) -> None:
    first, second = farm.changes.follow(9, 60), farm.changes.follow(9, 60)
    assert [thread.name for thread in threading.enumerate()].count("changes") == 1
    farm.submit("echo")
    for listener in (first, second):
        assert any(told is not None and told.queued == {"echo": 1} for told in listener)
    assert any(told is None for told in first)  # nothing has changed for a while
    first.close()
    first.close()
    assert watching()
    second.close()
    until(lambda: not watching(), what="the thread to end")
    again = farm.changes.follow(9, 60)
    told = next(again)
    assert told is not None
    assert told.queued == {"echo": 1}
    again.close()


def test_a_listener_comes_to_its_end_when_its_time_is_over_or_the_farm_is_closed(farm: Farm) -> None:
    brief, other = farm.changes.follow(9, 0.1), farm.changes.follow(9, 60)
    assert len(list(brief)) >= 1
    next(other)
    farm.changes.close()
    assert list(other) == []
    assert list(farm.changes.follow(9, 60)) == []
