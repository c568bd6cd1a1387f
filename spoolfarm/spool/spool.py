"""The spool: a directory tree in which every job is one file, and a job's state is the directory that holds it.

    tmp/<id>.<chance>                 being written
    queue/<task>/<p><slot>/<name>     queued: p is the priority, 0 first to 9 last; the slot is 4.3 s of clock
    active/<wid>/<name>               claimed by the worker <wid>
    cancel/<name>                     taken out of the queue, about to be cancelled
    cancel/<id>                       a mark: the worker that runs <id> must stop
    dead/<id>/<name>, reason.json     ended for good without a result
    done/<id>.a0                      ended well, and kept while there is room; see `done.py`
    keys/<digest>                     the job that an Idempotency-Key started
    parts/<id>                        the jobs that the job <id> has others do
    disabled/<task>                   why no worker can run it; see `disabled.py`
    paused/<task>                     no worker takes a job of it; see `paused.py`
    counts/                           what has been done so far; see `counts.py`
    workers/<wid>.lock, <wid>.json    a worker's life; and what it says of itself, locked while it waits for room
    workers/suspects.lock             held by the one worker that runs a job which has cost a worker
    workers/cancel.lock, retry.lock   held while a job in cancel/ is ended, or a dead letter is queued again
    workers/<wid>.bell/, .token       how it is woken; see `doorbell.py`
    workers/swept                     when things were swept last; see `sweep_clock.py`
    idle/<wid>                        a worker that can be woken

    name = <id>.a<attempts>, attempts being how often the job was claimed. The name, not the file, counts them, so that
    a picture that kills its worker is counted too. A job that was claimed and given back without an attempt is
    <id>.a00: unlike <id>.a0, which no worker has had, it may be marked. The tree is one file system, and no directory
    is ever renamed.

The moves of a job file. Each is one rename, so of all processes that try, one wins and the others find the file gone:

    put       tmp/<id>.<chance>           -> queue/.../<id>.a0
    claim     queue/.../<id>.a<n>         -> active/<wid>/<id>.a<n+1>
    finish    active/<wid>/<id>.a<n>      -> done/ or gone, after its result is visible; or dead/<id>/ when it failed
    reclaim   active/<dead wid>/<id>.a<n> -> queue/.../<id>.a<n>, or as finish when it is over
    cancel    queue/.../<id>.a<n>         -> cancel/<id>.a<n> -> done/ or gone, after its result is visible
    retry     dead/<id>/<id>.a<n>         -> queue/.../<id>.a0

Guarantee. When `put` has returned for a durable job, the job is in the queue, with a worker, or ended with a result
that says how, whichever process dies and whenever the power fails. It runs at least once and has one result: the first.
A job that is not durable has the same guarantee except for a power cut; somebody waits for its result and will know.

What a crash leaves:

    in put, before the rename         tmp/<id>.<chance>: no job; swept after an hour
    in put, after the rename          the job is queued; the caller was not told
    between claim and result          active/<wid>/ of a dead worker: reclaimed with one attempt counted
    between result and removal        the same: reclaim sees the result and drops the job
    in reclaim, retry, cancel         nothing was lost, and the next reclaim goes on where this one stopped
    in retry, after the rename        dead/<id>/ without a job: swept after an hour

What cannot be promised: that a job runs only once. A worker that dies after its work and before its result leaves a
job that runs again.

A worker is dead when its lock is free; there is no heartbeat, and a slow worker is not a dead one. A worker whose lock
file or directory is removed ends by itself, and a job file that cannot be read, or does not fit its checksum, becomes a
dead letter: neither keeps the other jobs waiting.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from filelock import Timeout

from spoolfarm.errors import NoFarm, SpoolUnavailable, UnknownJob
from spoolfarm.spool import files
from spoolfarm.spool.buckets import Bucket, BucketCounts, Cursor, SyncedBuckets, bucket, buckets
from spoolfarm.spool.counts import Counts
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.disabled import DisabledTasks
from spoolfarm.spool.done import DoneJobs
from spoolfarm.spool.doorbell import Ringer
from spoolfarm.spool.endings import PATIENCE, Endings
from spoolfarm.spool.job import DamagedJob, Job, Result, State, UnreadableJob
from spoolfarm.spool.jobfile import NAME, Claim, JobFile, born, given_back, job_files, move, read_job, undo
from spoolfarm.spool.lease import Lease, alive
from spoolfarm.spool.locate import Locator
from spoolfarm.spool.marks import Marks
from spoolfarm.spool.paused import PausedTasks
from spoolfarm.spool.record import ENDED
from spoolfarm.spool.recovery import UNREADABLE, Recovery
from spoolfarm.spool.results import Results

log = logging.getLogger(__name__)

#: How often a job is claimed before it is given up.
MAX_ATTEMPTS = 3
#: Seconds after which a file in tmp/ belongs to nobody.
ABANDONED = 3600.0


class Spool:
    """The tree under *root*, whose jobs end in *results*."""

    def __init__(
        self, root: str, results: Results, *, max_attempts: int = MAX_ATTEMPTS, keep_mb: int = 0, make: bool = True
    ) -> None:
        """With *make* the tree is made if it does not exist; otherwise that raises NoFarm.

        *keep_mb*: so many MiB of jobs that have ended are kept.
        """
        self.root = os.path.abspath(root)
        self.results = results
        self.max_attempts = max_attempts
        self.tmp = f"{self.root}/tmp"
        self.queue = f"{self.root}/queue"
        self.active = f"{self.root}/active"
        self.marks = f"{self.root}/cancel"
        self.keys = f"{self.root}/keys"
        self.parts = f"{self.root}/parts"
        self.workers = f"{self.root}/workers"
        self.dead = DeadLetters(f"{self.root}/dead", results, f"{self.workers}/retry.lock")
        self._locator = Locator(self.queue, self.active, self.marks, self.dead, results, attempts=max_attempts)
        self.counts = Counts(f"{self.root}/counts")
        self.done = DoneJobs(f"{self.root}/done", keep_mb << 20)
        self.endings = Endings(results, self.dead, self.done, self.counts, f"{self.workers}/cancel.lock")
        self._marks = Marks(self.marks, results, f"{self.workers}/retry.lock")
        self._recovery = Recovery(self.workers, self._locator, self.endings, self._marks, self.requeue, self.retire)
        self.ringer = Ringer(self.root)
        self.disabled = DisabledTasks(self.root)
        self.paused = PausedTasks(self.root)
        if make:
            self.make()
        elif not os.path.isdir(self.queue):
            raise NoFarm(f"no farm here: {self.root} is no spool")
        self._synced, self._counts = SyncedBuckets(self.queue), BucketCounts(self.queue)

    def make(self) -> None:
        """Make the missing directories: all of them at first, later those that have been removed."""
        for path in (self.tmp, self.queue, self.active, self.marks, self.keys, self.parts, self.workers):
            files.make_directory(path)
        self.counts.make()
        self.dead.make()
        self.done.make()
        self.ringer.make()

    # Submit.

    def put(self, job: Job) -> None:
        """Add *job*. When this returns, a durable job survives a power cut. Raises SpoolUnavailable."""
        temporary = f"{self.tmp}/{job.id}.{random.getrandbits(32):08x}"  # what a crash left must not be in the way
        place, name = bucket(self.queue, job.task, job.priority, job.id), f"{job.id}.a0"
        queued = f"{place.path}/{name}"
        reached = temporary
        try:
            files.write_new(temporary, job.to_buffers(), sync=job.durable)
            move(temporary, queued)
            reached = queued
            if job.durable:
                self._synced.sync(place)
        except OSError as error:
            fate = "nothing was queued" if undo(reached, queued) else "it may run all the same"
            raise SpoolUnavailable(f"the job cannot be written ({files.where(error)}); {fate}") from error
        self.ringer.ring(place, name)

    # Work.

    def retire(self, lease: Lease) -> None:
        """Remove the files of a worker that has ended, its lock last."""
        self.ringer.remove(lease.wid)
        lease.end()

    def cursor(self, tasks: Sequence[str]) -> Cursor:
        """A place in the queue for one worker that runs *tasks*."""
        return Cursor(self.queue, tasks, self.paused)

    def claim(self, lease: Lease, cursor: Cursor, most: Callable[[str], int]) -> list[Claim]:
        """Take the next job for the worker of *lease*, and its neighbours up to `most(task)` and one worker's share.

        Empty when nothing is queued. A job that has killed a worker comes alone, while no other worker runs such a job.
        Raises LeaseLost when there are jobs, and the directory into which they are claimed is gone.
        """
        met = 0
        for met, (place, name) in enumerate(iter(cursor.next, None), 1):
            if (first := self._claim(lease, place, name)) is None:
                cursor.missed(name, met)
                continue
            batch = [first]
            room = most(place.task) if first.job.attempts == 1 else 1
            if room > 1:
                try:
                    room = min(room, cursor.share(len(files.names(self.active))))
                except OSError:
                    room = 1  # the job that is claimed must be run all the same
            while len(batch) < room and (name_of_next := cursor.next_of(place)) is not None:
                try:
                    if name_of_next.endswith(".a0") and (claim := self._claim(lease, place, name_of_next)):
                        batch.append(claim)
                except OSError:
                    break  # run those already claimed; if it was no accident, the next claim meets it again
            return batch
        if met:
            lease.check()
        return []

    def _claim(self, lease: Lease, place: Bucket, name: str) -> Claim | None:
        if (parsed := NAME.fullmatch(name)) is None:
            return None  # not one of our files
        attempts = int(parsed[2]) + 1
        if attempts > 1 and not lease.try_suspects():
            return None
        path = f"{lease.active}/{parsed[1]}.a{attempts}"
        try:
            os.rename(f"{place.path}/{name}", path)
        except FileNotFoundError:
            return None  # another worker was first
        started = time.time()
        try:
            try:
                claim = Claim(read_job(path, attempts), path, started)
                if (task := claim.job.task) != place.task:
                    raise DamagedJob(f"its file {name} is of task {task!r}, and lay in the queue of {place.task!r}")
                if parsed[2] == "0" or not self._marks.on(parsed[1]):
                    return claim
                self.endings.cancel_claimed(claim)
                return None
            except DamagedJob as error:
                if isinstance(error, UnreadableJob) and time.time() - born(parsed[1]) < UNREADABLE:
                    move(path, f"{place.path}/{given_back(parsed[1], attempts - 1)}")  # the disk may do better later
                    return None
                claimed = JobFile(path, parsed[1], attempts, State.RUNNING)
                self.endings.give_up(claimed, error.code, str(error), place.task)
                return None
        except OSError:
            if not self.endings.begun(path):
                move(path, f"{place.path}/{given_back(parsed[1], attempts - 1)}")
            raise

    def take_back(self, lease: Lease) -> None:
        """Requeue what the worker of *lease*, which runs nothing, has in active/: a claim that failed left it there."""
        for file in job_files(lease.active, State.RUNNING):
            try:
                self._put_back(file, file.job())
            except DamagedJob as error:
                self.endings.give_up(file, error.code, str(error))

    def give_back(self, claim: Claim) -> None:
        """Requeue a claimed job, as if it had not been claimed, unless it has ended."""
        self._put_back(JobFile(claim.path, claim.job.id, claim.job.attempts, State.RUNNING), claim.job)

    def lose(self, claim: Claim, cause: str, reason: str, *, alone: bool, blamed: bool) -> None:
        """End an attempt whose worker lives and could not run it to its end, as `reclaim` does for a dead worker.

        Unless the job may be *blamed*, the attempt does not count, except for a job that must not be done twice.
        """
        file = JobFile(claim.path, claim.job.id, claim.job.attempts, State.RUNNING)
        counts = blamed or claim.job.tries == 1
        self._recovery.lose(file, claim.job, cause, reason, alone=alone, counts=counts)

    def _put_back(self, file: JobFile, job: Job) -> None:
        if self.endings.begun(file.path):
            self.endings.let_go(file.path, job)
        else:
            self.requeue(file.path, job, file.attempts - 1)

    def requeue(self, path: str, job: Job, attempts: int) -> None:
        """Queue a claimed *job* again, whose file is at *path*, as one of so many *attempts*."""
        self.results.remove_files(job.id)  # which the attempt prepared
        place, name = bucket(self.queue, job.task, job.priority, job.id), given_back(job.id, attempts)
        move(path, f"{place.path}/{name}")
        self.ringer.ring(place, name)

    def finish(self, claim: Claim, result: Result) -> None:
        """Make *result* visible, and then remove the job. Raises OSError; calling it again continues from there."""
        self.endings.finish(claim, result)

    # Recover.

    def reclaim(
        self,
        causes: Mapping[str, str] | None = None,
        reasons: Mapping[str, str] | None = None,
        living: Collection[str] = (),
    ) -> int:
        """Requeue the jobs of dead workers, or end them; return how many there were.

        *causes* says by worker id how a worker died, *reasons* in a word; a job that is to blame alone ends by that, of
        several each is tried again, alone. *living* are workers that the caller will see die: one that ends lets go of
        its lock a little earlier, and its jobs wait until it is known why. Several processes may call this at once.
        """
        return self._recovery.run(causes or {}, reasons or {}, living)

    # Change one's mind.

    def cancel(self, job_id: str, *, forget: bool = False) -> bool:
        """Cancel a job: at once when queued, else by a mark that its worker sees. False when it has ended.

        With *forget* the result of a running job goes too, once it has ended. Raises UnknownJob.
        """
        while (file := self.find(job_id)) and (file.state not in ENDED or file.path.startswith(self.marks)):
            if file.state is State.RUNNING:
                self._marks.set(job_id, forget=forget)  # and it stays until its worker has let go of the job
                if os.path.exists(file.path):
                    return not self.results.exists(job_id)
                continue  # its worker has died, or given it back, or ended it
            taken = f"{self.marks}/{os.path.basename(file.path)}"
            try:
                os.rename(file.path, taken)  # to itself, if a process that cancelled it got no further
            except FileNotFoundError:
                continue  # a worker was first
            try:
                self.endings.cancel(JobFile(taken, file.id, file.attempts, State.CANCELLED), PATIENCE)
            except Timeout as error:
                raise SpoolUnavailable("a process that cancels another job does not come to its end") from error
            return True
        if file is None:
            raise UnknownJob(f"no job {job_id!r}")
        return False

    def forget(self, job_id: str) -> None:
        """Cancel a job that nobody waits for any more, and remove what is left of it when it has ended."""
        try:
            if self.cancel(job_id, forget=True) and self.marked(job_id) and not self.results.exists(job_id):
                return  # it runs, and its result goes when it has ended
        except UnknownJob:
            pass
        self.results.remove(job_id)
        self.done.remove(job_id)

    def marked(self, job_id: str) -> bool:
        """Whether a cancellation was requested while the job ran."""
        return self._marks.on(job_id)

    def retry(self, job_id: str) -> None:
        """Queue a dead letter again, with its attempts at zero. Raises UnknownJob when there is no such letter.

        One caller at a time: a late one must not remove the result of the job that runs again.
        """
        with self.dead.taking():
            for file in self.dead.letter(job_id):
                try:
                    job = file.job()
                except UnreadableJob as error:
                    raise SpoolUnavailable(f"job {job_id} cannot be run again: {error}") from error
                except DamagedJob as error:
                    raise UnknownJob(f"job {job_id} cannot be run again: {error}") from error
                except FileNotFoundError:
                    break  # it has just been removed
                place, name = bucket(self.queue, job.task, job.priority, job.id), f"{job_id}.a0"
                self._marks.remove(job_id)
                self.results.remove(job_id)
                self.results.index.forget(job_id)
                self.results.sync_names()  # else a power cut could bring the old result back
                try:
                    move(file.path, f"{place.path}/{name}")
                except FileNotFoundError:
                    break
                self._synced.sync(place)
                self.dead.withdraw(job_id, self.tmp)
                self.ringer.ring(place, name)
                return
        raise UnknownJob(f"no dead letter {job_id!r}")

    def pause(self, task: str) -> None:
        """Have workers take no more jobs of *task*, or ALL, until it is resumed. Raises SpoolUnavailable."""
        try:
            self.paused.add(task)
        except OSError as error:
            raise SpoolUnavailable(f"the pause cannot be written ({files.where(error)})") from error

    def resume(self, task: str) -> None:
        """Have workers take jobs of *task* again, of ALL of any task. Raises SpoolUnavailable."""
        try:
            self.paused.remove(task)
        except OSError as error:
            raise SpoolUnavailable(f"the pause cannot be removed ({files.where(error)})") from error
        self.ringer.ring_all()

    # Look.

    def find(self, job_id: str) -> JobFile | None:
        """Where a job is now; None when there is none of that id. An ended job's file points at its result."""
        return self._locator.find(job_id)

    def queued(self) -> Iterator[tuple[JobFile, str]]:
        """Every queued job with its task, in no order. Costs a listing of the whole queue."""
        for place in buckets(self.queue, files.names(self.queue)):
            yield from ((file, place.task) for file in job_files(place.path, State.QUEUED))

    def count(self) -> dict[str, int]:
        """How many jobs are queued, by task. Lists only what has changed since it was counted before."""
        return self._counts.by_task()

    def running(self) -> dict[str, list[JobFile]]:
        """The jobs that workers have, by worker id."""
        return {wid: list(job_files(f"{self.active}/{wid}", State.RUNNING)) for wid in files.names(self.active)}

    def tidy(self, now: float | None = None) -> None:
        """Remove what dead processes left half-written or half done."""
        now = time.time() if now is None else now
        left = [f"{self.tmp}/{name}" for name in files.names(self.tmp)]
        for folder in (self.root, self.marks, self.workers, self.counts.root):
            left += [f"{folder}/{name}" for name in files.names(folder) if name.endswith(".tmp")]
        for path in left:
            if now - files.modified(path) > ABANDONED:
                files.remove(path)
        self.dead.tidy(self.tmp, ABANDONED, now)
        self.counts.fold(lambda wid: alive(self.workers, wid))
