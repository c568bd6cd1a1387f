"""Idempotency keys: each is a small file that names the job it started, so that a repeat finds the first."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time

from spoolfarm.errors import KeyConflict, SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.job import Job


class IdempotencyKeys:
    """The directory *root* of keys."""

    def __init__(self, root: str) -> None:
        self._root = root
        #: Held from looking up a key until its job is enqueued: two simultaneous repeats make one job.
        self.lock = threading.Lock()

    def job_id(self, key: str, job: Job) -> str:
        """The id of the job that *key* started; *job*'s own, and remembered, when it is new.

        Raises KeyConflict when the key came with another task, other parameters or other pictures before.
        """
        path = f"{self._root}/{hashlib.sha256(key.encode()).hexdigest()}"
        content = _digest(job)
        temporary = f"{path}.{job.id}"
        try:
            files.write_new(temporary, [f"{job.id} {content}".encode()], sync=True)
            if files.publish(temporary, path):
                files.sync_directory(self._root)
                return job.id
            first_id, _, first_content = files.read(path).decode().partition(" ")
        except OSError as error:
            raise SpoolUnavailable(f"the Idempotency-Key cannot be kept ({error.strerror})") from error
        if first_content != content:
            raise KeyConflict(f"the Idempotency-Key was used for job {first_id} with another request")
        return first_id

    def expire(self, seconds: float) -> None:
        """Forget keys older than *seconds*."""
        for name in files.names(self._root):
            if time.time() - files.modified(f"{self._root}/{name}") > seconds:
                files.remove(os.path.join(self._root, name))


def _digest(job: Job) -> str:
    digest = hashlib.sha256(json.dumps([job.task, job.params], sort_keys=True).encode())
    for image in job.images:
        digest.update(hashlib.sha256(image).digest())
    return digest.hexdigest()
