"""One process of a running farm gets no more of something: it says so and waits, or a new one takes its place."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.few_processes import no_more_processes
from tests.support.hot_folder import Hot
from tests.support.running_farm import RunningFarm, until

#: Bytes that a process still gets that holds almost all the memory it may have, and more than that.
SPARE, LARGE = 2**23, 2**24


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    with RunningFarm(tmp_path_factory.mktemp("farm"), FARM_WORKERS=1, FARM_FRONT_THREADS=8) as made:
        yield made


@contextmanager
def bounded(kind: int, pid: int, most: int) -> Iterator[None]:
    """Within it the process may have *most* of a resource."""
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, before[1]))
    try:
        yield
    finally:
        if Path(f"/proc/{pid}").exists():
            resource.prlimit(pid, kind, before)


@contextmanager
def no_more_descriptors(pid: int) -> Iterator[None]:
    """Within it the process opens nothing more: a new descriptor has the lowest free number, and 0 to 2 are taken."""
    with bounded(resource.RLIMIT_NOFILE, pid, 3):
        yield


@contextmanager
def no_more_memory(pid: int) -> Iterator[None]:
    """Within it the process maps almost nothing more."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    with bounded(resource.RLIMIT_AS, pid, pages * resource.getpagesize() + SPARE):
        yield


def server(farm: RunningFarm) -> int:
    """The process of the front that serves requests: Gunicorn's child."""
    return max(farm.front())


def works(farm: RunningFarm) -> None:
    """A job goes through the spool, and another one through the front."""
    assert farm.farm.call("echo", n=1, timeout=20)["params"] == {"n": 1}
    assert farm.post("/v1/run/echo", {"params": {"n": 2}})[0] == 200


def test_a_worker_without_descriptors_holds_its_jobs_up_and_loses_none(farm: RunningFarm) -> None:
    [pid] = farm.workers()
    with no_more_descriptors(pid):
        job = farm.farm.submit("echo", b"x", n=1)
        until(lambda: "cannot claim: [Errno 24]" in farm.log())
    assert job.wait(20)["params"] == {"n": 1}
    assert job.record()["attempts"] == 1
    assert farm.workers() == [pid]


def test_a_hot_folder_without_descriptors_takes_the_files_later(farm: RunningFarm) -> None:
    hot = Hot(farm)
    [pid] = hot.processes()
    with no_more_descriptors(pid):
        (hot.inbox / "echo" / "starved").write_bytes(b"x")
        until(lambda: "the disk does not obey: [Errno 24]" in farm.log())
        works(farm)
    until(lambda: hot.count("echo") == 1)
    assert hot.processes() == [pid]


def test_a_launcher_without_descriptors_replaces_its_worker_later(farm: RunningFarm) -> None:
    [pid], front = farm.workers(), farm.front()
    with no_more_descriptors(farm.launcher):
        os.kill(pid, signal.SIGKILL)
        until(lambda: "worker 1 cannot be started: [Errno 24]" in farm.log())
        assert farm.get("/health")[0] == 200
    until(lambda: farm.workers() not in ([], [pid]))
    works(farm)
    assert farm.front() == front


@pytest.mark.needs("root")
def test_a_launcher_that_can_start_no_process_replaces_its_worker_later(farm: RunningFarm) -> None:
    [pid], front = farm.workers(), farm.front()
    with no_more_processes(farm.launcher):
        os.kill(pid, signal.SIGKILL)
        until(lambda: "worker 1 cannot be started: [Errno 11]" in farm.log())
        assert farm.get("/health")[0] == 200
    until(lambda: farm.workers() not in ([], [pid]))
    works(farm)
    assert farm.front() == front


@pytest.mark.needs("root")
def test_a_front_that_can_start_no_thread_answers_all_with_those_that_it_has(farm: RunningFarm) -> None:
    answers: list[int] = []
    body, front = {"params": {"seconds": 0.1}}, farm.front()
    asking = [threading.Thread(target=lambda: answers.append(farm.post("/v1/run/echo", body)[0])) for _ in range(6)]
    with no_more_processes(server(farm)):
        for each in asking:
            each.start()
        for each in asking:
            each.join()
        assert farm.get("/health")[0] == 200
    assert answers == [200] * 6
    assert "requests wait for one of" in farm.log()
    assert farm.front() == front


@pytest.mark.needs("root")
def test_a_hot_folder_that_can_start_no_thread_moves_its_files_all_the_same(farm: RunningFarm) -> None:
    hot = Hot(farm)
    [pid] = hot.processes()
    with no_more_processes(pid):
        (hot.inbox / "echo" / "alone").write_bytes(b"x")
        until(lambda: (hot.out / "echo" / "alone").exists())
    assert hot.processes() == [pid]


def test_a_file_for_which_the_hot_folder_has_no_memory_waits_alone(farm: RunningFarm) -> None:
    hot = Hot(farm)
    [pid] = hot.processes()
    with no_more_memory(pid):
        (hot.inbox / "echo" / "large").write_bytes(bytes(LARGE))
        until(lambda: "'echo/large' cannot be taken: there is not enough memory" in farm.log())
        (hot.inbox / "echo" / "small").write_bytes(b"small")
        until(lambda: (hot.out / "echo" / "small.json").exists())
        assert not (hot.out / "echo" / "large.json").exists()
    until(lambda: (hot.out / "echo" / "large.json").exists())
    assert hot.processes() == [pid]


def test_a_request_for_which_the_front_has_no_memory_is_refused_alone(farm: RunningFarm) -> None:
    front = farm.front()
    with no_more_memory(server(farm)):
        status, told = farm.post("/v1/jobs", {"task": "echo", "image": "A" * 30 * 2**20})
        assert (status, told["code"]) == (503, "no_memory")
        assert farm.get("/health")[0] == 200
    works(farm)
    assert farm.front() == front


def test_a_job_for_which_its_worker_has_no_memory_is_done_by_a_new_one(farm: RunningFarm) -> None:
    [pid] = farm.workers()
    with no_more_memory(pid):
        job = farm.farm.submit("echo", bytes(4 * LARGE))
        assert job.wait(20)["bytes"] == 4 * LARGE
    assert job.record()["attempts"] == 2
    assert f"worker 1 ended with job {job.id}: exit status 1: MemoryError" in farm.log()
