"""huey with two worker processes: on Redis, waiting for results by BLPOP, or on files, polling every 5 ms."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from huey import FileHuey, RedisHuey  # type: ignore[import-untyped]

from benchmarks.measure import Service
from benchmarks.peers import BROKER, PATIENCE, Queue

#: Seconds between two looks, of the consumer into the queue and of the producer for a result, where huey polls.
POLL = 0.005

_broker = os.environ[BROKER]
if _broker.startswith("redis:"):
    queue = RedisHuey("benchmark", url=_broker, notify_result=True)
else:
    queue = FileHuey("benchmark", path=_broker)


@queue.task()  # type: ignore[untyped-decorator]
def size(payload: bytes) -> int:
    """The job."""
    return len(payload)


class Huey(Queue):
    """The producer's side."""

    def start(self) -> None:
        workers = ("--workers", "2", "--worker-type", "process", "--no-periodic", "--quiet")
        polling = ("--delay", str(POLL), "--max-delay", str(POLL), "--backoff", "1")  # Redis does not poll
        consumer = (sys.executable, "-m", "huey.bin.huey_consumer", f"{__name__}.queue")
        self._consumer = Service([*consumer, *workers, *polling], log=self.home / "huey.log")

    def call(self, payload: bytes) -> int:
        return _collect(size(payload))

    def burst(self, payloads: Sequence[bytes]) -> list[int]:
        submitted = [size(payload) for payload in payloads]
        return [_collect(each) for each in submitted]

    def stop(self) -> None:
        self._consumer.stop()


def _collect(result: object) -> int:
    answer: int = result.get(blocking=True, timeout=PATIENCE, backoff=1, max_delay=POLL)  # type: ignore[attr-defined]
    return answer
