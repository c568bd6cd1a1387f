"""The crash model: whenever the power goes, nothing that was promised is lost."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.buckets import SyncedBuckets
from spoolfarm.spool.job import Job
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from tests.support import mounts
from tests.support.crash_points import Tally, new, sound, too_early
from tests.support.power_cuts import Recorder, after_power_cut, recorded
from tests.support.running_farm import until
from tests.support.spool_tree import Elsewhere, Tree, claims, failed, fork, recover, run_down, succeeded


@pytest.fixture(autouse=True)
def _no_real_fsync(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A process that dies loses no page, so only the calls count; the real power cut syncs for real."""
    if "power_is_really_cut" not in request.node.name:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)


# Computed.


def life(tree: Tree, recorder: Recorder) -> dict[str, Job]:
    """Two promised jobs and one that is not, put, claimed together and finished; the promised ones are kept."""
    tree.keep()
    jobs = [new(), new(durable=False), new()]
    for job in jobs:
        tree.spool.put(job)
        if job.durable:
            recorder.say(f"ack {job.id}")
    lease = tree.lease()
    for one in claims(lambda: tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 3)):
        tree.spool.finish(one, succeeded(one, "done"))
        if one.job.durable:
            recorder.say(f"done {one.job.id}")
    lease.end()
    return {job.id: job for job in jobs}


def failure(tree: Tree, recorder: Recorder) -> dict[str, Job]:
    """A promised job that fails and becomes a dead letter, is queued again, and then is cancelled."""
    job = new()
    tree.spool.put(job)
    recorder.say(f"ack {job.id}")
    lease = tree.lease()
    (one,) = tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 1)
    tree.spool.finish(one, failed(one))
    lease.end()
    tree.spool.retry(job.id)
    recorder.say(f"retried {job.id}")
    tree.spool.cancel(job.id)
    recorder.say(f"done {job.id}")
    return {job.id: job}


def deaths(tree: Tree, recorder: Recorder) -> dict[str, Job]:
    """A promised job whose worker dies, every time."""
    job = new()
    tree.spool.put(job)
    recorder.say(f"ack {job.id}")
    for _ in range(tree.spool.max_attempts):
        lease = tree.lease()
        tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 1)
        lease.drop_suspects()
        lease.drop()
        tree.spool.reclaim()
    recorder.say(f"done {job.id}")
    return {job.id: job}


def drained(tree: Tree, recorder: Recorder) -> dict[str, Job]:
    """A promised job that a worker takes, and whose empty bucket goes, before its put has synced it."""
    job = replace(new(), id=f"{time.time_ns() - 60 * 10**9:016x}{1:08x}")
    sync = files.sync_directory

    def late(path: str) -> None:
        if path.startswith(f"{tree.spool.queue}/echo/"):
            lease = tree.lease()
            cursor = tree.spool.cursor(["echo"])
            assert tree.spool.claim(lease, cursor, lambda task: 1)
            while os.path.exists(path):
                cursor.next()
        sync(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "sync_directory", late)
        tree.spool.put(job)
    recorder.say(f"ack {job.id}")
    return {job.id: job}


def cut(base: Path, script: Callable[[Tree, Recorder], dict[str, Job]], *, journal: bool, enough: str = "") -> Tally:
    """Run *script*, and cut the power at every moment of it; a violation that says *enough* is enough."""
    tree = Tree(base / "script")
    with recorded(tree.path) as recorder:
        jobs = script(tree, recorder)
    (base / "after").mkdir()
    return after_power_cut(recorder, base / "after", jobs, journal=journal, enough=enough)


SCRIPTS = [life, failure, deaths, drained]


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "any order"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_no_power_cut_loses_what_was_promised(
    script: Callable[[Tree, Recorder], dict[str, Job]], journal: bool, tmp_path: Path
) -> None:
    tally = cut(tmp_path, script, journal=journal)
    assert tally.points > 10
    assert sound(tally)


def unsynced_files(patch: pytest.MonkeyPatch) -> None:
    write = files.write_new
    patch.setattr(files, "write_new", lambda path, buffers, *, sync=False, **more: write(path, buffers, **more))


def unsynced_buckets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SyncedBuckets, "sync", lambda buckets, place: None)


def unsynced_parents(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(files, "make_directory", lambda path: os.makedirs(path, exist_ok=True))
    patch.setattr(SyncedBuckets, "sync", lambda buckets, place: files.sync_directory(place.path))


def unsynced_results(patch: pytest.MonkeyPatch) -> None:
    show = Results.show
    patch.setattr(Results, "show", lambda results, result, *, sync: show(results, result, sync=False))
    patch.setattr(Results, "sync_names", lambda results: None)


def early_removal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Spool, "finish", too_early)


def unsynced_reasons(patch: pytest.MonkeyPatch) -> None:
    write = files.write_atomic
    patch.setattr(files, "write_atomic", lambda path, data, *, sync=False: write(path, data))


def unsynced_forgetting(patch: pytest.MonkeyPatch) -> None:
    sync, retry = files.sync_directory, Spool.retry

    def careless(spool: Spool, job_id: str) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(files, "sync_directory", lambda path: None if path == spool.results.root else sync(path))
            retry(spool, job_id)

    patch.setattr(Spool, "retry", careless)


@pytest.mark.parametrize(
    ("mistake", "script", "sign"),
    [
        (unsynced_files, life, "torn"),
        (unsynced_buckets, life, "is lost"),
        (unsynced_parents, life, "is lost"),
        (unsynced_results, life, "is lost"),
        (early_removal, life, "is lost"),
        (unsynced_reasons, failure, "torn"),
        (unsynced_forgetting, failure, "the retry of"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_sync_left_out_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None],
    script: Callable[[Tree, Recorder], dict[str, Job]],
    sign: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(monkeypatch)
    assert any(sign in violation for violation in cut(tmp_path, script, journal=False, enough=sign).violations)


# Real: an ext4 in an image file, whose kernel is told to forget what it has not written (xfstests' way).


class Disk:
    """A small ext4 of its own. Skips the test where it cannot be mounted."""

    def __init__(self, path: Path) -> None:
        self.image, self.root = path / "image", path / "disk"
        self.root.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(24 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True, capture_output=True)
        try:
            self.mount()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"cannot mount an image here: {error.stderr!r}")

    def mount(self) -> None:
        mounts.mount("-o", "loop,commit=1", str(self.image), str(self.root))

    def drop(self) -> None:
        """Let the kernel unmount it as soon as nobody has a file of it open, as a test that failed may have."""
        mounts.unmount(self.root, "--lazy")

    def cut(self) -> None:
        """The moment the power goes: FS_IOC_GOINGDOWN without a flush of the log."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """The moment it is back."""
        mounts.unmount(self.root)
        self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.drop()


@pytest.mark.needs("root", "mkfs.ext4")
def test_the_disk_goes_with_the_process_that_mounted_it_even_when_that_is_killed(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()

    other = tmp_path / "another/image"

    def backs(image: Path) -> bool:
        """Whether *image* is that of a loop device, which has its path from outside of a changed root."""
        said = [path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
        return any(each.endswith(str(image)) for each in said)

    with Elsewhere(lambda: Disk(tmp_path / "another")):
        assert backs(disk.image)
        assert backs(other)
        assert not (tmp_path / "another/disk/lost+found").exists(), "others see it"
    until(lambda: not backs(other))
    assert backs(disk.image)


@contextmanager
def forked(act: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """A child that does *act* with a descriptor to write to; gives its process id and the descriptor to read from."""
    reader, writer = os.pipe()
    pid = fork(lambda: act(writer))
    os.close(writer)
    try:
        yield pid, reader
    finally:
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        os.waitpid(pid, 0)
        os.close(reader)


def lines(reader: int) -> list[str]:
    """All that is left to read once the writer is gone."""
    data = b""
    while more := os.read(reader, 65536):
        data += more
    return data.decode().splitlines()


def work(tree: Tree, writer: int) -> None:
    """Be a worker until the disk is gone."""
    lease = tree.lease()
    cursor = tree.spool.cursor(["echo"])
    while True:
        for one in tree.spool.claim(lease, cursor, lambda task: 2):
            tree.spool.finish(one, succeeded(one, "done"))
            os.write(writer, f"{one.job.id}\n".encode())


def submit(tree: Tree, writer: int, count: int) -> None:
    """Put *count* jobs, and tell of each."""
    for number in range(count):
        job = new(size=number * 500)
        tree.spool.put(job)
        os.write(writer, f"{job.id}\n".encode())


def after(tree: Tree, promised: list[str], done: list[str]) -> list[str]:
    """What is wrong after the restart."""
    tree.promised = dict.fromkeys(promised, new())
    found = recover(tree)
    found += [f"I1: the result of {job_id} is lost" for job_id in done if tree.spool.results.get(job_id) is None]
    return found + run_down(tree, ("succeeded",))


@pytest.mark.needs("root", "mkfs.ext4")
def test_when_the_power_is_really_cut_while_jobs_come_and_go_nothing_is_lost(disk: Disk) -> None:
    chance = random.Random(6)
    total = 0
    for round_ in range(12):
        tree = Tree(disk.root / str(round_))
        with (
            forked(lambda writer, tree=tree: submit(tree, writer, 10_000)) as (submitter, acks),  # type: ignore[misc]
            forked(lambda writer, tree=tree: work(tree, writer)) as (worker, ends),  # type: ignore[misc]
        ):
            promised = os.read(acks, 25).decode().split()
            for _ in range(chance.randrange(5, 60)):
                promised += os.read(acks, 25).decode().split()
            disk.cut()
            for pid in (submitter, worker):
                os.kill(pid, signal.SIGKILL)
            promised += lines(acks)
            done = lines(ends)
        disk.restart()
        found = after(tree, promised, done)
        assert sound(Tally(violations=found)), round_
        total += len(promised)
    assert total > 150


def cut_right_after_the_last_promise(disk: Disk) -> list[str]:
    tree = Tree(disk.root / "tree")
    with forked(lambda writer: submit(tree, writer, 8)) as (_, acks):
        promised = lines(acks)
        disk.cut()
    assert len(promised) == 8
    disk.restart()
    return after(tree, promised, [])


@pytest.mark.needs("root", "mkfs.ext4")
def test_when_the_power_is_really_cut_right_after_a_promise_nothing_is_lost(disk: Disk) -> None:
    assert sound(Tally(violations=cut_right_after_the_last_promise(disk)))


@pytest.mark.needs("root", "mkfs.ext4")
@pytest.mark.parametrize(("mistake", "sign"), [(unsynced_files, "torn"), (unsynced_buckets, "is lost")])
def test_when_the_power_is_really_cut_a_sync_left_out_is_found(
    disk: Disk, mistake: Callable[[pytest.MonkeyPatch], None], sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    assert any(sign in violation for violation in cut_right_after_the_last_promise(disk))
