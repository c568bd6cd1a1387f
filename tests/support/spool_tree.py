"""A spool with its jobs in a directory of its own, who works on it, and what must never be found in it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.buckets import bucket
from spoolfarm.spool.job import DamagedJob, Job, Result, State
from spoolfarm.spool.jobfile import NAME, Claim
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from spoolfarm.system import process

#: The locks in workers/ that stay.
LOCKS = ("suspects.lock", "cancel.lock", "retry.lock")
#: Where a job's file stays when the job has ended.
KEPT = re.compile(r"/(dead|done)/")


class Tree:
    """A spool with its results below one directory, and the jobs that the test put there."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        #: Jobs that the spool has taken, by id: none may ever be lost.
        self.promised: dict[str, Job] = {}
        #: Jobs that the operation under test puts: promised once the child says "ack <id>".
        self.offered: dict[str, Job] = {}
        #: Files that are damaged on purpose, by id.
        self.damaged: set[str] = set()
        #: MiB of ended jobs that its spool keeps.
        self.keep_mb = 0
        if make:
            self.open()

    def open(self) -> Spool:
        """The spool as a process that starts now would see it."""
        self.spool = Spool(str(self.path / "spool"), Results(str(self.path / "results")), keep_mb=self.keep_mb)
        return self.spool

    def keep(self) -> None:
        """Have the spool keep jobs that end well."""
        self.keep_mb = 1
        self.open()

    def put(self, *jobs: Job) -> None:
        """Queue *jobs* before the operation under test begins."""
        for job in jobs:
            self.spool.put(job)
            self.promised[job.id] = job

    def orphan(self, job: Job, attempts: int = 1, wid: str = "") -> str:
        """Leave *job* with a worker that is dead after so many *attempts*; return the worker's id."""
        wid = wid or new_worker_id()
        self.put(job)
        files.make_directory(f"{self.spool.active}/{wid}")
        Path(f"{self.spool.workers}/{wid}.lock").touch()
        place = bucket(self.spool.queue, job.task, job.priority, job.id).path
        os.rename(f"{place}/{job.id}.a0", f"{self.spool.active}/{wid}/{job.id}.a{attempts}")
        return wid

    def spoil(self, job: Job) -> None:
        """Cut the queued *job*'s file short."""
        place = bucket(self.spool.queue, job.task, job.priority, job.id).path
        os.truncate(f"{place}/{job.id}.a0", 20)
        self.damaged.add(job.id)

    def lease(self) -> Lease:
        """A lease of this process."""
        return Lease.take(self.spool.workers, self.spool.active, new_worker_id())

    def job_files(self) -> list[tuple[str, str]]:
        """Every visible job file: its id and its path, tmp/ left out."""
        found = []
        for top in ("queue", "active", "cancel", "dead", "done"):
            paths = [(os.path.basename(path), path) for path in paths_below(f"{self.spool.root}/{top}")]
            found += [(name[:24], path) for name, path in paths if NAME.fullmatch(name)]
        return found

    def drive(self) -> None:
        """Run every queued job to its end, as a worker would."""
        lease = self.lease()
        cursor = self.spool.cursor(sorted(os.listdir(self.spool.queue)))
        for claim in claims(lambda: self.spool.claim(lease, cursor, lambda task: 2)):
            self.spool.finish(claim, succeeded(claim, "driven"))
            lease.drop_suspects()
        lease.end()


def paths_below(top: str) -> Iterator[str]:
    """Every file below *top*, if that is there: in half the time of os.walk, for thousands of trees."""
    folders = [top]
    while folders:
        with suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry.path


def claims(claim: Callable[[], list[Claim]]) -> Iterator[Claim]:
    """All that *claim* gives until it gives nothing twice: the first time, the cursor may only have been at its end."""
    empty = 0
    while empty < 2:
        batch = claim()
        empty = 0 if batch else empty + 1
        yield from batch


def succeeded(claim: Claim, value: Any) -> Result:
    """A result that says *value*."""
    job = claim.job
    return Result(job.id, job.task, State.SUCCEEDED, job.attempts, job.created, claim.started, time.time(), value)


def failed(claim: Claim, error: str = "no luck", code: str = "task_error") -> Result:
    """The result of a job that failed."""
    job = claim.job
    return Result(
        job.id, job.task, State.FAILED, job.attempts, job.created, claim.started, time.time(), None, error, code
    )


def fork(act: Callable[[], object]) -> int:
    """A child of this process that does *act* and ends, with status 0 when *act* returned; its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            process.die_with_parent(parent)
            act()
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid: int) -> int:
    """Wait for a child; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Elsewhere:
    """Another process that does *act*, and then lives until it is killed."""

    def __init__(self, act: Callable[[], Any]) -> None:
        reader, writer = os.pipe()

        def live() -> None:
            kept = act()
            os.write(writer, b"!" if kept is not False else b"?")
            signal.pause()

        self._pid: int | None = fork(live)
        os.close(writer)
        self._said = os.read(reader, 1)
        os.close(reader)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self._said == b"!"


# What must never be.


def examine(tree: Tree) -> list[str]:
    """What a reader would see of files that are not whole."""
    found = []
    for job_id, path in tree.job_files():
        if job_id in tree.damaged:
            continue
        try:
            if Job.from_bytes(files.read(path)).id != job_id:
                found.append(f"I5: {path} holds another job")
        except DamagedJob as error:
            found.append(f"I5: {path} is torn: {error}")
    for path in paths_below(str(tree.path)):
        if path.endswith(".json"):
            try:
                if not isinstance(json.loads(files.read(path)), dict):
                    found.append(f"I5: {path} is no object")
            except ValueError as error:
                found.append(f"I5: {path} is torn: {error}")
    for job_id in tree.promised:
        try:
            tree.spool.results.read_log(job_id)
        except ValueError as error:
            found.append(f"I5: the log of {job_id} cannot be read: {error}")
    return found


def recover(tree: Tree, *, strict: bool = True) -> list[str]:
    """Do what the farm does after a crash, then look whether all is as it must be. *strict*: see `standing`."""
    tree.open()
    found = []
    try:
        tree.spool.reclaim()
    except Exception as error:  # noqa: BLE001  # whatever it raises is what the test looks for
        found.append(f"I2: reclaim raised {error!r}")
    return found + standing(tree, strict=strict)


def standing(tree: Tree, *, strict: bool = True) -> list[str]:
    """Where the jobs are, held against the invariants; *strict* forbids an ended job that is still queued.

    A power cut that takes a rename of the spool back, but leaves the result, leaves such a job: it runs once more, and
    its first result stays. That is at-least-once, no loss.
    """
    found = examine(tree)
    spool = tree.spool
    where: dict[str, list[str]] = {}
    for job_id, path in tree.job_files():
        where.setdefault(job_id, []).append(path.removeprefix(f"{spool.root}/"))
    for job_id, paths in where.items():
        if len(paths) > 1:
            found.append(f"I3: {job_id} is in several places: {paths}")
        top, *_, name = paths[0].split("/")
        if top in ("active", "cancel"):
            found.append(f"I2: {paths[0]} belongs to nobody")
        if top == "queue" and strict and spool.results.exists(job_id):
            found.append(f"I3: {paths[0]} has ended and is queued")
        if top == "dead" and not os.path.exists(f"{spool.root}/dead/{job_id}/reason.json"):
            found.append(f"I4: {paths[0]} has no reason")
        if top == "done" and not spool.results.exists(job_id):
            found.append(f"I2: {paths[0]} is kept and has no result")
        if int(name.rpartition(".a")[2]) > spool.max_attempts:
            found.append(f"I4: {paths[0]} was claimed too often")
    for job_id in tree.promised:
        if spool.find(job_id) is None:
            found.append(f"I1: {job_id} is lost")
    return found


def put_again(tree: Tree) -> list[str]:
    """Put what was not acknowledged and is nowhere: no leftover may stand in its way."""
    for job_id, job in tree.offered.items():
        if tree.spool.find(job_id) is None:
            try:
                tree.spool.put(job)
            except SpoolUnavailable as error:
                return [f"I6: {job_id} cannot be put again: {error}"]
    tree.promised |= tree.offered
    return []


def run_down(tree: Tree, ends: Iterable[str]) -> list[str]:
    """Bring every promised job to its end; it has to be one of *ends*, and the result visible before has to stay."""
    before = {job_id: _bytes(tree, job_id) for job_id in tree.promised}
    for job_id, path in tree.job_files():
        if "/dead/" in path and job_id in tree.promised and not tree.spool.results.exists(job_id):
            tree.spool.retry(job_id)  # a retry that a crash cut short
    tree.drive()
    found = standing(tree)
    for job_id in tree.promised:
        record = tree.spool.results.get(job_id)
        if record is None:
            found.append(f"I1: {job_id} has no result in the end")
        elif record["status"] not in ends:
            found.append(f"I3: {job_id} ended {record['status']}, not {' or '.join(ends)}")
        if before[job_id] and before[job_id] != _bytes(tree, job_id):
            found.append(f"I3: the result of {job_id} was replaced")
    found += [f"I2: {name} is left in active/" for name in os.listdir(tree.spool.active)]
    found += [f"I2: {name} is left in workers/" for name in os.listdir(tree.spool.workers) if name not in LOCKS]
    found += [f"I3: {path} is left" for _, path in tree.job_files() if not KEPT.search(path)]
    return found


def _bytes(tree: Tree, job_id: str) -> bytes:
    try:
        return files.read(f"{tree.spool.results.root}/{job_id}.json")
    except FileNotFoundError:
        return b""
