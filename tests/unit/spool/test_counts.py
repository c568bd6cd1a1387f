"""The counts: nothing is counted twice or lost, whoever dies when, and whoever reads meanwhile."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from spoolfarm.spool import counts, files
from spoolfarm.spool.counts import Counts, Series, ending
from spoolfarm.spool.job import Job
from tests.support.spool_tree import Elsewhere, Tree

HTTP: Series = ("jobs", "echo", "succeeded", "http")
LOST: Series = ("lost", "echo", "killed")


@pytest.fixture
def kept(tmp_path: Path) -> Counts:
    made = Counts(str(tmp_path / "counts"))
    made.make()
    return made


def nobody(_: str) -> bool:
    return False


def everybody(_: str) -> bool:
    return True


def test_what_a_worker_counts_is_read_as_soon_as_it_is_written(kept: Counts) -> None:
    worker = kept.of("a-1")
    assert kept.read() == {}
    for wait, run in ((0.0005, 3.0), (0.2, 1e6), (-5.0, 0.3)):
        worker.count("echo", "succeeded", "http", wait, run)
    worker.write()
    found = {series: value for series, value in kept.read().items() if value}
    assert found == {
        HTTP: 3,
        ("wait", "echo", "0.001"): 2,  # a clock that was set back makes nobody wait for less than nothing
        ("wait", "echo", "0.25"): 1,
        ("wait", "echo", "sum"): pytest.approx(0.2005),
        ("run", "echo", "5.0"): 1,
        ("run", "echo", "inf"): 1,
        ("run", "echo", "0.5"): 1,
        ("run", "echo", "sum"): pytest.approx(1000003.3),
    }
    worker.count("echo", "failed", "cli", 0, 0)  # a series that the file does not have yet
    worker.write()
    assert kept.read()["jobs", "echo", "failed", "cli"] == 1
    assert kept.read()[HTTP] == 3
    worker.close()


def test_what_a_killed_worker_counted_stays(kept: Counts) -> None:
    def work() -> object:
        worker = kept.of("b-1")
        for _ in range(5):
            worker.count("echo", "succeeded", "http", 0, 0)
            worker.write()
        return worker

    with Elsewhere(work) as other:
        other.kill()  # SIGKILL: it says no last word
    assert kept.read()[HTTP] == 5
    kept.fold(nobody)
    assert kept.read()[HTTP] == 5
    assert os.listdir(kept.root) != []
    assert not [name for name in os.listdir(kept.root) if name.endswith(".cells")]


def test_a_sweep_leaves_the_living_alone_and_puts_the_dead_together(kept: Counts) -> None:
    living, dead = kept.of("living-1"), kept.of("dead-1")
    for worker in (living, dead):
        worker.count("echo", "succeeded", "http", 0, 0)
        worker.write()
    kept.fold(lambda wid: wid == "living-1")
    living.count("echo", "succeeded", "http", 0, 0)
    living.write()
    assert kept.read()[HTTP] == 3
    living.close()
    dead.close()
    for _ in range(3):
        kept.fold(nobody)
        assert kept.read()[HTTP] == 3


def test_what_others_count_waits_for_the_sweep_after_the_next(kept: Counts) -> None:
    kept.add({LOST: 1.0})
    kept.add({LOST: 2.0, HTTP: 1.0})
    for _ in range(4):
        assert (kept.read()[LOST], kept.read()[HTTP]) == (3, 1)
        kept.fold(everybody)
    assert sorted(os.listdir(kept.root)) == ["lock", "totals.json"]


@pytest.mark.parametrize("crash", ["rename", "remove"])
def test_a_sweep_that_is_killed_counts_nothing_twice(crash: str, kept: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    for wid in ("c-1", "c-2"):
        worker = kept.of(wid)
        worker.count("echo", "succeeded", "http", 0, 0)
        worker.write()
        worker.close()
    kept.add({HTTP: 1.0})

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*(os, "rename") if crash == "rename" else (files, "remove"), dies)
        with pytest.raises(KeyboardInterrupt):
            kept.fold(nobody)
    assert kept.read()[HTTP] == 3
    for _ in range(3):
        kept.fold(nobody)
        assert kept.read()[HTTP] == 3


def test_nothing_ever_goes_backwards_for_who_reads_while_workers_die_and_sweeps_go_on(kept: Counts) -> None:
    stop, adding = threading.Event(), threading.Lock()

    def work() -> None:
        for number in range(12):
            worker = kept.of(f"w-{number}")
            for _ in range(5):
                worker.count("echo", "succeeded", "http", 0, 0)
                worker.write()
                with adding:
                    kept.add({LOST: 1.0})
            worker.close()
            alive.discard(f"w-{number}")
        stop.set()

    def sweep() -> None:
        while not stop.is_set():
            kept.fold(alive.__contains__)
            with adding:
                pass  # sweeps are far apart: no line is still being added at the next but one

    alive = {f"w-{number}" for number in range(12)}
    threads = [threading.Thread(target=work), threading.Thread(target=sweep)]
    for thread in threads:
        thread.start()
    seen: list[tuple[float, float]] = []
    while not stop.is_set():
        found = kept.read()
        seen.append((found.get(HTTP, 0.0), found.get(LOST, 0.0)))
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert [column for column in map(list, zip(*seen, strict=True)) if column != sorted(column)] == []
    assert (kept.read()[HTTP], kept.read()[LOST]) == (60, 60)


@pytest.mark.parametrize("data", [b"", b"\0" * 99, b"[[", b'{"series": 5}', b"[]", b'{"files": [], "series": [["a"]]}'])
def test_damaged_totals_are_begun_anew_and_stop_nothing(data: bytes, kept: Counts) -> None:
    Path(kept.root, "totals.json").write_bytes(data)
    kept.add({LOST: 1.0})
    assert kept.read() == {LOST: 1.0}
    for _ in range(2):
        kept.fold(nobody)
    assert kept.read() == {LOST: 1.0}
    assert json.loads(Path(kept.root, "totals.json").read_bytes())["series"] == [[list(LOST), 1.0]]


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b'[["a","b"]]\n', b'[["a"]]\n1234', b"5\n" + bytes(8), b"[5]\n"])
def test_a_worker_s_damaged_file_counts_nothing(data: bytes, kept: Counts) -> None:
    Path(kept.root, "x-1.cells").write_bytes(data)
    Path(kept.root, "old.lines").write_bytes(b'[[["lost","echo","killed"],1.0]]\n[[["lo' + data)
    assert kept.read() == {LOST: 1.0}
    kept.fold(nobody)
    assert kept.read() == {LOST: 1.0}


def test_a_full_disk_costs_no_job_and_nothing_of_what_is_counted(
    kept: Counts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    worker = kept.of("d-1")
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_new", full)
        patch.setattr(os, "write", full)
        worker.count("echo", "succeeded", "http", 0, 0)
        worker.write()
        kept.add({LOST: 1.0})
    assert "not counted" in caplog.text
    worker.count("echo", "succeeded", "http", 0, 0)
    worker.write()
    assert kept.read()[HTTP] == 2
    worker.close()


def test_sources_beyond_all_measure_share_one_series(kept: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST", 3)
    worker = kept.of("e-1")
    for number in range(50):
        worker.count("echo", "succeeded", f"program-{number}", 0, 0)
    worker.write()
    found = {series: value for series, value in kept.read().items() if series[0] == "jobs"}
    assert len(found) == 4
    assert found["jobs", "echo", "succeeded", "other"] == 47
    worker.close()


def test_each_way_in_which_a_job_ends_without_a_worker_is_counted_once(tree: Tree) -> None:
    spool = tree.spool
    jobs = [Job("echo", source=source) for source in ("cli", "http", "")]
    for job in jobs:
        spool.put(job)
    spool.cancel(jobs[0].id)
    tree.orphan(jobs[1], spool.max_attempts)
    spool.reclaim({}, {})
    for _ in range(2):
        spool.reclaim()
        spool.tidy()
    found = {series: value for series, value in spool.counts.read().items() if value}
    assert found == {
        ("jobs", "echo", "cancelled", "cli"): 1,
        ("jobs", "echo", "failed", "http"): 1,
        ("lost", "echo", "unknown"): 1,
    }


def test_a_job_that_is_cancelled_when_it_is_claimed_is_counted(tree: Tree) -> None:
    """It was given back by a worker that did not see the mark."""
    spool, job = tree.spool, Job("echo", source="http")
    spool.put(job)
    lease = tree.lease()
    [claim] = spool.claim(lease, spool.cursor(["echo"]), lambda _: 1)
    assert spool.cancel(job.id)
    spool.give_back(claim)
    assert spool.claim(lease, spool.cursor(["echo"]), lambda _: 1) == []
    lease.end()
    assert spool.counts.read() == {("jobs", "echo", "cancelled", "http"): 1}


def test_a_worker_that_died_between_result_and_count_is_counted_for(tree: Tree) -> None:
    spool = tree.spool
    job = Job("echo", source="inbox")
    wid = tree.orphan(job, 1)
    record = {"id": job.id, "task": "echo", "status": "succeeded", "attempts": 1, "created": job.created}
    record |= {"started": job.created + 0.2, "finished": job.created + 1.2, "result": 1, "source": "inbox"}
    Path(spool.results.root, f"{job.id}.json").write_text(json.dumps(record))
    assert spool.reclaim({wid: "killed"}, {wid: "killed"}) == 1
    found = {series: value for series, value in spool.counts.read().items() if value}
    assert found.pop(("wait", "echo", "sum")) == pytest.approx(0.2)
    assert found.pop(("run", "echo", "sum")) == pytest.approx(1.0)
    assert len(found) == 3
    assert found["jobs", "echo", "succeeded", "inbox"] == 1


def test_the_end_of_a_job_that_nobody_ran_says_nothing_of_its_run(tree: Tree) -> None:
    record = {"task": "echo", "status": "cancelled", "started": None, "created": 1.0, "finished": 2.0}
    assert ending(record) == {("jobs", "echo", "cancelled", "unknown"): 1.0}
