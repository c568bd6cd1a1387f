"""Files in the spool that are no jobs: they stop nobody."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from spoolfarm.errors import UnknownJob
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import aged, new, place_of, where
from tests.support.spool_tree import Tree, claims


def plant(spool: Spool, kind: str, name: str) -> None:
    """Put something that is no job file where the oldest jobs are."""
    path = f"{place_of(spool, new(id=name[:24]))}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            os.symlink("/etc/passwd", path)
        case "loose link":
            os.symlink("/nowhere", path)
        case "directory":
            os.mkdir(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as one, working_directory(os.path.dirname(path)):
                one.bind(name)
        case "empty":
            Path(path).touch()
        case "junk":
            Path(path).write_bytes(os.urandom(5000))


class working_directory:
    """The path of a socket may have no more than 107 bytes, so it is made from where it lies."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._before = os.getcwd()
        os.chdir(self._path)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


KINDS = ["fifo", "link", "loose link", "directory", "socket", "empty", "junk"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_the_queue_under_a_jobs_name_and_is_none_becomes_a_dead_letter(
    kind: str, tree: Tree, spool: Spool
) -> None:
    bad = aged(new(), 60).id
    plant(spool, kind, f"{bad}.a0")
    for number in range(3):
        spool.put(new(number))
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    found = [claim.job.params["number"] for claim in claims(lambda: spool.claim(lease, cursor, lambda task: 2))]
    assert found == [0, 1, 2]
    record = spool.results.get(bad)
    assert record is not None
    assert (record["status"], record["code"]) == ("failed", "damaged")
    assert spool.dead.ids() == [bad]
    with pytest.raises(UnknownJob, match="cannot be run again"):
        spool.retry(bad)
    lease.end()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_dead_worker_has_under_a_jobs_name_and_is_none_stops_no_recovery(
    kind: str, tree: Tree, spool: Spool
) -> None:
    bad, good = aged(new(), 60).id, new()
    wid = tree.orphan(good)
    plant(spool, kind, f"{bad}.a0")
    os.rename(f"{place_of(spool, new(id=bad))}/{bad}.a0", f"{spool.active}/{wid}/{bad}.a1")
    assert spool.reclaim() == 2
    assert where(spool, good).startswith("queue/")
    assert spool.dead.ids() == [bad]
    assert os.listdir(spool.active) == []


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_others_stay_where_they_are_and_stop_nobody(kind: str, tree: Tree, spool: Spool) -> None:
    job, orphan = aged(new(), 50), aged(new(1), 60)
    names = ["README", "notes.a0", f"{job.id}", f"{job.id}.a", f"{job.id}.a1234", f"{job.id.upper()}x.a0"]
    for name in names:
        plant(spool, kind, f"{aged(new(), 60).id[:16]}{name}")  # among the jobs
    spool.put(job)
    tree.orphan(orphan)
    for folder in (spool.queue, f"{spool.queue}/echo", spool.active, spool.marks, spool.workers, spool.dead.root):
        os.makedirs(folder, exist_ok=True)
        if kind != "socket":
            plant_at(f"{folder}/.DS_Store", kind)
            plant_at(f"{folder}/500000000", kind)
    spool.reclaim()
    spool.count()
    list(spool.queued())
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    found = {claim.job.id for claim in claims(lambda: spool.claim(lease, cursor, lambda task: 1))}
    assert found == {job.id, orphan.id}
    assert spool.reclaim() == 0
    lease.end()


def plant_at(path: str, kind: str) -> None:
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link" | "loose link":
            os.symlink("/nowhere" if kind == "loose link" else "/etc", path)
        case "directory":
            os.mkdir(path)
        case _:
            Path(path).write_bytes(b"junk")
