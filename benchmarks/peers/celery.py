"""celery on Redis, for the queue and the results: the prefork pool with two processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from celery import Celery  # type: ignore[import-untyped]

from benchmarks.measure import Service
from benchmarks.peers import BROKER, PATIENCE, Queue

app = Celery("benchmark", broker=os.environ[BROKER], backend=os.environ[BROKER])
app.conf.update(
    task_serializer="pickle",  # JSON would carry the bytes as base64
    result_serializer="pickle",
    accept_content=["pickle"],
    worker_prefetch_multiplier=64,  # its manual's advice for many short jobs
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    task_send_sent_event=False,
    broker_connection_retry_on_startup=True,
)


@app.task  # type: ignore[untyped-decorator]
def size(payload: bytes) -> int:
    """The job."""
    return len(payload)


class Prefork(Queue):
    """The producer's side."""

    def start(self) -> None:
        worker = (sys.executable, "-m", "celery", "-A", __name__, "worker")
        pool = ("--pool", "prefork", "--concurrency", "2", "--loglevel", "ERROR")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        self._worker = Service(
            [*worker, *pool, *quiet],
            env={"C_FORCE_ROOT": "1"},  # celery refuses pickle to root
            log=self.home / "celery.log",
        )

    def call(self, payload: bytes) -> int:
        return _collect(size.delay(payload))

    def burst(self, payloads: Sequence[bytes]) -> list[int]:
        submitted = [size.delay(payload) for payload in payloads]
        return [_collect(each) for each in submitted]

    def stop(self) -> None:
        self._worker.stop()


def _collect(result: object) -> int:
    answer: int = result.get(timeout=PATIENCE)  # type: ignore[attr-defined]
    return answer
