"""A job file: what its name and its place in the spool say about the job, and how it is read and moved."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spoolfarm.spool import files
from spoolfarm.spool.job import DamagedJob, Job, State, UnreadableJob, header_of

#: A job file's name: the id, and how often the job was claimed.
NAME = re.compile(r"([0-9a-f]{24})\.a(\d{1,3})")
#: How often a bucket that is removed before the job gets there is made again.
MOVE_TRIES = 1000
#: How opening and reading fail when there is a link, a socket or a directory instead of a file.
NO_FILE = (errno.ELOOP, errno.ENXIO, errno.EISDIR)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job's file: where it lies, and what its place says."""

    path: str
    id: str
    attempts: int
    state: State

    def job(self) -> Job:
        """The job in the file. Raises DamagedJob."""
        return read_job(self.path, self.attempts)

    @property
    def worker(self) -> str:
        """The worker that has it, when it is running."""
        return self.path.split("/")[-2]

    def glance(self) -> tuple[dict[str, Any], float]:
        """The job's header, with the task "?" when its file is damaged, and when the file came to its place.

        The header may lack the parameters; the time is a time.time().
        """
        came = os.lstat(self.path).st_ctime
        try:
            return header_of(files.read_beginning(self.path)), came
        except DamagedJob:
            return {"task": "?"}, came  # the worker that claims it will find and report that
        except OSError as error:
            if error.errno in NO_FILE or error.errno in files.UNREADABLE:
                return {"task": "?"}, came
            raise

    def job_or_guess(self, task: str = "?") -> Job:
        """The job in the file; when the file is damaged, what its name says, with *task* as its task."""
        try:
            return self.job()
        except DamagedJob:
            return Job(task, id=self.id, created=born(self.id), attempts=self.attempts, durable=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker of this process has, its file in active/, and when it was claimed."""

    job: Job
    path: str
    started: float

    @property
    def worker(self) -> str:
        """The worker that has it."""
        return self.path.split("/")[-2]


def job_files(directory: str, state: State) -> Iterator[JobFile]:
    """The job files in *directory*, which holds jobs in *state*; anything else there is skipped."""
    for name in files.names(directory):
        if file := job_file(directory, name, state):
            yield file


def job_file(directory: str, name: str, state: State) -> JobFile | None:
    """The job file *name* in *directory*, which holds jobs in *state*; None when that is no job file's name."""
    parsed = NAME.fullmatch(name)
    return JobFile(f"{directory}/{name}", parsed[1], int(parsed[2]), state) if parsed else None


def read_job(path: str, attempts: int = 0) -> Job:
    """The job in a job file. Raises DamagedJob, also when there is a link, a socket or a directory instead."""
    name = path.rpartition("/")[2]
    try:
        data = files.read(path)
    except OSError as error:
        if error.errno in NO_FILE:
            raise DamagedJob(f"its file {name} is no file: {error.strerror}") from error
        if error.errno in files.UNREADABLE:
            raise UnreadableJob(f"its file {name} cannot be read: {files.why(error, path)}") from error
        raise
    try:
        job = Job.from_bytes(data, attempts)
    except DamagedJob as error:
        raise DamagedJob(f"its file {name} is damaged: {error}") from error
    if not name.startswith(f"{job.id}."):
        raise DamagedJob(f"its file {name} is that of job {job.id}")
    return job


def given_back(job_id: str, attempts: int) -> str:
    """The file name of a job that a worker has had, and that waits again after so many *attempts*."""
    return f"{job_id}.a{attempts or '00'}"


def move(path: str, target: str) -> None:
    """Rename a job file into a bucket, which may have to be made, and may be removed again before the rename.

    Raises FileNotFoundError when the file itself is gone.
    """
    for _ in range(MOVE_TRIES):
        try:
            os.rename(path, target)
            return
        except FileNotFoundError:
            os.lstat(path)
            # Not synced here: that would take long enough for the new bucket to be removed again as an empty one.
            bucket = os.path.dirname(target)
            task = os.path.dirname(bucket)
            for directory in (os.path.dirname(task), task, bucket):
                with contextlib.suppress(FileExistsError, FileNotFoundError):  # another process made or removed one
                    os.mkdir(directory, files.DIRECTORY_MODE)
    os.rename(path, target)


def undo(reached: str, queued: str) -> bool:
    """Remove the file of a job that could not be synced to disk. False when a worker may have it."""
    try:
        return files.remove(reached) or reached != queued
    except OSError:
        return reached != queued


def born(job_id: str) -> float:
    """When a job was submitted, by its id, in seconds since the epoch."""
    return int(job_id[:16], 16) / 1e9
