"""The zygote: workers are forked from it, live on without it, and share with each other only what they should."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.running_farm import ROOT, RunningFarm, until

Make = Callable[..., RunningFarm]


def running_farm(path: Path, name: str = "telling", **settings: Any) -> RunningFarm:
    """A farm for a task of tests/support/zygote_tasks.py, by the name of its class in lower case."""
    task = f"{name}=tests.support.zygote_tasks:{name.capitalize()}"
    return RunningFarm(path, **{"FARM_TASKS": task, "FARM_ENABLE": name, **settings})


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A function that makes such a farm, which is stopped after the test."""
    made: list[RunningFarm] = []

    def one(name: str = "telling", **settings: Any) -> RunningFarm:
        made.append(running_farm(tmp_path, name, **settings))
        return made[-1]

    yield one
    for farm in made:
        farm.stop()


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm for those who leave it as they found it, with workers and a zygote."""
    tasks = "telling=tests.support.zygote_tasks:Telling,orphaning=tests.support.zygote_tasks:Orphaning"
    own = {
        "FARM_TASKS": tasks,
        "FARM_ENABLE": "telling,orphaning",
        "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b",
        "FARM_THREADS": 3,
        "FARM_API_KEY": "secret",
    }
    farm = running_farm(tmp_path_factory.mktemp("forked"), **own).start()
    yield farm
    farm.stop()


def zygote(running: RunningFarm) -> int | None:
    """The process id of the zygote, when there is one."""
    return next(iter(running.called(b"spoolfarm.launcher.zygote")), None)


def told(running: RunningFarm, count: int = 1) -> list[dict[str, Any]]:
    """What *count* workers tell."""
    found: dict[int, dict[str, Any]] = {}

    def complete() -> bool:
        jobs = [running.farm.submit("telling", seconds=0.05) for _ in range(count)]
        found.update({answer["pid"]: answer for answer in (job.wait(20) for job in jobs)})
        return len(found) == count

    until(complete)
    return list(found.values())


# How a worker comes into being.


def test_a_worker_is_forked_from_the_zygote_and_is_the_launchers_child(forked: RunningFarm) -> None:
    mother = zygote(forked)
    for answer in told(forked, 2):
        assert answer["loaded"] == mother
        assert answer["parent"] == forked.launcher
        assert answer["session"] == answer["pid"]
        assert answer["path"] == str(ROOT)


def test_a_forked_worker_is_seen_in_its_command_line_and_the_zygote_is_not(forked: RunningFarm) -> None:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in [forked.launcher, *forked.processes()]}
    assert sorted(pid for pid, command in commands.items() if b"worker" in command) == sorted(forked.workers())
    for worker in forked.farm.workers():
        assert worker["worker"].encode() in commands[worker["pid"]]
    assert zygote(forked) in commands


def test_workers_share_no_random_numbers_and_no_files(forked: RunningFarm) -> None:
    first, second = told(forked, 2)
    assert not set(first["random"]) & set(second["random"])
    own = {"/dev/null", "pipe:", "anon_inode:inotify"}
    for answer in (first, second):
        assert answer["files"]["0"] == "/dev/null"
        assert not [each for each in answer["files"].values() if each.startswith("socket:")]
        assert own >= {
            each.partition("[")[0]
            for each in answer["files"].values()
            if not each.startswith(forked.given["FARM_SPOOL_DIR"])
        }
    assert first["files"]["1"] == first["files"]["2"] != second["files"]["1"] == second["files"]["2"]


def test_a_forked_worker_has_its_own_environment(forked: RunningFarm) -> None:
    answers = [answer["environment"] for answer in told(forked, 2)]
    assert sorted(each["CUDA_VISIBLE_DEVICES"] for each in answers) == ["GPU-a", "GPU-b"]
    assert {each["OMP_NUM_THREADS"] for each in answers} == {"3"}
    assert not any("FARM_API_KEY" in each for each in answers)


@pytest.mark.parametrize(
    "settings", [{"FARM_FORK": 0}, {"FARM_TASKS": "", "FARM_ENABLE": "echo"}], ids=["not wanted", "nothing to share"]
)
def test_without_a_zygote_workers_are_started_as_ever(make: Make, settings: dict[str, Any]) -> None:
    running = make(**settings).start()
    assert len(running.workers()) == 2
    assert not zygote(running)


def test_while_the_zygote_loads_the_launcher_does_all_else(make: Make) -> None:
    running = make("late").start(ready=False)
    until(lambda: running.get("/health")[0] == 200)
    first = running.front()
    running.kill(first)
    until(lambda: running.get("/health")[0] == 200 and not set(first) & set(running.front()))
    job = running.farm.submit("late")
    assert zygote(running)
    assert not running.workers()
    Path(f"{running.given['FARM_DATA_DIR']}.go").touch()
    assert job.wait(20)["loaded"] == zygote(running)


def test_a_farm_stops_while_its_zygote_loads(make: Make) -> None:
    running = make("late").start(ready=False)
    until(lambda: running.get("/health")[0] == 200 and zygote(running))
    running.signal(signal.SIGTERM)
    assert running.wait(20) == 0
    assert not running.processes()


# Where a fork is not to be had.


def test_a_zygote_with_a_second_thread_forks_nobody(make: Make) -> None:
    running = make("threaded").start()
    assert "2 threads run once the tasks are prepared" in running.log()
    assert running.farm.call("threaded", timeout=20)["loaded"] == 0
    assert not zygote(running)
    assert "the zygote ended" not in running.log()


def test_what_cannot_be_prepared_is_set_up_in_each_worker(make: Make) -> None:
    running = make("unprepared").start()
    assert "nothing of the task unprepared is shared: no such weights" in running.log()
    answer = running.farm.call("unprepared", timeout=20)
    assert (answer["loaded"], answer["parent"]) == (0, running.launcher)


def test_workers_do_not_wait_for_a_zygote_that_cannot_load(make: Make) -> None:
    running = make("fatal").start()
    assert running.farm.call("fatal", timeout=20)["loaded"] == 0
    until(lambda: "loading it again in 2.0 s" in running.log(), 30)
    assert "loading it again in 0.5 s" in running.log()


# Death.


def test_the_replacement_of_a_killed_worker_loads_nothing_again(forked: RunningFarm) -> None:
    before, mother = set(forked.workers()), zygote(forked)
    killed = before.pop()
    os.kill(killed, signal.SIGKILL)
    answers = told(forked, 2)
    assert killed not in {answer["pid"] for answer in answers} > before
    assert {answer["loaded"] for answer in answers} == {mother} == {zygote(forked)}


def test_workers_live_on_without_the_zygote_and_get_a_new_one(forked: RunningFarm) -> None:
    workers, first = forked.workers(), zygote(forked)
    assert first
    os.kill(first, signal.SIGKILL)
    until(lambda: zygote(forked) not in (None, first))
    assert sorted(forked.workers()) == sorted(workers)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert {answer["loaded"] for answer in told(forked, 2)} == {zygote(forked)}


def test_jobs_succeed_while_workers_and_their_zygote_are_killed_and_neither_outlives_the_launcher(make: Make) -> None:
    running = make(FARM_MAX_ATTEMPTS=20).start()
    jobs = [running.farm.submit("telling", seconds=0.1) for _ in range(60)]
    kills = 0
    while not all(running.farm.results.exists(job.id) for job in jobs):
        victims = [pid for pid in (*running.workers(), zygote(running)) if pid]
        os.kill(victims[kills % len(victims)], signal.SIGKILL)
        kills += 1
        pause = time.monotonic() + 0.7
        until(lambda pause=pause: time.monotonic() > pause and running.workers(), what=running.log())  # type: ignore[misc]
    assert kills >= 3
    assert {job.status() for job in jobs} == {"succeeded"}
    assert not running.farm.spool.dead.ids()
    until(lambda: zygote(running))
    running.kill_launcher()
    until(lambda: not running.processes(), 20, what="every child of a killed launcher to die")


def test_a_reload_loads_anew(forked: RunningFarm) -> None:
    first, workers = zygote(forked), set(forked.workers())
    forked.signal(signal.SIGHUP)
    until(lambda: len(forked.workers()) == 2 and not workers & set(forked.workers()), what=forked.log())
    assert {answer["loaded"] for answer in told(forked, 2)} == {zygote(forked)}
    assert zygote(forked) not in (None, first)


def test_orphans_that_come_to_the_launcher_are_reaped(forked: RunningFarm) -> None:
    orphan = forked.farm.call("orphaning", timeout=20)
    until(lambda: not os.path.exists(f"/proc/{orphan}"))


def test_a_zygote_that_stalls_costs_the_farm_nothing_but_the_zygote(tmp_path: Path) -> None:
    patient = "from spoolfarm.launcher import launcher, zygote_child; zygote_child.PATIENCE = 0.5; launcher.main([])"
    (tmp_path / "launcher.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r}); {patient}")
    running = running_farm(tmp_path, root=tmp_path).start()
    try:
        stalled, before = zygote(running), set(running.workers())
        assert stalled
        os.kill(stalled, signal.SIGSTOP)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(running.workers()) - before) == 2, what=running.log())
        assert {answer["loaded"] for answer in told(running, 2)} == {zygote(running)} != {stalled}
        assert "Traceback" not in running.log()
    finally:
        running.stop()
