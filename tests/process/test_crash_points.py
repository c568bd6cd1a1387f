"""The crash model: whatever call dies or fails, and whenever the power goes, nothing that was promised is lost."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from spoolfarm import files
from spoolfarm.config import Settings
from spoolfarm.entry import Claim
from spoolfarm.errors import SpoolUnavailable
from spoolfarm.farm import Farm
from spoolfarm.job import Job, Result, State
from spoolfarm.lease import Lease
from spoolfarm.queue import Bucket, bucket
from spoolfarm.results import Results
from spoolfarm.spool import Spool
from tests.crash import (
    ERRORS,
    Child,
    Recorder,
    Scenario,
    Tally,
    Tree,
    after_power_cut,
    claims,
    enumerate_points,
    failed,
    fork,
    in_child,
    recorded,
    recover,
    run_down,
    standing,
    succeeded,
)


def new(*, durable: bool = True, size: int = 300) -> Job:
    return Job("echo", {"n": 1}, [b"x" * size], durable=durable)


@pytest.fixture(autouse=True)
def _no_real_fsync(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A process that dies loses no page, so only the calls count; the real power cut syncs for real."""
    if "power_is_really_cut" not in request.node.name:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)


# The operations.


def put(durable: bool) -> Scenario:
    def prepare(tree: Tree) -> None:
        job = new(durable=durable)
        tree.offered[job.id] = job

    def act(tree: Tree, child: Child) -> None:
        (job,) = tree.offered.values()
        _, error = child.attempt(lambda: tree.spool.put(job))
        if error is not None:
            child.expect(tree.spool.find(job.id) is None, f"I6: refused ({error}), but there")
            child.expect("nothing was queued" in str(error), f"I6: refused with {error!r}")
            child.attempt(lambda: tree.spool.put(job))
        child.say(f"ack {job.id}")

    return Scenario(f"put, durable={durable}", prepare, act)


def put_with_key() -> Scenario:
    """What comes twice with one Idempotency-Key is one job, wherever the first try ended."""

    def farm(tree: Tree) -> Farm:
        settings = Settings(spool_dir=tree.spool.root, results_dir=tree.spool.results.root, min_free_mb=0)
        return Farm(settings=settings)

    def act(tree: Tree, child: Child) -> None:
        one = farm(tree)
        _, error = child.attempt(lambda: one.put(new(), key="k"))
        if error is not None:
            one.put(new(), key="k")

    def check(tree: Tree, said: list[str]) -> list[str]:
        again = farm(tree)
        first = again.put(new(), key="k").id
        second = again.put(new(), key="k").id
        there = {job_id for job_id, _ in tree.job_files()}
        tree.promised = dict.fromkeys(there, new())
        return [] if {first, second} == there else [f"one key made the jobs {there}, answers {first} and {second}"]

    return Scenario("put with a key", lambda tree: None, act, check=check)


def start() -> Scenario:
    """The first start on empty directories."""

    def prepare(tree: Tree) -> None:
        for folder, names, _ in os.walk(tree.path, topdown=False):
            for name in names:
                os.rmdir(f"{folder}/{name}")
        job = new()
        tree.offered[job.id] = job

    def act(tree: Tree, child: Child) -> None:
        _, error = child.attempt(tree.open)
        if error is not None:
            tree.open()
        (job,) = tree.offered.values()
        tree.spool.put(job)
        child.say(f"ack {job.id}")

    return Scenario("first start", prepare, act)


def claim(jobs: int = 1) -> Scenario:
    """A new worker's first claim, of one job or of a batch."""

    def act(tree: Tree, child: Child) -> None:
        lease, error = child.attempt(tree.lease)
        if error is not None:
            lease = tree.lease()
        cursor = tree.spool.cursor(["echo"])
        held: list[Claim] = []
        for _ in range(jobs + 4):
            batch, error = child.attempt(lambda: tree.spool.claim(lease, cursor, lambda task: jobs))
            held += batch or []
            there = sorted(os.listdir(lease.active))
            child.expect(
                there == sorted(os.path.basename(each.path) for each in held),
                f"I2: after {error!r} the worker has {there}, but knows of {len(held)}",
            )
        child.expect(len(held) == jobs, f"I2: {len(held)} of {jobs} jobs were claimed")
        child.expect(all(each.job.attempts == 1 for each in held), "I4: a failed claim was counted")
        with child.armed():
            lease.drop_suspects()

    def prepare(tree: Tree) -> None:
        tree.put(*(new(size=10 + number) for number in range(jobs)))

    return Scenario(f"claim of {jobs}", prepare, act)


def claim_damaged() -> Scenario:
    """A claim that meets a damaged file first."""

    def prepare(tree: Tree) -> None:
        bad, good = new(), new()
        tree.put(bad, good)
        tree.spoil(bad)

    def act(tree: Tree, child: Child) -> None:
        lease = tree.lease()
        cursor = tree.spool.cursor(["echo"])
        held: list[Claim] = []
        for _ in range(4):
            batch, error = child.attempt(lambda: tree.spool.claim(lease, cursor, lambda task: 2))
            held += batch or []
            there = sorted(os.listdir(lease.active))
            child.expect(
                there == sorted(os.path.basename(each.path) for each in held),
                f"I2: after {error!r} the worker has {there}, but knows of {len(held)}",
            )
        child.expect(len(held) == 1, "I7: the good job was not claimed")

    return Scenario("claim of a damaged job", prepare, act, ends=("failed", "succeeded"))


def finish(durable: bool, *, fails: bool = False, late: bool = False) -> Scenario:
    """The end of a job. *late*: there is a result already."""
    name = "finish" + (", durable" if durable else "") + (", failed" if fails else "") + (", late" if late else "")

    def act(tree: Tree, child: Child) -> None:
        lease = tree.lease()
        (one,) = tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 1)
        if late:
            tree.spool.results.publish(succeeded(one, "first"), sync=durable)
        result = failed(one) if fails else succeeded(one, "second")
        _, error = child.attempt(lambda: tree.spool.finish(one, result))
        if error is not None:
            tree.spool.finish(one, result)
        child.say("done")

    def check(tree: Tree, said: list[str]) -> list[str]:
        (job_id,) = tree.promised
        record = tree.spool.results.get(job_id)
        found = ["I3: finish returned, but there is no result"] if "done" in said and record is None else []
        if late and (record is None or record.get("result") != "first"):
            found.append(f"I3: the first result was replaced by {record}")
        if fails and durable and "done" in said and job_id not in tree.spool.dead.ids():
            found.append("I4: no dead letter")
        return found

    ends = ("failed", "succeeded") if fails else ("succeeded",)
    return Scenario(name, lambda tree: tree.put(new(durable=durable)), act, ends, check)


def reclaim(case: str, ends: tuple[str, ...], *, durable: bool = True) -> Scenario:
    """What becomes of a dead worker's job, next to one that is simply given back."""
    job, other = new(durable=durable), new()

    def prepare(tree: Tree) -> None:
        attempts = tree.spool.max_attempts if case in ("give up", "damaged") else 1
        wid = tree.orphan(job, attempts)
        tree.orphan(other, 1, wid)
        path = f"{tree.spool.active}/{wid}/{job.id}.a{attempts}"
        if case == "ended":
            tree.spool.results.publish(succeeded(Claim(job, path, 0.0), "first"), sync=False)
        if case == "failed":
            tree.spool.results.publish(failed(Claim(job, path, 0.0)), sync=False)
        if case == "cancelled":
            files.write_atomic(f"{tree.spool.marks}/{job.id}", b"")
        if case == "damaged":
            os.truncate(path, 20)
            tree.damaged.add(job.id)

    def act(tree: Tree, child: Child) -> None:
        _, error = child.attempt(tree.spool.reclaim)
        if error is not None:
            child.attempt(tree.spool.reclaim)

    def check(tree: Tree, said: list[str]) -> list[str]:
        record = tree.spool.results.get(job.id)
        status = "queued" if record is None else record["status"]
        wanted = {"give back": "queued", "ended": "succeeded", "cancelled": "cancelled"}.get(case, "failed")
        found = [] if status == wanted else [f"I2: the job is {status}, not {wanted}"]
        if wanted == "failed" and job.id not in tree.spool.dead.ids():
            found.append("I4: no dead letter")
        if os.path.exists(f"{tree.spool.marks}/{job.id}"):
            found.append("the mark is left")
        return found

    return Scenario(f"reclaim, {case}", prepare, act, ends, check)


def cancel(*, damaged: bool = False) -> Scenario:
    """Cancelling a queued job."""

    def prepare(tree: Tree) -> None:
        job = new()
        tree.put(job)
        if damaged:
            tree.spoil(job)

    def act(tree: Tree, child: Child) -> None:
        (job_id,) = tree.promised
        done, error = child.attempt(lambda: tree.spool.cancel(job_id))
        if error is not None:
            tree.spool.cancel(job_id)
        elif done:
            child.say("cancelled")

    def check(tree: Tree, said: list[str]) -> list[str]:
        (job_id,) = tree.promised
        record = tree.spool.results.get(job_id)
        if "cancelled" in said and (record is None or record["status"] != "cancelled"):
            return [f"the job was cancelled, and is {record}"]
        return []

    ends = ("cancelled", "failed" if damaged else "succeeded")
    return Scenario("cancel" + (", damaged" if damaged else ""), prepare, act, ends, check)


def cancel_running() -> Scenario:
    """Cancelling a job that runs, and whose worker then dies."""

    def act(tree: Tree, child: Child) -> None:
        (job_id,) = tree.promised
        lease = tree.lease()
        tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 1)
        _, error = child.attempt(lambda: tree.spool.cancel(job_id))
        if error is not None:
            tree.spool.cancel(job_id)
        child.say("cancelled")

    def check(tree: Tree, said: list[str]) -> list[str]:
        (job_id,) = tree.promised
        ended = tree.spool.results.exists(job_id)
        return [] if ended or "cancelled" not in said else ["the mark was lost"]

    return Scenario("cancel, running", lambda tree: tree.put(new()), act, ("cancelled", "succeeded"), check)


def retry() -> Scenario:
    """A dead letter is queued again."""

    def prepare(tree: Tree) -> None:
        job = new()
        tree.orphan(job, tree.spool.max_attempts)
        tree.spool.reclaim()
        assert tree.spool.dead.ids() == [job.id]

    def act(tree: Tree, child: Child) -> None:
        (job_id,) = tree.promised
        _, error = child.attempt(lambda: tree.spool.retry(job_id))
        if error is not None and f"{job_id}.a0" not in [path.rpartition("/")[2] for _, path in tree.job_files()]:
            tree.spool.retry(job_id)
        child.say("queued")

    def check(tree: Tree, said: list[str]) -> list[str]:
        (job_id,) = tree.promised
        entry = tree.spool.find(job_id)
        state = entry and entry.state
        return [] if "queued" not in said or state is State.QUEUED else [f"the job is {state}"]

    return Scenario("retry", prepare, act, ("succeeded", "failed"), check)


def sweep() -> Scenario:
    """What a retry has left that was cut after its rename is swept."""

    def prepare(tree: Tree) -> None:
        job = new()
        tree.orphan(job, tree.spool.max_attempts)
        tree.spool.reclaim()
        letter = tree.spool.dead.path(job.id)
        place = bucket(tree.spool.queue, job.task, job.priority, job.id).path
        files.make_directory(place)
        os.rename(f"{letter}/{job.id}.a{tree.spool.max_attempts}", f"{place}/{job.id}.a0")
        tree.spool.results.remove(job.id)
        os.utime(letter, (0, 0))

    def act(tree: Tree, child: Child) -> None:
        _, error = child.attempt(tree.spool.tidy)
        child.say("swept" if error is None else "failed")

    def check(tree: Tree, said: list[str]) -> list[str]:
        (job_id,) = tree.promised
        entry = tree.spool.find(job_id)
        return [] if entry and entry.state is State.QUEUED else [f"the job is {entry and entry.state}"]

    return Scenario("sweep", prepare, act, ("succeeded",), check)


SCENARIOS = [
    put(True),
    put(False),
    put_with_key(),
    start(),
    claim(),
    claim(3),
    claim_damaged(),
    finish(True),
    finish(False),
    finish(True, fails=True),
    finish(True, late=True),
    reclaim("give back", ("succeeded",)),
    reclaim("give up", ("failed", "succeeded")),
    reclaim("ended", ("succeeded",)),
    reclaim("failed", ("failed", "succeeded")),
    reclaim("cancelled", ("cancelled", "succeeded")),
    reclaim("damaged", ("failed", "succeeded")),
    cancel(),
    cancel(damaged=True),
    cancel_running(),
    retry(),
    sweep(),
]


def sound(tally: Tally) -> bool:
    """Whether an enumeration found nothing; prints what it found."""
    for violation in tally.violations:
        print(violation)  # noqa: T201  # pytest shows it when the test fails
    return not tally.violations


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """Where the trees go: in memory where that is possible, because there are thousands of them."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="spoolfarm-test-", dir="/dev/shm") as path:
        yield Path(path)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_crash_and_no_failing_call_loses_or_tears_anything(scenario: Scenario, base: Path) -> None:
    tally = enumerate_points(scenario, base)
    assert len(tally.calls) >= 3
    assert tally.points >= len(tally.calls) * (1 + len(ERRORS))
    assert sound(tally)


def test_a_job_that_kills_its_worker_every_time_ends_as_a_dead_letter_with_a_reason(base: Path) -> None:
    tree = Tree(base / "tree")
    job = new()
    tree.put(job)

    def die(child: Child) -> None:
        lease = tree.lease()
        (one,) = tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 1)
        child.say(f"claimed {one.job.attempts}")
        os.kill(os.getpid(), signal.SIGKILL)

    for attempt in range(1, tree.spool.max_attempts + 1):
        said, status = in_child(tree, die)
        assert (said[0], status) == (f"claimed {attempt}", -signal.SIGKILL)
        (wid,) = tree.spool.running()
        assert tree.spool.reclaim({wid: f"bang {attempt}"}) == 1
    reason = json.loads(Path(tree.spool.dead.path(job.id), "reason.json").read_text())
    assert (reason["attempts"], reason["code"]) == (3, "worker_died")
    assert "bang 3" in reason["error"]
    assert [line["log"] for line in reason["log"]] == ["attempt 1 ended: bang 1", "attempt 2 ended: bang 2"]
    assert tree.spool.results.wait(job.id, 0) == {key: value for key, value in reason.items() if key != "log"}
    assert sound(Tally(violations=standing(tree)))


# The same, with the mistakes that this suite is there to find.


def in_place(spool: Spool, job: Job) -> None:
    """Writes where readers look."""
    place = bucket(spool.queue, job.task, job.priority, job.id)
    files.make_directory(place.path)
    try:
        files.write_new(f"{place.path}/{job.id}.a0", job.to_buffers(), sync=job.durable)
        files.sync_directory(place.path)
    except OSError as error:
        raise SpoolUnavailable(f"nothing was queued: {error}") from error


def replacing(temporary: str, path: str) -> bool:
    """Publishes by rename."""
    os.rename(temporary, path)
    return True


def too_early(spool: Spool, claim: Claim, result: Result) -> None:
    """Lets go of the job before its result is visible."""
    files.remove(claim.path)
    spool.results.publish(result, sync=claim.job.durable)


def uncounted(spool: Spool, lease: Lease, place: Bucket, name: str) -> Claim | None:
    """Claims without counting the attempt."""
    path = f"{lease.active}/{name}"
    os.rename(f"{place.path}/{name}", path)
    return Claim(Job.from_bytes(files.read(path), 1), path, 0.0)


def claim_and_die(tree: Tree) -> None:
    """Claim the next job, and let go of it."""
    assert tree.spool.claim(tree.lease(), tree.spool.cursor(["echo"]), lambda task: 1)


def test_writing_in_place_is_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spool, "put", in_place)
    assert any("I5" in each and "torn" in each for each in enumerate_points(put(True), base, ["half"]).violations)


def test_publishing_by_rename_is_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "publish", replacing)
    violations = enumerate_points(finish(True, late=True), base, ["kill"]).violations
    assert any("the first result was replaced" in each for each in violations)


def test_removing_the_job_before_its_result_is_published_is_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spool, "finish", too_early)
    assert any("is lost" in each for each in enumerate_points(finish(True), base, ["kill"]).violations)


def test_writing_results_in_place_is_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def publish(results: Results, result: Result, *, sync: bool) -> bool:
        files.write_new(f"{results.root}/{result.id}.json", [result.to_bytes()], sync=sync)
        return True

    monkeypatch.setattr(Results, "publish", publish)
    assert any("I5" in each and "torn" in each for each in enumerate_points(finish(True), base, ["half"]).violations)


def test_a_claim_that_does_not_count_is_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(base / "tree")
    tree.put(new())
    monkeypatch.setattr(Spool, "_claim", uncounted)
    for _ in range(tree.spool.max_attempts):
        in_child(tree, lambda child: claim_and_die(tree))
        tree.spool.reclaim()
    assert not tree.spool.dead.ids()  # which the test above asserts of the sound spool


# Power cuts, computed.


def life(tree: Tree, recorder: Recorder) -> dict[str, Job]:
    """Two promised jobs and one that is not, put, claimed together and finished."""
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
    script: Callable[[Tree, Recorder], dict[str, Job]], journal: bool, base: Path
) -> None:
    tally = cut(base, script, journal=journal)
    assert tally.points > 10
    assert sound(tally)


def unsynced_files(patch: pytest.MonkeyPatch) -> None:
    write = files.write_new
    patch.setattr(files, "write_new", lambda path, buffers, *, sync=False, **more: write(path, buffers, **more))


def unsynced_buckets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Spool, "_sync", lambda spool, place: None)


def unsynced_parents(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(files, "make_directory", lambda path: os.makedirs(path, exist_ok=True))
    patch.setattr(Spool, "_sync", lambda spool, place: files.sync_directory(place.path))


def unsynced_results(patch: pytest.MonkeyPatch) -> None:
    publish = Results.publish
    patch.setattr(Results, "publish", lambda results, result, *, sync: publish(results, result, sync=False))


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
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(monkeypatch)
    assert any(sign in violation for violation in cut(base, script, journal=False, enough=sign).violations)


# Power cuts, real: an ext4 in an image file, whose kernel is told to forget what it has not written (xfstests' way).


class Disk:
    """A small ext4 of its own. Skips the test where it cannot be mounted."""

    def __init__(self, path: Path) -> None:
        self._image, self.root = path / "image", path / "disk"
        self.root.mkdir()
        with open(self._image, "wb") as image:
            image.truncate(24 * 2**20)
        self._mounted = False
        if os.geteuid() != 0:
            pytest.skip("only root can mount")
        try:
            self._run("mkfs.ext4", "-q", "-F", str(self._image))
            self.mount()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"cannot mount an image here: {error}")

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    def mount(self) -> None:
        self._run("mount", "-o", "loop,commit=1", str(self._image), str(self.root))
        self._mounted = True

    def cut(self) -> None:
        """The moment the power goes: FS_IOC_GOINGDOWN without a flush of the log."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """The moment it is back."""
        self.unmount()
        self.mount()

    def unmount(self) -> None:
        if self._mounted:
            self._run("umount", str(self.root))
            self._mounted = False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.unmount()


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


def test_when_the_power_is_really_cut_right_after_a_promise_nothing_is_lost(disk: Disk) -> None:
    assert sound(Tally(violations=cut_right_after_the_last_promise(disk)))


@pytest.mark.parametrize(("mistake", "sign"), [(unsynced_files, "torn"), (unsynced_buckets, "is lost")])
def test_when_the_power_is_really_cut_a_sync_left_out_is_found(
    disk: Disk, mistake: Callable[[pytest.MonkeyPatch], None], sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    assert any(sign in violation for violation in cut_right_after_the_last_promise(disk))
