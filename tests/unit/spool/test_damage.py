"""Damage: whichever bit of a file is flipped, and wherever it is cut short, it costs at most the job that it is of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.errors import KeyConflict, UnknownJob
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import checksum, damage, lease
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from tests.support.damage import damages, spoil
from tests.support.spool_jobs import bury, new, place_of
from tests.support.spool_tree import Tree, claims, succeeded


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def farm(tree: Tree) -> Iterator[Farm]:
    made = Farm(tree.spool.root, tree.spool.results.root)
    yield made
    made.close()


def spoiled(step: int = 1) -> Iterator[tuple[Job, bytes]]:
    """One job after the other, each with its file damaged in the next way, or in every *step*-th."""
    for number in range(0, 9 * len(b"".join(new().to_buffers())), step):
        job = new(durable=number % 2 == 0)
        yield job, spoil(b"".join(job.to_buffers()), number)


def drive(tree: Tree) -> list[str]:
    """Run what is queued; the ids of the jobs that ran."""
    lease, ran = tree.lease(), []
    cursor = tree.spool.cursor(["echo"])
    for claim in claims(lambda: tree.spool.claim(lease, cursor, lambda task: 1)):
        ran.append(claim.job.id)
        tree.spool.finish(claim, succeeded(claim, 1))
    lease.end()
    return ran


def is_dead(tree: Tree, job: Job) -> None:
    """It has ended as a dead letter, whose reason names the file and says where it is kept."""
    record = tree.spool.results.get(job.id)
    assert record is not None
    assert (record["status"], record["code"]) == ("failed", "damaged")
    assert f"its file {job.id}.a1 is damaged" in record["error"]
    assert record["error"].endswith(f"it is kept in {tree.spool.dead.path(job.id)}")
    assert f"{job.id}.a1" in os.listdir(tree.spool.dead.path(job.id))


def test_a_queued_job_whose_file_is_damaged_is_a_dead_letter_and_the_others_run(tree: Tree) -> None:
    good, bad = new(1), []
    tree.put(good)
    for job, data in spoiled():
        tree.spool.put(job)
        Path(f"{place_of(tree.spool, job)}/{job.id}.a0").write_bytes(data)
        bad.append(job)
    assert drive(tree) == [good.id]
    for job in bad:
        is_dead(tree, job)
    assert len(bad) > 1000
    assert drive(tree) == []
    with pytest.raises(UnknownJob, match=f"cannot be run again: its file {bad[0].id}.a1 is damaged"):
        tree.spool.retry(bad[0].id)


def test_a_damaged_job_of_a_dead_worker_is_a_dead_letter_and_the_others_are_queued(tree: Tree) -> None:
    good, bad = new(1), []
    wid = tree.orphan(good)
    for job, data in spoiled(5):
        Path(f"{tree.spool.active}/{wid}/{job.id}.a1").write_bytes(data)
        bad.append(job)
    assert tree.spool.reclaim() == len(bad) + 1
    for job in bad:
        is_dead(tree, job)
    assert drive(tree) == [good.id]


def test_a_damaged_job_that_has_a_result_is_no_dead_letter(tree: Tree) -> None:
    job = new(1, durable=True)
    wid = tree.orphan(job)
    tree.spool.results.publish(succeeded(Claim(job, "", 0.0), "done"), sync=False)
    for _ in damages(f"{tree.spool.active}/{wid}/{job.id}.a1", step=999):
        tree.spool.reclaim()
        assert tree.job_files() == []
        tree.orphan(job, wid=wid)
    assert tree.spool.dead.ids() == []
    assert (tree.spool.results.get(job.id) or {})["result"] == "done"


def test_a_damaged_mark_cancels_its_job_all_the_same(tree: Tree) -> None:
    job = new(1)
    wid = tree.orphan(job)
    assert tree.spool.cancel(job.id, forget=True)
    for number, _ in enumerate(damages(f"{tree.spool.marks}/{job.id}")):
        assert tree.spool.marked(job.id)
        if number % 9 == 0:
            tree.spool.reclaim()
            assert (tree.spool.results.get(job.id) or {"status": "cancelled"})["status"] == "cancelled"
            assert not tree.spool.marked(job.id)
            tree.spool.results.remove(job.id)
            tree.orphan(job, wid=wid)
            assert tree.spool.cancel(job.id, forget=True)
    tree.spool.reclaim()
    assert tree.job_files() == []


def test_a_job_file_under_the_name_of_another_job_runs_for_neither(tree: Tree) -> None:
    job, other = new(1, durable=True), new(2)
    tree.put(job)
    here = place_of(tree.spool, job)
    os.rename(f"{here}/{job.id}.a0", f"{here}/{other.id}.a0")
    assert drive(tree) == []
    record = tree.spool.results.get(other.id)
    assert record is not None
    assert f"its file {other.id}.a1 is that of job {job.id}" in record["error"]
    assert tree.spool.results.get(job.id) is None


def test_a_job_in_the_queue_of_another_task_is_not_run_by_its_workers(tree: Tree) -> None:
    job, beside = Job("other", durable=True), new(1)
    tree.put(job, beside)
    os.rename(f"{place_of(tree.spool, job)}/{job.id}.a0", f"{place_of(tree.spool, beside)}/{job.id}.a0")
    assert drive(tree) == [beside.id]
    record = tree.spool.results.get(job.id)
    assert record is not None
    assert "is of task 'other', and lay in the queue of 'echo'" in record["error"]


def test_a_damaged_job_can_be_cancelled(tree: Tree) -> None:
    for job, data in spoiled(50):
        tree.spool.put(job)
        Path(f"{place_of(tree.spool, job)}/{job.id}.a0").write_bytes(data)
        assert tree.spool.cancel(job.id)
        assert (tree.spool.results.get(job.id) or {})["status"] == "cancelled"
    assert tree.job_files() == []


def test_a_damaged_result_is_told_as_such_or_as_it_was(tree: Tree, farm: Farm) -> None:
    job, beside = new(1, durable=True), new(2)
    for each in (job, beside):
        tree.spool.results.publish(succeeded(Claim(each, "", 0.0), "中文"), sync=False)
    whole = farm.record(job.id)
    path = f"{tree.spool.results.root}/{job.id}.json"
    named = 0
    for _ in damages(path):
        record = farm.record(job.id)
        if record["code" if "code" in record else "id"] == "damaged":
            assert record["status"] == "failed"
            assert f"its result {path} is damaged: " in record["error"]
            assert farm.wait_record(job.id, 5) == record
            named += 1
        else:  # it was the name of the checksum: the record is read as one of an earlier version, and is whole
            assert whole.items() <= record.items()
        assert {each["id"]: each["status"] for each in farm.jobs()} == {
            job.id: record["status"],
            beside.id: "succeeded",
        }
    assert named > 8 * len(json.dumps(whole))
    assert farm.remove_result(job.id)


def test_a_damaged_log_loses_lines_and_nothing_else(tree: Tree, farm: Farm) -> None:
    job = new(1)
    tree.put(job)
    for said in ({"log": "one"}, {"progress": 0.5}, {"log": "two"}):
        tree.spool.results.write_log(job.id, **said)
    for _ in damages(f"{tree.spool.results.root}/{job.id}.log"):
        lines = tree.spool.results.read_log(job.id)
        assert len(lines) <= 3
        for line in lines:
            assert isinstance(line["at"], float | int)
            assert isinstance(line.get("log", ""), str)
            assert isinstance(line.get("progress", 0), float | int)
        assert farm.record(job.id)["status"] == "queued"


def test_a_damaged_reason_is_named_and_its_letter_can_be_run_again(tree: Tree, farm: Farm) -> None:
    job = new(1, durable=True)
    tree.spool.put(job)
    bury(tree.spool, job)
    tree.spool.results.remove(job.id)  # it has expired
    assert farm.record(job.id)["error"] == "no luck"
    path = f"{tree.spool.dead.path(job.id)}/reason.json"
    named = 0
    for _ in damages(path, head=150):
        record = farm.record(job.id)
        assert record["status"] == "failed"
        assert record["error"] == "no luck" or f"its reason {path} is damaged: " in record["error"]
        named += record["code"] == "damaged"
    assert named > 1200
    tree.spool.retry(job.id)
    assert drive(tree) == [job.id]


def test_a_damaged_key_never_starts_a_second_job(farm: Farm) -> None:
    def put() -> str:
        return farm.put(farm.prepare("echo", [], {}, durable=True), key="key").id

    first = put()
    [name] = os.listdir(farm.spool.keys)
    path = f"{farm.spool.keys}/{name}"
    refused = 0
    for data in damages(path):
        if len(data) == len(f"{first} ") + 64:  # all that is missing is the checksum, as in an earlier version
            assert put() == first
            continue
        with pytest.raises(KeyConflict, match=f"{path}, is damaged"):
            put()
        refused += 1
    assert refused > 700
    assert farm.spool.count() == {"echo": 1}


def test_a_damaged_record_of_a_worker_is_that_of_none(tree: Tree, farm: Farm) -> None:
    mine = tree.lease()
    tree.spool.disabled.note("other", "no luck")
    (Path(tree.spool.root) / "idle" / mine.wid).touch()
    mine.announce({"pid": os.getpid(), "tasks": ["echo"], "done": {"echo": {"ended": 1, "failed": 0, "seconds": []}}})
    [whole] = lease.ready(tree.spool.workers)
    for number, _ in enumerate(damages(f"{tree.spool.workers}/{mine.wid}.json")):
        for worker in farm.workers():
            assert whole.items() <= worker.items()
        if number % 20 == 0:
            farm.submit("echo", n=number)
            farm.missing()
            farm.figures()
            farm.spool.disabled.all()
    mine.end()


def test_a_damaged_reason_of_a_disabled_task_is_a_text_all_the_same(tree: Tree) -> None:
    tree.spool.disabled.note("other", "kein Glück")
    for _ in damages(f"{tree.spool.root}/disabled/other"):
        tree.spool.disabled.all()


def test_what_somebody_else_wrote_is_no_object(tmp_path: Path) -> None:
    for data in (b"", b"[]", b"1", b'"x"', b"nul", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"\0" * 512):
        with pytest.raises(checksum.Altered):
            checksum.opened(data)
    assert checksum.opened(b'{"a": 1}') == {"a": 1}
    assert checksum.opened(checksum.seal(b'{"a":1}')) == {"a": 1}
    with pytest.raises(checksum.Altered):
        checksum.check(checksum.seal(b'{"a":1}', b"one", b"two"), b"one")


def test_every_kind_of_damaged_file_is_found_and_no_whole_one(tree: Tree, farm: Farm) -> None:
    queued, running, ended, dead = (new(number, durable=True) for number in range(4))
    tree.spool.put(dead)
    bury(tree.spool, dead)
    wid = tree.orphan(running)
    tree.spool.results.publish(succeeded(Claim(ended, "", 0.0), 1), sync=False)
    tree.spool.results.write_log(running.id, log="line")
    farm.put(queued, key="key")
    Path(f"{tree.spool.root}/launcher.json").write_text('{"pid": 1}')
    mine = tree.lease()
    mine.announce({"tasks": []})
    root, results = tree.spool.root, tree.spool.results.root
    found = dict(damage.checked(root, results))
    [key] = os.listdir(tree.spool.keys)
    expected = {
        f"{place_of(tree.spool, queued)}/{queued.id}.a0",
        f"{tree.spool.active}/{wid}/{running.id}.a1",
        f"{tree.spool.dead.path(dead.id)}/{dead.id}.a1",
        f"{tree.spool.dead.path(dead.id)}/reason.json",
        f"{tree.spool.keys}/{key}",
        f"{tree.spool.workers}/{mine.wid}.json",
        f"{root}/launcher.json",
        f"{results}/{ended.id}.json",
        f"{results}/{dead.id}.json",
        f"{results}/{running.id}.log",
    }
    assert found == dict.fromkeys(expected, "")
    for path in expected:
        os.truncate(path, os.path.getsize(path) - 2)
    assert {path for path, problem in damage.checked(root, results) if problem} == expected
    mine.end()
