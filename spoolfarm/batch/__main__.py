"""`python -m spoolfarm.batch FOLDER`: the process that does an order, which outlives the front that started it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing

from filelock import Timeout

from spoolfarm import config
from spoolfarm.batch.inputs import Inputs, find, suffixes
from spoolfarm.batch.ledger import Beginning, Ledger
from spoolfarm.batch.order import LOCK, RESULTS, STOP, Order, Progress
from spoolfarm.batch.progress import Pace
from spoolfarm.batch.run import Batch
from spoolfarm.batch.workers import RunningFarm
from spoolfarm.errors import FarmError
from spoolfarm.spool import files, lease
from spoolfarm.spool.job import LAST
from spoolfarm.spool.lock import lock

log = logging.getLogger("spoolfarm.batch")

#: Jobs that are under way at once.
IN_FLIGHT = 64
#: Seconds between two looks whether it is to stop, in which it also tells how far it has come.
LOOK = 0.5
#: Seconds to wait for the lock: somebody may be testing whether it is free.
PATIENCE = 2.0


class Run:
    """One run of the order in *root*."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._order = Order.read(root)
        self._pace = Pace()
        self._batch: Batch | None = None
        self._due = 0.0
        self._launcher = ""
        self._total = self._earlier = self._ended = self._failed = 0
        self._passed_over = ""
        self._stopping = False
        #: See `run.Progress`.
        self.note = ""

    def stop(self, *_: object) -> None:
        """Submit nothing more, and end when what runs has ended. A signal handler."""
        self._stopping = True
        if self._batch is not None:
            self._batch.stop()

    def count(self, *, failed: bool) -> None:
        """One more has ended."""
        self._ended += 1
        self._failed += failed

    def show(self) -> None:
        """Look whether to go on, and tell how far it has come."""
        now = time.monotonic()
        self._pace.note(now, self._ended)
        if now < self._due:
            return
        self._due = now + LOOK
        gone = not lease.alive(self._launcher, "launcher")
        if not self._stopping and (gone or os.path.exists(f"{self._root}/{STOP}")):
            self.stop()
        self._tell("running")

    def work(self, settings: config.Settings) -> None:
        """Do what is not done yet. Raises FarmError or OSError when it cannot go on."""
        self._launcher = settings.spool_dir
        self._tell("running")
        with RunningFarm(settings) as workers:
            task = workers.farm.tasks.get(self._order.task)
            base = self._order.base(self._root)
            inputs = _inside(find([base], suffixes(documents=task.pdf or not task.pictures)), base)
            self._passed_over = inputs.said()
            begun = Beginning(self._order.task, self._order.params, base)
            with closing(Ledger(f"{self._root}/{RESULTS}", begun, resume=True, table=True)) as ledger:
                self._total = len(inputs.paths)
                self._earlier = sum(inputs.name(path) in ledger.done for path in inputs.paths)
                in_flight = max(1, min(IN_FLIGHT, workers.farm.settings.max_queued // 2))
                self._batch = Batch(workers, ledger, self, LAST, in_flight)
                if self._stopping:
                    self._batch.stop()
                self._batch.run(inputs)
        left = self._total - self._earlier - self._ended
        self._tell("stopped" if left > 0 else "done")

    def fail(self, error: Exception) -> None:
        """Tell why it cannot go on."""
        self.note = str(error)
        self._tell("failed")

    def _tell(self, state: str) -> None:
        rate = self._pace.rate(time.monotonic(), self._ended)
        left = self._total - self._earlier - self._ended
        told = Progress(
            state,
            self._total,
            self._ended,
            self._failed,
            self._earlier,
            round(rate, 3),
            round(left / rate, 1) if rate and not self.note else None,
            self.note,
            self._passed_over,
            time.time(),
        )
        try:
            told.write(self._root)
        except OSError as error:
            log.warning("how far it has come is not told: %s", error)  # the ledger says it all the same


def _inside(inputs: Inputs, base: str) -> Inputs:
    """*inputs* without links that lead out of *base*."""
    real = os.path.realpath(base).rstrip("/") + "/"
    inner = [path for path in inputs.paths if os.path.realpath(path).startswith(real)]
    return Inputs(inputs.base, inner, inputs.passed_over)


def main(arguments: Sequence[str]) -> int:
    """Do the order in the folder *arguments[0]*, unless another process does."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # the front, which has started it, stays on one core
    root = os.path.abspath(arguments[0])
    alone = lock(f"{root}/{LOCK}", timeout=PATIENCE)
    try:
        alone.acquire()
    except Timeout:
        return 0  # another one is at it
    run = Run(root)
    signal.signal(signal.SIGTERM, run.stop)
    signal.signal(signal.SIGINT, run.stop)
    try:
        files.remove(f"{root}/{STOP}")
        run.work(config.load())
    except (FarmError, OSError, ValueError) as error:
        log.exception("the batch cannot go on")
        run.fail(error)
        return 1
    finally:
        alone.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
