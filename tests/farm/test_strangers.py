"""What strangers do to a running farm: clear its folders, stop it, fill its disk, start daemons in its tasks."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import RawIOBase
from pathlib import Path

import pytest

from spoolfarm.farm import Farm
from tests.support.running_farm import ROOT, RunningFarm, until

Run = Callable[..., RunningFarm]
RUDE = "tests.support.rude_tasks"


def alive(pid: int) -> bool:
    """Whether there is such a process, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that goes on after what is done to it."""
    with RunningFarm(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def rude(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm of one worker, which survives what its tasks do to that; the last test stops it."""
    tasks = ",".join(f"{name}={RUDE}:{name.capitalize()}" for name in ("forking", "daemonic", "deaf"))
    path = tmp_path_factory.mktemp("rude")
    with RunningFarm(path, FARM_TASKS=tasks, FARM_ENABLE="forking,daemonic,deaf", FARM_WORKERS=1) as made:
        yield made


def test_workers_whose_folders_a_cleaner_removed_are_replaced(shared: RunningFarm) -> None:
    before = set(shared.workers())
    for name in os.listdir(shared.farm.spool.active):
        os.rmdir(f"{shared.farm.spool.active}/{name}")
    assert shared.farm.call("echo", n=1, timeout=20)["params"] == {"n": 1}
    until(lambda: len(shared.workers()) == 2 and not before & set(shared.workers()))
    assert "can claim nothing any more" in shared.log()


def test_an_emptied_spool_is_made_anew_and_has_one_launcher(shared: RunningFarm) -> None:
    subprocess.run(["rm", "-rf", *(f"{shared.farm.root}/{name}" for name in os.listdir(shared.farm.root))], check=False)
    until(lambda: len(shared.workers()) == 2, what=shared.log())
    assert shared.farm.call("echo", n=2, timeout=20)["params"] == {"n": 2}
    assert "somebody has emptied" in shared.log()
    second = subprocess.run(
        [sys.executable, str(ROOT / "launcher.py")],
        env={**os.environ, **shared.given, "FARM_BIND": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert f"launcher {shared.launcher}" in second.stderr


def test_a_child_that_a_task_forked_and_that_comes_back_takes_nothing_from_its_worker(rude: RunningFarm) -> None:
    [worker] = rude.workers()
    for _ in range(3):
        assert rude.farm.call("forking", timeout=20) == "parent"
    assert rude.workers() == [worker]


def test_a_worker_that_lives_on_without_its_lease_is_killed(rude: RunningFarm) -> None:
    [worker] = rude.workers()
    job = rude.farm.submit("deaf", seconds=600)
    until(lambda: rude.farm.running())
    for name in os.listdir(rude.farm.spool.workers):
        os.unlink(f"{rude.farm.spool.workers}/{name}") if name.endswith((".json", ".lock")) else None
    until(lambda: not alive(worker), 30)
    assert "killed because it has no lease any more" in rude.log()
    job.cancel()
    until(lambda: job.status() == "cancelled")


def test_daemons_that_a_task_started_end_with_the_farm_and_with_their_worker(rude: RunningFarm) -> None:
    daemon = int(rude.farm.call("daemonic", timeout=20))
    assert alive(daemon)
    os.kill(rude.workers()[0], signal.SIGKILL)
    until(lambda: not alive(daemon))
    daemon = int(rude.farm.call("daemonic", timeout=40))
    rude.kill_launcher()
    until(lambda: not alive(daemon))
    rude.start()
    daemon = int(rude.farm.call("daemonic", timeout=20))
    rude.stop()
    assert not alive(daemon)


def test_a_worker_that_retired_and_keeps_a_thread_alive_makes_way(run: Run) -> None:
    farm = run(FARM_TASKS=f"lingering={RUDE}:Lingering", FARM_ENABLE="lingering", FARM_WORKERS=1, FARM_RECYCLE_JOBS=1)
    farm.start()
    for _ in range(2):
        assert farm.farm.call("lingering", timeout=40) == "done"
    until(lambda: "left threads that do not end" in farm.log())


def test_a_pause_of_the_whole_farm_does_not_count_as_running(run: Run) -> None:
    farm = run(FARM_JOB_TIMEOUT=6, FARM_WORKERS=1).start()
    job = farm.farm.submit("echo", seconds=4)
    until(lambda: job.status() == "running")
    stopped = [farm.launcher, *farm.processes()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    asleep = time.monotonic() + 8
    until(lambda: time.monotonic() > asleep)
    for pid in reversed(stopped):
        os.kill(pid, signal.SIGCONT)
    job.wait(30)
    assert job.record()["attempts"] == 1


def _fill(file: RawIOBase) -> None:
    """Write until the disk is full."""
    with pytest.raises(OSError, match="No space left"):
        _write_on(file)


def _write_on(file: RawIOBase) -> None:
    while file.write(bytes(4096)):
        continue


@pytest.mark.needs("root")
def test_waiting_for_room_on_the_results_disk_is_not_running_and_burns_no_attempt(small_disk: Path, run: Run) -> None:
    farm = run(FARM_JOB_TIMEOUT=2, FARM_WORKERS=2, FARM_MAX_ATTEMPTS=2).start()
    jobs = [farm.farm.submit("echo", n=number, seconds=0.5) for number in range(4)]
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        _fill(file)
    until(lambda: farm.log().count("waits for room") >= 2)
    full = time.monotonic() + 6
    until(lambda: time.monotonic() > full)
    filler.unlink()
    assert [job.wait(20)["params"]["n"] for job in jobs] == [0, 1, 2, 3]
    assert {job.record()["attempts"] for job in jobs} == {1}


@pytest.mark.needs("root")
def test_a_full_disk_of_the_results_refuses_new_jobs(small_disk: Path, run: Run) -> None:
    farm = run(FARM_MIN_FREE_MB=2, FARM_WORKERS=1).start(ready=False)
    until(lambda: farm.get("/health")[0] == 200)
    status, told = farm.get("/ready")
    assert status == 503
    assert "the disk of the results has only" in told["error"]
    assert farm.post("/v1/jobs", {"task": "echo"})[0] == 503


def test_a_reader_of_the_log_that_stalls_does_not_stop_supervision(run: Run, tmp_path: Path) -> None:
    farm = run(FARM_TASKS=f"wordy={RUDE}:Wordy", FARM_ENABLE="echo,wordy", FARM_WORKERS=2)
    read, write = os.pipe()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **farm.given, "PYTHONUNBUFFERED": ""}
    launcher = subprocess.Popen(
        [sys.executable, str(ROOT / "launcher.py")], env=environment, stdout=write, stderr=write, start_new_session=True
    )
    os.close(write)
    try:
        until(lambda: len(farm.farm.workers()) == 2)
        farm.farm.call("wordy", timeout=20)
        for pid in farm.farm.workers():
            os.kill(pid["pid"], signal.SIGKILL)
        assert farm.farm.call("echo", n=3, timeout=20)["params"] == {"n": 3}
        launcher.terminate()
        assert launcher.wait(20) == 0
    finally:
        if launcher.poll() is None:
            launcher.kill()
            launcher.wait()
        os.close(read)


def test_a_farm_ends_with_the_terminal_that_it_was_started_at(farm: Farm, tmp_path: Path) -> None:
    running = RunningFarm(tmp_path, FARM_WORKERS=1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **running.given}
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
        os.execve(sys.executable, [sys.executable, str(ROOT / "launcher.py")], environment)
    ended: list[int] = []
    try:
        until(lambda: len(running.farm.workers()) == 1)
        os.close(terminal)
        until(lambda: ended.append(os.waitpid(pid, os.WNOHANG)[0]) or pid in ended, 30)  # type: ignore[func-returns-value]
        assert running.farm.workers() == []
    finally:
        if pid not in ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        running.farm.close()
