"""Listings: every filter finds what it means, page by page, whatever the index knows."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.farm import listing
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.query import Query
from spoolfarm.spool.job import Job, Result, State, new_id
from tests.support.spool_jobs import bury


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    farm = Farm(tmp_path / "spool", tmp_path / "results")
    yield farm
    farm.close()


def end(farm: Farm, number: int, *, sync: bool = True, job_id: str = "", **fields: Any) -> str:
    """Publish a result, and return its job's id."""
    now = time.time()
    fields = {"status": State.SUCCEEDED, "task": "echo", "result": number, **fields}
    job_id = job_id or new_id()
    farm.results.publish(Result(id=job_id, attempts=1, created=now, started=now, finished=now, **fields), sync=sync)
    return job_id


def ids(farm: Farm, **query: Any) -> list[str]:
    return [record["id"] for record in farm.jobs(**query)]


def test_every_filter_finds_its_jobs_whether_they_are_durable_or_not(farm: Farm) -> None:
    for sync in (True, False):
        good = end(farm, 1, sync=sync, source="http", name="Scan 1.png")
        bad = end(
            farm, 2, sync=sync, status=State.FAILED, task="ocr", source="cli", error='No "Table"\tin\nit', code="x"
        )
        assert ids(farm, status="failed") == [bad]
        assert ids(farm, status="succeeded", task="echo") == [good]
        assert ids(farm, task="ocr") == [bad]
        assert ids(farm, source="http") == [good]
        assert ids(farm, name="scan 1") == ids(farm, name="SCAN") == [good]
        assert ids(farm, error='no "table"\tIN\n') == [bad]
        assert ids(farm, error="n it") == []
        assert ids(farm, id=bad[:20]) == [bad]
        assert ids(farm, since=time.time() + 1) == ids(farm, until=time.time() - 60) == []
        assert ids(farm, since=time.time() - 60, until=time.time() + 1) == [bad, good]
        assert ids(farm, since=-1e300, until=math.inf) == [bad, good]
        assert ids(farm, since=1e300) == ids(farm, until=-math.inf) == []
        for job_id in (good, bad):
            farm.remove_result(job_id)
    assert ids(farm) == []


def test_queued_jobs_are_found_by_source_and_name(farm: Farm) -> None:
    first = Job("echo", source="http", name="a.png")
    second = Job("other", {"x": "y" * 100_000}, source="cli", name="b.png", priority=9)
    for job in (first, second):
        farm.spool.put(job)
    assert ids(farm) == [second.id, first.id]
    assert ids(farm, name="B.", status="queued") == ids(farm, source="cli") == ids(farm, task="other") == [second.id]
    assert ids(farm, task="../echo") == ids(farm, error="any") == []
    assert farm.record(second.id)["name"] == "b.png"


def test_pages_follow_each_other_without_a_gap_or_a_repetition(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for number in range(12):
        made.append(end(farm, number, sync=number % 2 > 0, job_id=f"{(number // 3 << 40):016x}{number:08x}"))
        job = Job("echo", {}, id=f"{(number // 3 << 40):016x}{number + 100:08x}")
        farm.spool.put(job)
        made.append(job.id)
    for budget in (listing.BUDGET, 0.0):  # at last each of the three looks at one job a page
        monkeypatch.setattr(listing, "BUDGET", budget)
        for limit in (1, 5, 100):
            for query in (Query(), Query(status="succeeded"), Query(task="echo")):
                seen: list[str] = []
                before: str | None = "g"
                while before is not None:
                    page = farm.page(query, before, limit)
                    assert len(page.records) <= limit
                    assert page.next is None or page.next < before
                    seen += [record["id"] for record in page.records]
                    before = page.next
                wanted = made if query.status is None else [job_id for job_id in made if farm.results.exists(job_id)]
                assert seen == sorted(wanted, reverse=True)
    assert len(farm.jobs(limit=7)) == 7


def test_the_index_is_made_again_when_it_is_removed_or_damaged(farm: Farm) -> None:
    made = [end(farm, number, task=f"task{number % 2}") for number in range(6)]
    root = Path(farm.results.root, "index")
    assert any(root.iterdir())
    shutil.rmtree(root)
    assert ids(farm, task="task1") == made[5::-2]
    for path in root.iterdir():
        path.write_bytes(b"\xff" + path.read_bytes()[:-20])
    again = Farm(farm.spool.root, farm.results.root)
    assert ids(again, task="task1") == made[5::-2]
    assert ids(again) == made[::-1]
    again.close()


def test_a_disk_that_takes_no_index_costs_no_result(farm: Farm) -> None:
    Path(farm.results.root, "index").write_text("no directory")
    job_id = end(farm, 1)
    assert ids(farm, task="echo") == [job_id]


def test_a_job_that_was_retried_is_listed_by_how_it_ended_at_last(farm: Farm) -> None:
    job = Job("echo", durable=True)
    farm.spool.put(job)
    bury(farm.spool, job)
    assert ids(farm, status="failed") == [job.id]
    farm.retry(job.id)
    assert ids(farm, status="failed") == []
    assert ids(farm, status="queued") == [job.id]
    end(farm, 1, job_id=job.id, sync=False)
    assert ids(farm, status="succeeded") == [job.id]


def test_dead_letters_are_listed_after_their_results_have_expired(farm: Farm) -> None:
    job = Job("echo", durable=True)
    farm.spool.put(job)
    bury(farm.spool, job)
    farm.remove_result(job.id)
    (record,) = farm.jobs(status="failed", error="no")
    assert record["id"] == job.id


def test_lines_of_removed_results_go_and_an_old_index_expires(farm: Farm) -> None:
    slot = f"{1 << 40:016x}"
    made = [end(farm, number, job_id=f"{slot}{number:08x}") for number in range(20)]
    for job_id in made[1:]:
        farm.remove_result(job_id)
    assert ids(farm) == made[:1]
    (path,) = Path(farm.results.root, "index").iterdir()
    assert path.read_text().count("\n") == 1
    half, foreign = path.with_name(f"{path.name}.0badcafe.tmp"), path.with_name("notes.txt")
    for each in (path, half, foreign):
        each.touch()
        os.utime(each, (0, 0))
    farm.results.index.expire(60)
    assert list(path.parent.iterdir()) == [foreign]
    foreign.unlink()
    assert ids(farm, task="echo") == made[:1]


def test_a_comparison_that_takes_long_is_not_made_for_every_page(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    end(farm, 1)
    monkeypatch.setattr(listing, "FREE", 0.0)
    monkeypatch.setattr(listing, "SHARE", 1e9)
    listed: list[str] = []
    of_results = farm.results.ids
    monkeypatch.setattr(farm.results, "ids", lambda: listed.append("") or of_results())  # type: ignore[func-returns-value]
    for number in range(3):
        later = end(farm, number)
        assert ids(farm, limit=1) == [later]  # its line says so
    assert len(listed) == 1


def test_a_page_over_many_jobs_reads_few(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        end(farm, number, job_id=f"{number << 36:016x}{number:08x}", task="rare" if number == 7 else "echo")
    read: list[str] = []
    get = farm.results.get
    monkeypatch.setattr(farm.results, "get", lambda job_id: read.append(job_id) or get(job_id))  # type: ignore[func-returns-value]
    assert len(ids(farm, task="rare")) == 1
    assert len(read) == 1
    assert len(ids(farm, limit=10)) == 10
    assert len(read) == 11
