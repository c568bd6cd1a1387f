"""spoolfarm itself: two workers and a producer that uses the library, or the whole farm with its HTTP front."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Service, answers, free_port
from benchmarks.peers import PATIENCE, Queue
from spoolfarm import Farm


class Workers(Queue):
    """The producer's side."""

    def start(self) -> None:
        spool, results = self.home / "spool", self.home / "results"
        env = {"FARM_SPOOL_DIR": str(spool), "FARM_RESULTS_DIR": str(results)}
        command = (sys.executable, "worker.py", "--tasks", "echo")
        self._workers = [Service(command, env=env, log=self.home / f"worker-{number}.log") for number in range(2)]
        self._farm = Farm(spool_dir=spool, results_dir=results)
        for worker in self._workers:
            worker.wait_until(lambda: len(list(spool.glob("workers/*.json"))) == len(self._workers))

    def call(self, payload: bytes) -> int:
        answer: int = self._farm.call("echo", payload, timeout=PATIENCE)["bytes"]
        return answer

    def burst(self, payloads: Sequence[bytes]) -> list[int]:
        return [result["bytes"] for _, result in self._farm.map("echo", payloads)]

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._farm.close()


class Submitting(Workers):
    """Many jobs by `submit`, one by one, where the library's way for many is `map`; the results stay on disk."""

    def burst(self, payloads: Sequence[bytes]) -> list[int]:
        jobs = [self._farm.submit("echo", payload, durable=False) for payload in payloads]
        return [job.wait(PATIENCE)["bytes"] for job in jobs]


def launch(home: Path, workers: int) -> tuple[Service, tuple[str, int]]:
    """Start a whole farm with its files under *home*; return it, and its address once the front answers there."""
    env = {f"FARM_{name.upper()}_DIR": str(home / name) for name in ("spool", "results", "data", "run")}
    host, port = "127.0.0.1", free_port()
    command = (sys.executable, "launcher.py", "--workers", str(workers), "--bind", f"{host}:{port}")
    farm = Service(command, env=env, log=home / "farm.log")
    try:
        farm.wait_until(lambda: answers((host, port), "/health"))
        if workers:
            farm.wait_until(lambda: answers((host, port), "/ready"))
    except BaseException:
        farm.stop()
        raise
    return farm, (host, port)
