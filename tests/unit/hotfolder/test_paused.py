"""Dropped files of a paused task wait in the inbox, and those of other tasks do not wait for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder import archiver, folder, scanner
from spoolfarm.hotfolder.folder import HotFolder
from tests.support.echoing_worker import answers, work
from tests.support.running_farm import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    tasks = "first=spoolfarm.tasks.echo:Echo,second=spoolfarm.tasks.echo:Echo"
    return load({**settings.environment(), "FARM_TASKS": tasks, "FARM_ENABLE": "first,second"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiver, "LINGER", 0.0)
    monkeypatch.setattr(scanner, "RESCAN", 0.02)
    monkeypatch.setattr(folder, "IN_FLIGHT", 2)


def test_files_of_a_paused_task_wait_where_they_are_and_hold_up_no_others(farm: Farm) -> None:
    hot, out = HotFolder(farm), Path(farm.results.root, "inbox")

    def step_until_answered(*names: str) -> None:
        def step() -> bool:
            hot.step()
            work(farm.spool)
            return set(names) <= set(answers(out))

        until(step)

    for number in range(2):
        Path(farm.inbox, "first", f"{number}").write_bytes(b"one")
    until(lambda: hot.step() or farm.spool.count().get("first") == 2)
    farm.pauses.pause("first")  # as many are under way as may be
    Path(farm.inbox, "first", "late").write_bytes(b"two")
    for number in range(5):
        Path(farm.inbox, "second", f"{number}").write_bytes(b"three")
    step_until_answered(*(f"second/{number}" for number in range(5)))
    assert farm.spool.count()["first"] == 2
    assert Path(farm.inbox, "first", "late").exists()
    farm.pauses.resume("first")
    step_until_answered("first/0", "first/1", "first/late")
    hot.close()
