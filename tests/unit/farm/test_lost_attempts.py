"""The attempts that a job lost: the record tells each, whatever became of the job."""

from __future__ import annotations

import time

from spoolfarm.farm.farm import Farm
from spoolfarm.spool.lease import Lease, new_worker_id
from tests.support.running_farm import until
from tests.support.thread_workers import working


def test_a_lost_attempt_is_told_while_the_job_waits_and_when_it_has_ended(farm: Farm) -> None:
    job, before = farm.submit("echo"), time.time() - 0.1
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    assert farm.spool.claim(lease, farm.spool.cursor(["echo"]), lambda task: 1)
    assert job.record()["worker"] == lease.wid
    lease.drop()
    assert farm.spool.reclaim({lease.wid: "killed by signal 9: its words"}) == 1
    (lost,) = job.record()["lost"]
    assert (lost["attempt"], lost["worker"], lost["reason"]) == (1, lease.wid, "killed by signal 9: its words")
    assert before < lost["started"] <= lost["ended"] <= time.time()
    assert [line["log"] for line in farm.log(job.id)] == ["attempt 1 ended: killed by signal 9: its words"]
    with working(farm):
        until(lambda: job.status() == "succeeded")
    record = job.record()
    assert record["lost"] == [lost]
    assert record["worker"] not in ("", lease.wid)
    assert (record["attempts"], record["source"]) == (2, "python")
