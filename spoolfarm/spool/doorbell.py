"""The bell: enqueuing a job wakes one idle worker that runs such jobs, and disturbs no other.

Each worker has a token, an empty file. It lies

    workers/<wid>.token         while the worker is busy
    idle/<wid>                  while it is idle
    workers/<wid>.bell/<hint>   when it has been rung for: the worker watches this directory

A worker that has nothing more to do first puts its token into idle/, and then checks the queue once more before it
sleeps. A submitter first enqueues its job, and then moves a token out of idle/. So one of the two always sees the
other, and of all that ring for one worker only one succeeds. The token's new name is a hint where in the queue the job
is, so that its worker need not search. When a worker that was rung for dies, the process that reclaims its jobs passes
the ring on. Nothing depends on any of this: idle workers also poll the queue every second.
"""

from __future__ import annotations

import os
import time

from spoolfarm.spool import files, lease
from spoolfarm.spool.buckets import SETTLED, Bucket
from spoolfarm.spool.watch import Watch


class Bell:
    """One worker's bell. Only its worker uses it."""

    def __init__(self, root: str, wid: str) -> None:
        self._busy, self._idle = f"{root}/workers/{wid}.token", f"{root}/idle/{wid}"
        self._home = f"{root}/workers/{wid}.bell"
        os.mkdir(self._home, files.DIRECTORY_MODE)
        files.write_new(self._busy, [])
        self._watch = Watch(self._home)
        #: Where the token is, as far as this worker knows.
        self._token = self._busy

    def lie_down(self) -> None:
        """Let others ring from now on; check the queue once more before you `wait`."""
        if self._token != self._idle and _move(self._token, self._idle):
            self._token = self._idle

    def get_up(self) -> None:
        """Be busy: submitters ring for other workers."""
        if self._token == self._idle:
            if _move(self._idle, self._busy):
                self._token = self._busy
            else:
                self._rung()  # just before

    def wait(self, seconds: float) -> str | None:
        """Sleep until the bell rings, `wake` is called, or *seconds* are over; return the hint if it rang."""
        for _, hint in self._watch.wait(seconds):
            token = f"{self._home}/{hint}"
            if os.path.exists(token):
                self._token = token
                return hint
        return self._rung()

    def _rung(self) -> str | None:
        """Check whether the bell has rung."""
        for hint in files.names(self._home):
            self._token = f"{self._home}/{hint}"
            return hint
        return None

    def wake(self) -> None:
        """End the wait. A signal handler may call this."""
        self._watch.wake()

    def close(self) -> None:
        """Close the descriptors."""
        self._watch.close()


class Ringer:
    """Rings for the workers of the spool at *root*."""

    def __init__(self, root: str) -> None:
        self._idle, self._workers = f"{root}/idle", f"{root}/workers"
        #: What each worker runs, read once per worker.
        self._tasks: dict[str, frozenset[str]] = {}
        #: Whether nobody was idle at the last look, and a time of the directory at which nobody is.
        self._nobody, self._nobody_at = False, 0

    def make(self) -> None:
        """Make the directory of idle workers."""
        files.make_directory(self._idle)

    def ring(self, place: Bucket, name: str) -> None:
        """Wake one idle worker for the job *name* in *place*; without one, those that are busy will look."""
        try:
            for wid in self._idle_ones():
                if place.task in self._runs(wid) and self._ring_for(wid, place.hint(name)):
                    return
        except OSError:
            pass  # the job is queued all the same, and the workers poll every second

    def ring_all(self) -> None:
        """Wake every idle worker."""
        for wid in files.names(self._idle):
            self._ring_for(wid, "look")

    def remove(self, wid: str) -> None:
        """Remove the bell of a worker that ended; if it was rung unnoticed, wake the others instead."""
        home = f"{self._workers}/{wid}.bell"
        files.remove(f"{self._idle}/{wid}")
        unheard = [hint for hint in files.names(home) if files.remove(f"{home}/{hint}")]
        files.remove(f"{self._workers}/{wid}.token")
        files.remove_empty(home)
        self._tasks.pop(wid, None)
        if unheard:
            self.ring_all()

    def _idle_ones(self) -> list[str]:
        """Who can be woken. Where nobody was, the directory's time tells at less than half the price of a look."""
        changed = os.stat(self._idle).st_mtime_ns if self._nobody else 0
        if changed and changed == self._nobody_at:
            return []
        found = files.names(self._idle)
        self._nobody = not found
        if self._nobody and changed and time.time_ns() - changed > SETTLED:
            self._nobody_at = changed
        return found

    def _ring_for(self, wid: str, hint: str) -> bool:
        """False when another submitter was first, or the worker has ended."""
        return _move(f"{self._idle}/{wid}", f"{self._workers}/{wid}.bell/{hint}")

    def _runs(self, wid: str) -> frozenset[str]:
        tasks = self._tasks.get(wid)
        if tasks is None:
            if (said := lease.announced(self._workers, wid)) is None:
                return frozenset()  # it has ended, or a power cut corrupted what it announced
            tasks = frozenset(said["tasks"])
            if len(self._tasks) >= 1000:
                self._tasks.clear()  # workers come and go
            self._tasks[wid] = tasks
        return tasks


def _move(token: str, place: str) -> bool:
    """Move a token. False when it is not there, or the disk refuses: then it stays, and the worker polls."""
    try:
        os.rename(token, place)
    except OSError:
        return False
    return True
