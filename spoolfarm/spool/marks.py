"""Marks: requests that running jobs stop, each a small file until its job has ended and its worker has let go of it.

cancel/<id>    empty; or FORGET, when nobody wants the result
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from filelock import Timeout

from spoolfarm.spool import files
from spoolfarm.spool.job import State
from spoolfarm.spool.jobfile import JobFile, job_files
from spoolfarm.spool.lock import lock
from spoolfarm.spool.results import ID, Results

#: What a mark says when nobody wants the result.
FORGET = b"forget"
#: Seconds after which a mark on a job that is nowhere belongs to nobody.
STALE = 10.0


class Marks:
    """The marks in the directory *root*. Whoever removes a result for one holds the file *lock*, as a retry does."""

    def __init__(self, root: str, results: Results, lock: str) -> None:
        self._root = root
        self._results = results
        self._lock = lock

    def set(self, job_id: str, *, forget: bool) -> None:
        """Mark a job. A request to forget it outlives one that only cancels, whichever comes first."""
        mark = self._path(job_id)
        if forget:
            files.write_atomic(mark, FORGET)
            return
        temporary = f"{mark}.{os.urandom(4).hex()}.tmp"
        files.write_new(temporary, [])
        files.publish(temporary, mark)

    def on(self, job_id: str) -> bool:
        """Whether a job is marked."""
        return os.access(self._path(job_id), os.F_OK)  # every claim asks; os.path.exists takes twice as long

    def remove(self, job_id: str) -> None:
        """Remove the mark of a job that is queued again."""
        files.remove(self._path(job_id))

    def files(self) -> Iterator[JobFile]:
        """Every mark, by the job that it is on."""
        for job_id in filter(ID.fullmatch, files.names(self._root)):
            yield JobFile(self._path(job_id), job_id, 0, State.CANCELLED)

    def cancelled(self) -> Iterator[JobFile]:
        """Every queued job that is being cancelled, or whose canceller died."""
        return job_files(self._root, State.CANCELLED)

    def tidy(self, mark: JobFile, find: Callable[[str], JobFile | None]) -> None:
        """Remove a mark whose job has ended and is with no worker any more; *find* says where a job is."""
        if self._results.exists(mark.id):
            found = find(mark.id)  # after the result: its worker lets go of the job a little later
            if not found or found.state is not State.RUNNING:
                self._drop(mark.id)
        elif time.time() - files.modified(mark.path) > STALE and find(mark.id) is None:
            self._drop(mark.id)

    def _drop(self, job_id: str) -> None:
        """Remove the mark of a job that has ended, and with it a result that nobody wants.

        If that job is just being retried, it waits until the next time: by then the result may be a new one.
        """
        try:
            with lock(self._lock, timeout=0):
                if files.read(self._path(job_id)) == FORGET:
                    self._results.remove(job_id)
                files.remove(self._path(job_id))
        except (FileNotFoundError, Timeout):
            return  # another caller was first

    def _path(self, job_id: str) -> str:
        return f"{self._root}/{job_id}"
