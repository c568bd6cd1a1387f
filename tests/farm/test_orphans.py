"""Nothing that a task has started outlives its worker, the time limit or the launcher, in whatever session it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.farm.test_strangers import RUDE, alive
from tests.support.running_farm import ROOT, RunningFarm, until

#: Seconds that a job may take.
LIMIT = 3


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[RunningFarm]:
    """One worker for tasks that leave processes behind."""
    tasks = {"FARM_TASKS": f"litter={RUDE}:Litter", "FARM_ENABLE": "litter", "FARM_MAX_ATTEMPTS": 1}
    made = RunningFarm(tmp_path, FARM_WORKERS=1, FARM_JOB_TIMEOUT=LIMIT, **tasks).start()
    yield made
    made.stop()


def started(note: Path) -> list[int]:
    """The processes that a task has noted, once it has."""
    until(lambda: note.exists() and note.read_text().endswith("\n"), what="the task")
    pids = [int(pid) for pid in note.read_text().split()]
    assert all(map(alive, pids))
    return pids


def test_what_a_task_has_started_ends_with_its_time(farm: RunningFarm, tmp_path: Path) -> None:
    job = farm.farm.submit("litter", note=str(tmp_path / "note"), seconds=600)
    pids = started(tmp_path / "note")
    until(lambda: farm.farm.results.exists(job.id), 3 * LIMIT + 10)
    until(lambda: not any(map(alive, pids)), what=f"{pids} to end")


def test_what_tasks_have_started_ends_with_the_launcher_however_that_ends(farm: RunningFarm, tmp_path: Path) -> None:
    farm.farm.submit("litter", note=str(tmp_path / "note"))
    plain, deaf, bare, daemon = started(tmp_path / "note")
    farm.kill_launcher()
    until(lambda: not any(map(alive, (plain, deaf, daemon))), what="what the tasks have left")
    os.kill(bare, signal.SIGKILL)  # it has lost what would tell whose it is: only its worker knew


def test_somebody_else_ends_what_was_left_when_the_reaper_was_killed_too(farm: RunningFarm, tmp_path: Path) -> None:
    farm.farm.submit("litter", note=str(tmp_path / "note"))
    pids = started(tmp_path / "note")
    found = subprocess.run(["pgrep", "-P", str(farm.launcher), "-f", "orphans.py"], capture_output=True, text=True)
    reaper = int(found.stdout)
    os.kill(reaper, signal.SIGKILL)
    again = ["pgrep", "-P", str(farm.launcher), "-f", "orphans.py"]
    until(lambda: subprocess.run(again, capture_output=True, text=True).stdout.strip() not in ("", str(reaper)))
    farm.stop()
    assert not any(map(alive, (pids[0], pids[1], pids[3])))
    os.kill(pids[2], signal.SIGKILL)


def test_what_a_batch_has_started_ends_with_it(tmp_path: Path) -> None:
    note = tmp_path / "note"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.txt").write_text("x")
    code = f"""
import time
from spoolfarm import config
from spoolfarm.batch.private_farm import PrivateFarm
with PrivateFarm(config.load(), 1) as farm:
    farm.staff("litter")
    farm.farm.submit("litter", note={str(note)!r})
    while True:
        farm.tend()
        time.sleep(0.02)
"""
    given = {"FARM_TASKS": f"litter={RUDE}:Litter", "FARM_ENABLE": "litter", "PYTHONPATH": str(ROOT)}
    batch = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **given, "TMPDIR": str(tmp_path)})
    try:
        plain, deaf, bare, daemon = started(note)
    finally:
        batch.kill()
        batch.wait()
    until(lambda: not any(map(alive, (plain, deaf, daemon))))
    os.kill(bare, signal.SIGKILL)
