"""The queue's buckets, and a worker's place in them: the oldest bucket is listed once, then emptied name by name.

A queued job lies in queue/<task>/<priority><slot>/. So the sorted names of the buckets are the order of work, a listing
is never longer than what 4.3 s of submitting left, and a claim costs the same with a thousand jobs queued as with a
million.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from spoolfarm.spool import files
from spoolfarm.spool.job import slot_of
from spoolfarm.spool.paused import SEEN, PausedTasks

#: Seconds for which a list of buckets stays valid, and for which a more urgent job may wait behind a less urgent one.
FRESH = 0.1
#: Nanoseconds after which a directory's modification time reflects every change: the kernel's clock for it is coarse.
SETTLED = 10**9
#: So many jobs in a row that others have taken show that many workers empty one bucket.
CROWDED = 4
#: A list stays valid for this many times as long as it took to make: half a day's queue has ten thousand buckets.
LISTING_SHARE = 20


@dataclass(frozen=True, slots=True)
class Bucket:
    """The queued jobs of one task and priority that came in the same time slot."""

    task: str
    #: Priority digit and slot.
    name: str
    path: str

    def hint(self, name: str) -> str:
        """Where the job file *name* is, encoded as a file name; see `Cursor.point`."""
        return f"{self.task},{self.name},{name}"


def bucket(root: str, task: str, priority: int, job_id: str) -> Bucket:
    """The bucket under *root* in which a job belongs. Its name follows from the job, so a job given back is found."""
    name = f"{priority}{slot_of(job_id)}"
    return Bucket(task, name, f"{root}/{task}/{name}")


def buckets(root: str, tasks: Sequence[str]) -> list[Bucket]:
    """All buckets of *tasks*, the one to empty first at the front."""
    there = [task for task in files.names(root) if task in tasks]
    found = [Bucket(task, name, f"{root}/{task}/{name}") for task in there for name in files.names(f"{root}/{task}")]
    return sorted(found, key=lambda each: (each.name, each.task))


class Cursor:
    """A worker's place in the queue. Only a hint of what is there: a name it gives may be gone."""

    def __init__(self, root: str, tasks: Sequence[str], paused: PausedTasks) -> None:
        self._root = root
        self._tasks = tasks
        self._paused = paused
        self._buckets: list[Bucket] = []
        self._current: Bucket | None = None
        self._names: list[str] = []
        self._stale = 0.0
        #: When the names may be listed again.
        self._names_stale = 0.0
        #: The tasks that are paused, and when to look again where none is.
        self._resting: set[str] = set()
        self._look = 0.0

    @property
    def has_more(self) -> bool:
        """Whether there was more in the queue when it was last listed."""
        return bool(self._names or self._buckets)

    def look_again(self) -> None:
        """List the buckets again at the next call."""
        self._stale = 0.0

    def point(self, hint: str) -> bool:
        """Make the next job the one that *hint* points at. False when it points at none."""
        task, _, rest = hint.partition(",")
        name, _, job = rest.partition(",")
        if not job or task not in self._tasks:
            return False
        self._current = Bucket(task, name, f"{self._root}/{task}/{name}")
        self._names = [job]
        self._buckets = []
        self._stale = time.monotonic() + FRESH
        return True

    def next(self) -> tuple[Bucket, str] | None:
        """The next queued job's bucket and file name; None at the end, after which the next call starts over.

        A task that is paused has none, from the next call on.
        """
        now = time.monotonic()
        if now >= self._stale:
            self._start_over()
        if self._resting or now >= self._look:
            self._pass_over(now)
        while not self._names:
            if not self._buckets:
                self._current, self._stale = None, 0.0
                return None
            self._open(self._buckets.pop())
        assert self._current is not None
        return self._current, self._names.pop()

    def missed(self, name: str, in_a_row: int) -> None:
        """The job *name* was not to be had, the last of some *in_a_row*: after a few, list the rest again.

        Where many workers empty one bucket, most of the names that each has listed are those of others' jobs.
        """
        if in_a_row % CROWDED == 0 and self._names and self._current and time.monotonic() >= self._names_stale:
            self._open(self._current, name)

    def share(self, workers: int) -> int:
        """How many jobs of the current bucket are one worker's share: the last one named, and some that come after."""
        return -(-(len(self._names) + 1) // max(1, workers))

    def next_of(self, wanted: Bucket) -> str | None:
        """The next file name of the same bucket, to claim together with it; None at the end of the bucket."""
        return self._names.pop() if self._names and self._current == wanted else None

    def _start_over(self) -> None:
        """List the buckets again. The names already listed stay valid while their bucket is still the first."""
        begin = time.monotonic()
        self._buckets = buckets(self._root, self._tasks)[::-1]
        self._stale = begin + max(FRESH, LISTING_SHARE * (time.monotonic() - begin))
        if self._names and self._buckets and self._buckets[-1] == self._current:
            self._buckets.pop()
        else:
            self._names = []

    def _pass_over(self, now: float) -> None:
        """Leave out what belongs to paused tasks, until the buckets are listed again."""
        self._look = now + SEEN
        self._resting = set(filter(self._paused.on, self._tasks)) if self._paused.any() else set()
        self._buckets = [each for each in self._buckets if each.task not in self._resting]
        if self._current and self._current.task in self._resting:
            self._names = []

    def _open(self, bucket: Bucket, after: str = "") -> None:
        begin = time.monotonic()
        self._current = bucket
        self._names = sorted((name for name in files.names(bucket.path) if name > after), reverse=True)
        now = time.monotonic()
        self._names_stale = now + LISTING_SHARE * (now - begin)
        if not self._names and bucket.name[1:] < _previous_slot():
            files.remove_empty(bucket.path)
            files.remove_empty(f"{self._root}/{bucket.task}")  # so that no worker searches it in vain


def oldest(root: str) -> dict[str, float]:
    """For how many seconds the first job of each task in the queue has been there, whatever its priority.

    Lists the oldest bucket of each task. A job that was given back or is tried again has been there since then.
    """
    found = {}
    by_age = sorted(buckets(root, files.names(root)), key=lambda each: each.name[1:])
    for place in by_age:
        if place.task not in found and (names := files.names(place.path)):
            found[place.task] = max(0.0, time.time() - files.changed(f"{place.path}/{min(names)}"))
    return found


def _previous_slot() -> str:
    """The slot before the current one: a submitter may still be on its way into either of the two."""
    return f"{(time.time_ns() >> 32) - 1:08x}"


class SyncedBuckets:
    """Which buckets of the queue at *root* this process has synced to disk, names and parents."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._synced: set[str] = set()

    def sync(self, place: Bucket) -> None:
        """Sync the names of a bucket to disk, and those of its parents unless this process has already done so.

        Only a bucket of the current slot counts as synced: an older one may have been emptied, removed and made again.
        """
        current = place.name[1:] == f"{time.time_ns() >> 32:08x}"
        known = current and place.path in self._synced
        for path in (place.path,) if known else (place.path, os.path.dirname(place.path), self._root):
            with contextlib.suppress(FileNotFoundError):  # a fast worker has already removed the empty bucket
                files.sync_directory(path)
        if current:
            self._synced = {*list(self._synced)[-16:], place.path}


class BucketCounts:
    """How many jobs the buckets of the queue at *root* hold; a bucket is listed again only when it has changed."""

    def __init__(self, root: str) -> None:
        self._root = root
        #: By path: when a bucket was changed last, in nanoseconds since the epoch, and how many files it held then.
        self._known: dict[str, tuple[int, int]] = {}

    def by_task(self) -> dict[str, int]:
        """The number of queued jobs of each task that has a bucket."""
        found: dict[str, int] = {}
        known, self._known = self._known, {}
        for place in buckets(self._root, files.names(self._root)):
            now = time.time_ns()
            try:
                changed = os.stat(place.path).st_mtime_ns
            except FileNotFoundError:
                continue  # it was empty, and has just been removed
            counted = known.get(place.path)
            if counted is None or counted[0] != changed:
                counted = changed, len(files.names(place.path))
            if now - changed > SETTLED:
                self._known[place.path] = counted
            found[place.task] = found.get(place.task, 0) + counted[1]
        return found
