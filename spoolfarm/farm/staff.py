"""The staff: whether there is anybody on this spool to do a job, or anybody who will start one who does."""

from __future__ import annotations

from collections.abc import Iterable

from spoolfarm.errors import NoWorker
from spoolfarm.farm.pauses import why
from spoolfarm.spool import files, lease
from spoolfarm.spool.spool import Spool

#: Seconds without a result after which a caller looks whether there is anybody to do the job, and between later looks.
FIRST_LOOK, NEXT_LOOK = 0.5, 5.0


class Staff:
    """The launcher and the workers of *spool*, as they are when somebody asks."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def ready(self, task: str) -> bool:
        """Whether a worker is ready that does *task*."""
        return any(task in worker["tasks"] for worker in lease.ready(self._spool.workers))

    def lack(self, task: str) -> str:
        """Why a job of *task* that waits is not taken, as the end of a sentence; nothing when a worker may take it."""
        return why(self._spool, [task]) or ("" if self.ready(task) else f"; no worker is ready for {task}")

    def missing(self, task: str) -> str:
        """A sentence when nobody will do *task* until somebody starts a farm or a worker; else nothing.

        A launcher replaces workers that die, and a worker that is not ready yet may turn out to do it.
        """
        try:
            if self.ready(task) or lease.alive(self._spool.root, "launcher") or self._starting():
                return ""
        except PermissionError:
            return ""  # the spool is that of another user, whose locks we cannot try
        return f"no worker runs on {self._spool.root} for task {task}; start ./start.sh"

    def check(self, tasks: Iterable[str], job_id: str = "") -> None:
        """Raise NoWorker when nobody will do any of *tasks*; *job_id* is the job that waits for one of them."""
        missing = [self.missing(task) for task in tasks]
        if missing and all(missing):
            raise NoWorker(missing[0], job_id=job_id)

    def _starting(self) -> bool:
        """Whether a worker lives that has not said yet what it does."""
        workers = self._spool.workers
        names = set(files.names(workers))
        locks = {name.removesuffix(".lock") for name in names if name.endswith(".lock")} - lease.SHARED
        return any(f"{wid}.json" not in names and lease.alive(workers, wid) for wid in locks)
