"""RQ with two SimpleWorkers, which run jobs in their own process instead of forking for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import rq
from redis import Redis
from rq.job import Job

from benchmarks.measure import Service
from benchmarks.peers import BROKER, PATIENCE, Queue

#: Seconds RQ keeps a result that nobody deleted.
KEPT = 500


def size(payload: bytes) -> int:
    """The job."""
    return len(payload)


class Simple(Queue):
    """The producer's side."""

    def start(self) -> None:
        address = os.environ[BROKER]
        self._queue = rq.Queue("benchmark", connection=Redis.from_url(address))
        worker = (sys.executable, "-m", "rq.cli", "worker", "benchmark", "--url", address)
        options = ("--worker-class", "rq.SimpleWorker", "--path", ".", "--quiet", "--disable-job-desc-logging")
        self._workers = [Service([*worker, *options], log=self.home / f"rq-{number}.log") for number in range(2)]

    def call(self, payload: bytes) -> int:
        return _collect(self._queue.enqueue(size, payload, result_ttl=KEPT))

    def burst(self, payloads: Sequence[bytes]) -> list[int]:
        prepared = [rq.Queue.prepare_data(size, (payload,), result_ttl=KEPT) for payload in payloads]
        return [_collect(job) for job in self._queue.enqueue_many(prepared)]

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()


def _collect(job: Job) -> int:
    result = job.latest_result(timeout=PATIENCE)
    if result is None:
        raise TimeoutError(f"no result of job {job.id} in {PATIENCE} s")
    return int(result.return_value)  # type: ignore[arg-type]  # Any | None, for it may be the result of any job
