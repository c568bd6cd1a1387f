"""Idempotency keys: each is a small file that names the job it started, so that a repeat finds the first."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
import zlib

from spoolfarm.errors import KeyConflict, SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.job import Job

_WORDS = re.compile(rb"([0-9a-f]{24}) ([0-9a-f]{64})( [0-9a-f]{8})?")


class IdempotencyKeys:
    """The directory *root* of keys."""

    def __init__(self, root: str) -> None:
        self._root = root
        #: Held from looking up a key until its job is enqueued: two simultaneous repeats make one job.
        self.lock = threading.Lock()

    def job_id(self, key: str, job: Job) -> str:
        """The id of the job that *key* started; *job*'s own, and remembered, when it is new.

        Raises KeyConflict when the key came with another task, other parameters or other pictures before, or when
        its file is damaged, so that nobody knows.
        """
        path = f"{self._root}/{hashlib.sha256(key.encode()).hexdigest()}"
        content = _digest(job)
        temporary = f"{path}.{job.id}"
        try:
            files.write_new(temporary, [_text(job.id, content)], sync=True)
            if files.publish(temporary, path):
                files.sync_directory(self._root)
                return job.id
            found = parsed(files.read(path))
        except OSError as error:
            raise SpoolUnavailable(f"the Idempotency-Key cannot be kept ({error.strerror})") from error
        if found is None:
            raise KeyConflict(
                f"the file of the Idempotency-Key, {path}, is damaged, so nobody knows which job it began",
                hint="look for the job in GET /v1/jobs; send what is new with a new key",
            )
        first_id, first_content = found
        if first_content != content:
            raise KeyConflict(f"the Idempotency-Key was used for job {first_id} with another request")
        return first_id

    def expire(self, seconds: float, now: float | None = None) -> None:
        """Forget keys that were older than *seconds* at the time *now*."""
        now = time.time() if now is None else now
        for name in files.names(self._root):
            if now - files.modified(f"{self._root}/{name}") > seconds:
                files.remove(os.path.join(self._root, name))


def parsed(data: bytes) -> tuple[str, str] | None:
    """The id of the job that a key started, and the digest of its request; None when the key's file is damaged."""
    words = _WORDS.fullmatch(data)
    if words is None:
        return None
    job_id, content = words[1].decode(), words[2].decode()
    # Without the checksum an earlier version wrote it.
    return (job_id, content) if words[3] is None or data == _text(job_id, content) else None


def _text(job_id: str, content: str) -> bytes:
    """What the file of a key holds: the job's id, the digest of its request, and the checksum of both."""
    said = f"{job_id} {content}".encode()
    return b"%s %08x" % (said, zlib.crc32(said))


def _digest(job: Job) -> str:
    digest = hashlib.sha256(json.dumps([job.task, job.params], sort_keys=True).encode())
    for image in job.images:
        digest.update(hashlib.sha256(image).digest())
    return digest.hexdigest()
