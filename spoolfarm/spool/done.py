"""Done jobs: the files of jobs that came to a good end, kept while there is room, to be looked at and run again.

    done/<id>.a0    the job file as it was submitted

Nothing here is promised: what does not fit, or what the disk refuses, is removed as if it had never been kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

from spoolfarm.spool import files
from spoolfarm.spool.job import Job, State
from spoolfarm.spool.jobfile import JobFile, job_files

#: Files that are kept at most.
MOST_FILES = 10_000
#: The part of what is free on the disk that they take at most.
SHARE = 0.1
#: A process makes room after it has kept this part of what may be kept.
PORTION = 8
#: Sources whose pictures lie elsewhere, as the files that they were.
ELSEWHERE = frozenset({"inbox", "batch", "part"})


class DoneJobs:
    """The directory *root*, which holds *most_bytes* at most, as far as sweeps and the workers' own turns go."""

    def __init__(self, root: str, most_bytes: int) -> None:
        self.root = root
        self._most_bytes = most_bytes
        #: What this process has kept since it last made room.
        self._bytes = self._files = 0

    def make(self) -> None:
        """Make the directory."""
        files.make_directory(self.root)

    def keep(self, path: str, job: Job) -> None:
        """Move the file *path* of a *job* that has ended here, or remove it. Raises OSError when it stays."""
        if not self._most_bytes or not job.durable or job.source in ELSEWHERE:
            files.remove(path)
            return
        try:
            os.rename(path, self._path(job.id))
        except OSError:
            files.remove(path)
            return
        self._files += 1
        self._bytes += sum(map(len, job.images))
        if self._files > MOST_FILES // PORTION or self._bytes > self._most_bytes // PORTION:
            with suppress(OSError):
                self.expire(time.time())

    def find(self, job_id: str) -> JobFile | None:
        """The file of a job; None when it is not kept. The id is one of ours."""
        path = self._path(job_id)
        return JobFile(path, job_id, 0, State.SUCCEEDED) if os.path.exists(path) else None

    def remove(self, job_id: str) -> None:
        """Forget a job, if it is kept."""
        files.remove(self._path(job_id))

    def expire(self, seconds: float, now: float | None = None) -> None:
        """Remove what came more than *seconds* before *now*, and the oldest of what is too much."""
        self._bytes = self._files = 0
        oldest = (time.time() if now is None else now) - seconds
        if not (kept := sorted(self._kept(), reverse=True)):
            return
        disk = os.statvfs(self.root)
        room = min(self._most_bytes, SHARE * (disk.f_bavail * disk.f_frsize + sum(size for _, size, _ in kept)))
        for number, (came, size, path) in enumerate(kept):
            room -= size
            if came < oldest or room < 0 or number >= MOST_FILES:
                files.remove(path)

    def _kept(self) -> Iterator[tuple[float, int, str]]:
        """When each came, its size in bytes, and its path."""
        for file in job_files(self.root, State.SUCCEEDED):
            try:
                said = os.stat(file.path)
            except FileNotFoundError:
                continue
            yield said.st_ctime, said.st_size, file.path

    def _path(self, job_id: str) -> str:
        return f"{self.root}/{job_id}.a0"
