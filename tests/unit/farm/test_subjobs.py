"""Subjobs: jobs that a job has others do, in order, once, and gone when it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import Settings, load
from spoolfarm.errors import BrokenImage, FarmError, InvalidRequest, JobCancelled, JobFailed
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.subjobs import LEAST, forget, noted, part_id, sweep
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.tasks import Answer
from tests.support.thread_workers import working


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = {"FARM_SPOOL_DIR": tmp_path / "spool", "FARM_RESULTS_DIR": tmp_path / "results"}
    given |= {"FARM_ENABLE": "echo", "FARM_MIN_FREE_MB": 0, "FARM_WORKERS": 1}
    return load({name: str(value) for name, value in given.items()})


@pytest.fixture
def whole(farm: Farm) -> Job:
    """A job that runs: a claimed one."""
    job = farm.prepare("echo", [], {}, durable=True, priority=3)
    farm.put(job)
    return job


def never() -> None:
    """The job shall go on."""


def items(*sizes: int) -> Iterator[tuple[int, tuple[bytes, dict[str, Any]]]]:
    for size in sizes:
        yield size, (b"x" * size, {"size": size})


def sizes(ended: Iterator[tuple[int, Answer | FarmError]]) -> list[int]:
    """How many bytes each part had, by what it answered and by its key alike."""
    found = [(size, outcome.value["bytes"]) for size, outcome in ended if isinstance(outcome, Answer)]
    assert all(size == told for size, told in found)
    return [size for size, _ in found]


def queued(farm: Farm) -> list[str]:
    return sorted(entry.id for entry, _ in farm.spool.queued())


def test_parts_come_back_in_order_and_go_with_the_whole(farm: Farm, whole: Job) -> None:
    parts = farm.subjobs(whole, never)
    with working(farm, 2):
        assert sizes(parts.map("echo", items(*range(20)))) == list(range(20))
    assert len(noted(f"{farm.spool.parts}/{whole.id}")) == 20
    assert len(farm.results.ids()) == 21, "the whole was done as well, by the same workers"
    parts.forget()
    assert farm.results.ids() == [whole.id]
    assert not Path(farm.spool.parts, whole.id).exists()


def test_what_cannot_become_a_part_comes_back_in_its_turn(farm: Farm, whole: Job) -> None:
    broken = BrokenImage("page 2 is damaged")
    given: dict[str, tuple[bytes, dict[str, Any]] | FarmError] = {
        "first": (b"x", {}),
        "second": broken,
        "third": (b"xyz", {}),
        "fourth": broken,
    }
    with working(farm):
        found = list(farm.subjobs(whole, never).map("echo", given.items()))
    assert [key for key, _ in found] == list(given)
    assert [outcome.value["bytes"] if isinstance(outcome, Answer) else outcome for _, outcome in found] == [
        1,
        broken,
        3,
        broken,
    ]
    assert len(noted(f"{farm.spool.parts}/{whole.id}")) == 2


def test_only_so_many_are_under_way(farm: Farm, whole: Job) -> None:
    taken = []

    def source() -> Iterator[tuple[int, tuple[bytes, dict[str, Any]]]]:
        for number in range(100):
            taken.append(number)
            yield number, (b"", {})

    def stop() -> None:
        if len(taken) > LEAST - 1 and len(queued(farm)) > LEAST:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        next(farm.subjobs(whole, stop).map("echo", source()))
    assert len(taken) == LEAST


def test_a_part_has_the_age_of_the_whole_and_less_urgency(farm: Farm, whole: Job) -> None:
    def stop() -> None:
        if len(queued(farm)) > 1:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        next(farm.subjobs(whole, stop).map("echo", items(1, 2, 3)))
    [part] = [entry for entry, _ in farm.spool.queued() if entry.id != whole.id]
    assert part.id == part_id(whole.id, 0)
    assert part.id[:16] == whole.id[:16]
    assert part.job().priority == whole.priority + 1


def test_ids_of_parts_differ_from_each_other_and_from_the_whole() -> None:
    for last in ("00000000", "fffffffe", "ffffffff"):
        job_id = "18ea0844a7f039d2" + last
        ids = {part_id(job_id, number) for number in range(1000)}
        assert len(ids | {job_id}) == 1001
        assert {len(each) for each in ids} == {24}


def test_the_next_attempt_repeats_nothing_that_is_done(farm: Farm, whole: Job) -> None:
    with working(farm):
        assert sizes(farm.subjobs(whole, never).map("echo", items(1, 2, 3))) == [1, 2, 3]
        before = {job_id: farm.results.get(job_id) for job_id in farm.results.ids()}
        assert sizes(farm.subjobs(whole, never).map("echo", items(1, 2, 3, 4))) == [1, 2, 3, 4]
    assert all(farm.results.get(job_id) == record for job_id, record in before.items())


def test_a_part_that_a_power_cut_tore_is_done_again(farm: Farm, whole: Job) -> None:
    with working(farm):
        sizes(farm.subjobs(whole, never).map("echo", items(1)))
        torn = part_id(whole.id, 0)
        farm.results.remove(torn)
        times = (0.0, None, 1.0)
        damaged = Result(torn, "echo", State.FAILED, 1, *times, error="cut short", code="damaged")
        farm.results.publish(damaged, sync=False)
        assert sizes(farm.subjobs(whole, never).map("echo", items(1))) == [1]


def test_a_torn_part_is_done_again_once_its_worker_has_let_go_of_it(farm: Farm, whole: Job) -> None:
    with working(farm):
        sizes(farm.subjobs(whole, never).map("echo", items(1)))
    part = part_id(whole.id, 0)
    Path(f"{farm.results.root}/{part}.json").write_bytes(b"torn")
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    held = Path(lease.active, f"{part}.a1")
    held.touch()
    waited = []

    def let_go() -> None:
        if held.exists() and farm.results.exists(part):
            waited.append(part)
            if len(waited) > 1:
                held.unlink()

    with working(farm):
        assert sizes(farm.subjobs(whole, let_go).map("echo", items(1))) == [1]
    assert waited
    farm.spool.retire(lease)


def test_a_part_that_fails_is_an_outcome_like_any_other(farm: Farm, whole: Job) -> None:
    with pytest.raises(JobCancelled):  # the parts are queued, and nobody works yet
        next(farm.subjobs(whole, Stop(farm, 3)).map("echo", items(1, 2)))
    farm.cancel(part_id(whole.id, 0))
    with working(farm):
        (_, first), (_, second) = farm.subjobs(whole, never).map("echo", items(1, 2))
    assert isinstance(first, JobFailed)
    assert first.code == "cancelled"
    assert isinstance(second, Answer)


class Stop:
    """Says that the job shall not go on once *count* jobs are queued."""

    def __init__(self, farm: Farm, count: int) -> None:
        self._farm, self._count = farm, count

    def __call__(self) -> None:
        if len(queued(self._farm)) >= self._count:
            raise JobCancelled


def test_a_part_that_is_lost_is_missed(farm: Farm, whole: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.farm.subjobs.MISSED", 0.1)

    def lose() -> None:
        for entry, _ in farm.spool.queued():
            if entry.id != whole.id:
                Path(entry.path).unlink()

    [(_, outcome)] = farm.subjobs(whole, lose).map("echo", items(1))
    assert isinstance(outcome, JobFailed)
    assert "lost" in str(outcome)


def test_parts_of_a_job_that_waits_or_runs_stay(farm: Farm, whole: Job) -> None:
    with pytest.raises(JobCancelled):
        next(farm.subjobs(whole, Stop(farm, 3)).map("echo", items(1, 2, 3)))
    sweep(farm.spool)
    assert len(queued(farm)) == 3


def test_parts_of_a_job_that_is_over_or_unknown_go(farm: Farm, whole: Job) -> None:
    with pytest.raises(JobCancelled):
        next(farm.subjobs(whole, Stop(farm, 3)).map("echo", items(1, 2, 3)))
    farm.cancel(whole.id)
    sweep(farm.spool)
    assert queued(farm) == []
    assert farm.results.ids() == [whole.id]
    Path(farm.spool.parts, "f" * 24).write_text("not an id\n")
    Path(farm.spool.parts, "README").write_text("somebody's")
    sweep(farm.spool)
    assert [path.name for path in Path(farm.spool.parts).iterdir()] == ["README"]


def test_to_forget_twice_does_no_harm(farm: Farm, whole: Job) -> None:
    forget(farm.spool, whole.id)
    forget(farm.spool, whole.id)


def test_a_part_may_have_no_picture_and_never_one_too_few(farm: Farm, whole: Job) -> None:
    parts = farm.subjobs(whole, never)
    with working(farm, 1):
        ((_, outcome),) = parts.map("echo", [("alone", (None, {"x": 1}))])
    assert isinstance(outcome, Answer)
    assert outcome.value == {"params": {"x": 1}, "bytes": 0}
    farm.tasks.get("echo").min_images = 1  # type: ignore[misc]  # this object's alone
    with pytest.raises(InvalidRequest, match=r"echo needs .* in the field image; none was sent"):
        list(parts.map("echo", [("alone", (None, {}))]))
