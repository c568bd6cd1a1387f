"""The operations on a spool that may die or fail at any of their calls, by name."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from spoolfarm.spool import files
from spoolfarm.spool.buckets import bucket
from spoolfarm.spool.job import State
from spoolfarm.spool.jobfile import Claim
from tests.support.crash_points import Child, Scenario, enumerate_points, new
from tests.support.spool_tree import Tree, failed, succeeded


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

    def farm(tree: Tree) -> Any:
        from spoolfarm.config import Settings  # with which come pydantic and half a farm: the others fork without
        from spoolfarm.farm import Farm

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
            if not held:
                tree.spool.take_back(lease)  # as an idle worker does
            batch, error = child.attempt(lambda: tree.spool.claim(lease, cursor, lambda task: 2))
            held += batch or []
            there = sorted(os.listdir(lease.active))
            child.expect(
                error is not None or there == sorted(os.path.basename(each.path) for each in held),
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


def kept(scenario: Scenario) -> Scenario:
    """*scenario* on a spool that keeps the jobs that end well: afterwards the job is there, or is gone."""

    def prepare(tree: Tree) -> None:
        tree.keep()
        scenario.prepare(tree)

    return replace(scenario, name=f"{scenario.name}, kept", prepare=prepare)


#: Every operation, by its name.
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        put(True),
        put(False),
        put_with_key(),
        start(),
        claim(),
        claim(3),
        claim_damaged(),
        finish(True),
        kept(finish(True)),
        finish(False),
        finish(True, fails=True),
        finish(True, late=True),
        reclaim("give back", ("succeeded",)),
        reclaim("give up", ("failed", "succeeded")),
        kept(reclaim("ended", ("succeeded",))),
        reclaim("failed", ("failed", "succeeded")),
        reclaim("cancelled", ("cancelled", "succeeded")),
        reclaim("damaged", ("failed", "succeeded")),
        kept(cancel()),
        cancel(damaged=True),
        cancel_running(),
        retry(),
        sweep(),
    )
}


def enumerated(name: str, base: str) -> dict[str, Any]:
    """Everything that `enumerate_points` finds for the scenario of that name, on trees below *base*.

    For a process of its own, whose fsync it switches off: one that dies loses no page, so only the calls count.
    """
    os.fsync = lambda descriptor: None
    return asdict(enumerate_points(SCENARIOS[name], Path(base)))
