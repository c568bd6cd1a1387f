"""Dead letters: jobs that ended for good without a result, each kept with its reason until someone looks.

dead/<id>/reason.json     the job's record and the last lines of its log
dead/<id>/<name>          the job file, ready to be queued again
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import checksum, files
from spoolfarm.spool.job import State
from spoolfarm.spool.jobfile import JobFile, born, job_files
from spoolfarm.spool.lock import held
from spoolfarm.spool.record import DamagedRecord, damaged, parsed
from spoolfarm.spool.results import ID, Results

log = logging.getLogger(__name__)

#: The name of the file with the reason.
REASON = "reason.json"
#: Lines of a job's log that its dead letter keeps.
LAST_LINES = 20

#: Seconds to wait for another process that takes a letter away, which takes it milliseconds.
PATIENCE = 10.0
#: The most seconds between a result that says "failed" and the dead letter.
BURIAL = 1.0


class DeadLetters:
    """The directory *root* of dead letters, whose logs are in *results*."""

    def __init__(self, root: str, results: Results, lock: str) -> None:
        """Whoever takes a letter away holds the file *lock*."""
        self.root = root
        self._results = results
        self._lock = lock

    def make(self) -> None:
        """Make the directory."""
        files.make_directory(self.root)

    def bury(self, path: str, job_id: str, record: Mapping[str, object]) -> None:
        """Move the job file *path* here. The reason is written first, so no letter is without one.

        Raises OSError; calling it again continues from there.
        """
        letter = self.path(job_id)
        reason = self._said(job_id, record)
        files.make_directory(letter)
        files.write_atomic(f"{letter}/{REASON}", reason, sync=True)
        files.sync_directory(letter)
        buried = f"{letter}/{os.path.basename(path)}"
        try:
            os.rename(path, buried)
        except FileNotFoundError:
            if os.path.lexists(path):
                raise  # the letter was swept away, as an empty one
        if os.path.lexists(buried) and not os.path.exists(f"{letter}/{REASON}"):
            # The retry before took it for what was left of the old letter.
            files.write_atomic(f"{letter}/{REASON}", reason, sync=True)

    def _said(self, job_id: str, record: Mapping[str, object]) -> bytes:
        """What a reason says: the *record* of a job, and the last lines of its log."""
        lines = self._results.read_log(job_id)
        text = json.dumps({**record, "log": lines[-LAST_LINES:]}, ensure_ascii=False, indent=1)
        return checksum.seal(text.encode(errors="replace"))

    def letter(self, job_id: str) -> list[JobFile]:
        """The dead letter of a job, even if its worker has published the result and has yet to bury the job."""
        deadline = time.monotonic() + BURIAL
        while ID.fullmatch(job_id):
            found = list(job_files(self.path(job_id), State.FAILED))
            if found or time.monotonic() > deadline or not self._results.exists(job_id):
                return found
            time.sleep(0.01)
        return []

    def reason(self, job_id: str) -> dict[str, Any] | None:
        """The record of a dead letter's job, with the last lines of its log; None when there is no such letter.

        When the reason is damaged, the record is a failure that names the file.
        """
        path = f"{self.path(job_id)}/{REASON}"
        try:
            return read_reason(path, job_id)
        except FileNotFoundError:
            return None
        except DamagedRecord as error:
            problem = f"its reason {path} is damaged: {error}"
        except OSError as error:
            if error.errno not in files.UNREADABLE:
                raise
            problem = f"its reason {path} cannot be read: {files.why(error, path)}"
        return damaged(job_id, born(job_id), problem)

    @contextmanager
    def taking(self, patience: float = PATIENCE) -> Iterator[None]:
        """Within it no other process takes a letter away. Raises SpoolUnavailable after *patience* seconds."""
        with held(self._lock, patience, "takes another dead letter"):
            yield

    def remove(self, job_id: str) -> None:
        """Delete a letter, and the job's log unless its result is kept.

        A letter without a job file stays, for the job may be just about to be buried; see `tidy`. Raises
        SpoolUnavailable.
        """
        if self._is_whole(job_id):
            with self.taking():
                if self._is_whole(job_id):
                    self._remove(job_id)
                    self._results.remove_stray_log(job_id)

    def _is_whole(self, job_id: str) -> bool:
        return any(job_files(self.path(job_id), State.FAILED))

    def _remove(self, job_id: str) -> None:
        letter = self.path(job_id)
        for name in sorted(files.names(letter), key=lambda name: name == REASON):  # the reason last
            files.remove(f"{letter}/{name}")
        files.remove_empty(letter)

    def ids(self) -> list[str]:
        """The ids of all dead letters, unsorted."""
        return [name for name in files.names(self.root) if ID.fullmatch(name)]

    def expire(self, seconds: float, now: float | None = None) -> int:
        """Delete letters buried more than *seconds* before *now*; return how many."""
        now, gone = time.time() if now is None else now, 0
        old = [job_id for job_id in self.ids() if now - files.modified(self.path(job_id)) > seconds]
        try:
            with self.taking(0) if old else nullcontext():
                for job_id in filter(self._is_whole, old):  # into another a job may be coming at this moment
                    gone += self._expire(job_id)
        except SpoolUnavailable as error:
            log.warning("dead letters wait to be removed: %s", error)
        return gone

    def _expire(self, job_id: str) -> bool:
        try:
            self._remove(job_id)
        except OSError as error:
            log.warning("dead letter %s not removed (%s)", job_id, error.strerror or error)
            return False
        return True

    def tidy(self, tmp: str, seconds: float, now: float | None = None) -> None:
        """Remove letters whose job was taken back more than *seconds* before *now* by a process that got no further.

        A job may be buried here at this very moment, and burying begins with the reason. So the reason is not removed,
        but moved to *tmp*, on the same file system, until the directory is gone: then the burial starts again. A letter
        whose reason was lost so, with the process that had moved it, gets it anew.
        """
        now = time.time() if now is None else now
        for job_id in self.ids():
            letter = self.path(job_id)
            if now - files.modified(letter) < seconds:
                continue
            try:
                if self._is_whole(job_id):
                    self._restore(job_id, tmp)
                    continue
                for name in files.names(letter):
                    if name.endswith(".tmp"):
                        files.remove(f"{letter}/{name}")  # of an interrupted burial
                self.withdraw(job_id, tmp)
            except OSError as error:
                log.warning("dead letter %s not tidied up (%s)", job_id, error.strerror or error)

    def _restore(self, job_id: str, tmp: str) -> None:
        """Write the reason of a letter that has none, by the job's result if that is still there."""
        reason, temporary = f"{self.path(job_id)}/{REASON}", f"{tmp}/{job_id}.{random.getrandbits(32):08x}"
        if not os.path.lexists(reason):
            lost = damaged(job_id, born(job_id), "its reason was lost with the process that was to run it again")
            files.write_new(temporary, [self._said(job_id, self._results.get(job_id) or lost)], sync=True)
            files.publish(temporary, reason)

    def withdraw(self, job_id: str, tmp: str) -> None:
        """Remove what is left of a letter whose job was taken back, unless it has been buried again by now."""
        letter, aside = self.path(job_id), f"{tmp}/{job_id}.{random.getrandbits(32):08x}"
        reason = f"{letter}/{REASON}"
        if self._is_whole(job_id):
            return
        try:
            os.rename(reason, aside)
        except FileNotFoundError:
            files.remove_empty(letter)
            return
        files.remove_empty(letter)
        try:
            if os.path.isdir(letter):
                files.publish(aside, reason)  # the job has been buried again
        except FileNotFoundError:
            pass  # and taken back once more
        finally:
            files.remove(aside)

    def path(self, job_id: str) -> str:
        """The directory of a letter."""
        return f"{self.root}/{job_id}"


def read_reason(path: str, job_id: str) -> dict[str, Any]:
    """What `DeadLetters.bury` wrote to *path* about a job. Raises DamagedRecord or OSError."""
    data = files.read(path)
    try:
        if checksum.check(data):
            return checksum.opened(data)
    except checksum.Altered as error:
        raise DamagedRecord(str(error)) from error
    return parsed(data, job_id)  # an earlier version wrote it
