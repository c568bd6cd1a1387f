"""The hot folder of one farm: what it takes from the inbox, answers and moves away, step by step.

    spool/inbox/<task>/NAME            a file that somebody dropped; NAME.params.json beside it has its parameters
    spool/taken/<id>.<n>.json          it became job <id>, and how far that has come: see `journal.py`
    results/inbox/<task>/NAME.json     the answer: the job's record, after NAME.txt and the result's files
    results/inbox/<task>/NAME          the file, moved here at last

A file stays where its writer put it until it is answered, because `install` still sets the owner of a file it has
closed. So nothing in its place says that it is under way. The notes do, by its inode, size and time, and where those
have changed by a digest: a file with the same bytes was only given other times.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spoolfarm.errors import FarmError, InvalidParams, InvalidRequest, SpoolFull, SpoolUnavailable, UnknownJob
from spoolfarm.farm import FULL_RETRY, Farm
from spoolfarm.farm.sidecars import PARAMS, Sidecars
from spoolfarm.hotfolder import dropped
from spoolfarm.hotfolder.archiver import Archiver
from spoolfarm.hotfolder.dropped import CUT_SHORT, PARAMS_LIMIT, Identity, Unfinished, digest, printable
from spoolfarm.hotfolder.inbox import Inbox
from spoolfarm.hotfolder.journal import Journal, Note
from spoolfarm.hotfolder.outbox import Outbox
from spoolfarm.hotfolder.scanner import Scanner
from spoolfarm.spool.job import Job, Result, State, new_id
from spoolfarm.spool.record import DamagedRecord

log = logging.getLogger("spoolfarm.hotfolder")

#: The priority of dropped files: after all requests that a client waits for.
PRIORITY = 7
#: The most files that are jobs at once, and that are taken and not yet moved away.
IN_FLIGHT, UNDER_WAY = 256, 4096
#: Seconds of looking at files after which it is time to look for answers.
SLICE = 0.02
#: Seconds to wait after events that concerned no file of ours, so that a busy farm does not keep this process busy too.
CALM = 0.005
#: Seconds between checks for results that came without an event, and for jobs under way that no longer exist.
RECHECK, AUDIT = 1.0, 30.0
#: Errors that the next file would meet as well.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)
#: Stands for parameters that cannot be read.
UNREADABLE = "?"


class HotFolder:
    """The hot folder of one farm."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._results = farm.results
        self._limit = farm.settings.max_body_mb * 2**20
        #: Half of the queue's room is left to requests.
        self._most = max(1, min(IN_FLIGHT, farm.settings.max_queued // 2))
        self._inbox = Inbox(f"{farm.spool.root}/inbox")
        self._journal = Journal(f"{farm.spool.root}/taken")
        self._outbox = Outbox(f"{farm.results.root}/inbox", farm.results, self._inbox)
        tasks = farm.tasks.for_one()
        self._inbox.make(tasks)
        self._scanner = Scanner(self._inbox, tasks, farm.results.root)
        self._archiver = Archiver(self._outbox, self._journal, self._scanner.wake)
        #: The jobs that have no answer yet, those whose answer could not be written, those whose result may be there.
        self._flying, self._unwritten = set[str](), set[str]()
        self._arrived = deque[str]()
        #: When to try the spool again; when to look for lost results and for lost jobs; by time.monotonic().
        self._blocked = self._recheck_due = self._audit_due = 0.0
        self._woken = self._stopping = False
        for note in self._journal:
            self._resume(note)

    def run(self) -> None:
        """Take, answer and move until stopped."""
        log.info("ready; %d files are under way", len(self._journal))
        while not self._stopping:
            self.step()
        self.close()

    def stop(self, *_: object) -> None:
        """End after the step under way. A signal handler."""
        self._stopping = True
        self._scanner.wake()

    def close(self) -> None:
        """Finish moving, and watch no more."""
        self._archiver.close()
        self._scanner.close()

    def step(self) -> None:
        """Do what can be done now, then wait for something to happen."""
        busy = 0
        try:
            busy = self._answer() + self._depart() + self._look_around()
        except OSError as error:
            log.error("the disk does not obey: %s", error)  # it is full, perhaps; the next step tries again
            self._blocked = time.monotonic() + FULL_RETRY
        if self._woken and not busy:
            time.sleep(CALM)
        seconds = 0.0 if busy or self._stopping else self._pause()
        begin = time.monotonic()
        names = self._scanner.listen(seconds, elsewhere=bool(self._flying))
        self._woken = time.monotonic() - begin < seconds
        came = sorted(self._flying) if names is None else [name.removesuffix(".json") for name in names]
        self._arrived.extend(job_id for job_id in came if job_id in self._flying)

    def _pause(self) -> float:
        """Seconds until there is something to do if nothing happens."""
        now = time.monotonic()
        dues = [self._archiver.due, self._recheck_due if self._flying else self._audit_due]
        if now < self._blocked:
            dues.append(self._blocked)
        elif self._has_room():
            dues.append(self._scanner.due)
        return max(0.0, min(dues) - now)

    def _has_room(self) -> bool:
        return self._active() < self._most and len(self._journal) < UNDER_WAY and time.monotonic() >= self._blocked

    def _active(self) -> int:
        """How many jobs are under way, less those that are paused where they are many: others go on without them."""
        few = len(self._flying) < self._most
        return len(self._flying) if few else self._journal.count(self._flying, self._farm.pauses.names())

    # Begin.

    def _resume(self, note: Note) -> None:
        """Continue where the process before this one stopped."""
        if note.target:
            self._outbox.promise(note)
        ended, damaged = self._results.exists(note.id), self._is_damaged(note.id)
        if ended and not damaged:
            self._flying.add(note.id)
            self._arrived.append(note.id)
        elif (damaged and self._results.remove(note.id)) or (note.target and self._outbox.torn(note)):
            self._archiver.end(note)  # a power cut corrupted the result: the file is taken again
        elif note.target:
            self._archiver.add(note.id, Sidecars.of({}))
        elif self._is_job(note.id):
            self._flying.add(note.id)
        else:
            self._journal.remove(note)  # it was never enqueued

    def _is_damaged(self, job_id: str) -> bool:
        """Whether there is a result that never can be read; one that the disk cannot read now is none."""
        try:
            self._results.read(job_id)
        except DamagedRecord:
            return True
        except OSError:
            return False
        return False

    def _is_job(self, job_id: str) -> bool:
        try:
            self._farm.record(job_id)
        except UnknownJob:
            return False
        return True

    # Take.

    def _look_around(self) -> int:
        """Look at files for a moment; return how many were taken."""
        taken = 0
        end = time.monotonic() + SLICE
        while self._has_room() and time.monotonic() < end and (path := self._scanner.next()) is not None:
            try:
                taken += self._look(path)
            except (SpoolFull, SpoolUnavailable) as error:
                self._scanner.hint(path)
                self._blocked = time.monotonic() + FULL_RETRY
                log.info("waiting with %r: %s", path, error)
        return taken

    def _look(self, path: str) -> bool:
        """Look at what lies at *path*; return whether it was taken. Raises SpoolFull or SpoolUnavailable."""
        if path.endswith(PARAMS):
            path = path.removesuffix(PARAMS)
            self._take_back(path)
        folder, _, name = path.rpartition("/")
        if self._farm.pauses.on(path.partition("/")[0]):
            return False  # it waits in the inbox
        try:
            with self._inbox.folder(folder) as inner:
                return self._look_at(inner, name, path)
        except (FileNotFoundError, NotADirectoryError, PermissionError, Unfinished):
            return False  # or not yet
        except OSError as error:
            if error.errno in DISK:
                raise
            log.error("%r cannot be taken: %s", path, error)
            return False
        except MemoryError:
            log.error("%r cannot be taken: there is not enough memory for it", path)  # the next scan tries again
            return False

    def _look_at(self, folder: int, name: str, path: str) -> bool:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            self._scanner.enter(path)
            return False
        identity = Identity.of(found)
        note = self._journal.latest(path)
        if (note is not None and note.identity == identity) or self._renamed(path, identity):
            return False
        data, problem = b"", None
        try:
            identity, data = self._read(folder, name, path)
        except FarmError as error:
            problem = error
        content = "" if problem else digest(data)
        version = replace(identity, mtime_ns=note.identity.mtime_ns) if note else None
        if note is not None and (note.identity, note.digest) == (version, content):
            self._journal.save(replace(note, identity=identity))  # only its times were set
            return False
        self._take(folder, Note(new_id(), path, identity, content), problem or data)
        return True

    def _read(self, folder: int, name: str, path: str) -> tuple[Identity, bytes]:
        """The file, whole. Raises Unfinished, or FarmError that says why it never will be read."""

        def quiet(identity: Identity) -> float:
            return self._scanner.quiet(path, identity)

        try:
            if name.endswith(PARAMS):
                return dropped.read(folder, name, PARAMS_LIMIT, quiet)
            documents = self._farm.tasks.get(path.partition("/")[0]).pdf
            return dropped.read(folder, name, self._limit, quiet, documents=documents)
        except FileNotFoundError:
            raise
        except OSError as error:
            if quiet(Identity.of(os.stat(name, dir_fd=folder, follow_symlinks=False))) < CUT_SHORT:
                raise Unfinished from error  # its writer may be about to grant us access
            raise InvalidRequest(f"{printable(name)}: cannot be read: {error.strerror}") from error

    def _renamed(self, path: str, identity: Identity) -> bool:
        """Whether this is a file that was taken under another name, which it no longer has."""
        for note in self._journal.twins(identity):
            if note.task != path.partition("/")[0]:
                continue
            try:
                if Identity.of(os.lstat(f"{self._inbox.root}/{note.path}")).same_file(identity):
                    continue  # another link to it
            except (FileNotFoundError, NotADirectoryError):
                pass
            self._journal.save(replace(note, path=path))
            return True
        return False

    def _take(self, folder: int, note: Note, content: bytes | FarmError) -> None:
        """Make it a job, or answer with what is wrong. Raises Unfinished, SpoolFull, SpoolUnavailable or OSError."""
        name = note.path.rpartition("/")[2]
        job, problem = None, content
        if isinstance(content, bytes):
            params, mark = self._params(folder, name, note.path)
            note = replace(note, params=mark)
            try:
                job = self._job(note, content, params)
            except FarmError as error:
                problem = error
        if job is not None:
            note = replace(note, id=job.id)
        self._journal.save(note)
        self._flying.add(note.id)
        try:
            if job is not None:
                self._farm.put(job)
            elif isinstance(problem, FarmError):
                self._refuse(note, problem)
        except (SpoolFull, SpoolUnavailable, OSError, MemoryError):
            self._journal.remove(note)
            self._flying.discard(note.id)
            raise
        except FarmError as error:
            self._refuse(note, error)

    def _job(self, note: Note, data: bytes, params: Mapping[str, Any] | FarmError) -> Job:
        if isinstance(params, FarmError):
            raise params
        field = printable(note.path.rpartition("/")[2])
        try:
            return self._farm.prepare(note.task, [data], params, priority=PRIORITY, field=field, name=note.path)
        except FarmError:
            raise
        except Exception as error:  # a custom task may raise anything: one bad file must not stop the others
            log.exception("task %s cannot check %r", note.task, note.path)
            raise FarmError(f"{field}: the task failed to check it: {type(error).__name__}: {error}") from error

    def _params(self, folder: int, name: str, path: str) -> tuple[Mapping[str, Any] | FarmError, str]:
        """The parameters that lie beside a picture, or what is wrong with them, and their digest. Raises Unfinished."""
        try:
            _, data = self._read(folder, name + PARAMS, path + PARAMS)
        except FileNotFoundError:
            return {}, ""
        except FarmError as error:
            return error, UNREADABLE
        try:
            return dropped.params(data, name + PARAMS), digest(data)
        except InvalidParams as error:
            return error, digest(data)

    def _take_back(self, path: str) -> None:
        """Forget the job of the file *path*, whose parameters came after it, unless it is answered."""
        note = self._journal.latest(path)
        if note is not None and note.id in self._flying and not note.params:
            self._farm.forget(note.id)
            self._flying.discard(note.id)
            self._journal.remove(note)

    def _refuse(self, note: Note, error: FarmError) -> None:
        """Answer with *error*."""
        log.warning("%r: %s", note.path, error)
        now = time.time()
        about = {"error": str(error), "code": error.code, "source": "inbox", "name": printable(note.path)}
        ended = Result(note.id, note.task, State.FAILED, 0, now, None, now, **about)  # type: ignore[arg-type]
        self._results.publish(ended, sync=False)
        self._farm.spool.endings.tell(ended.record())
        self._arrived.append(note.id)

    # Answer.

    def _answer(self) -> int:
        """Write the answers whose results have come; return how many."""
        self._look_for_lost()
        answered = 0
        while self._arrived:
            note = self._journal.get(self._arrived.popleft())
            if note is None or note.id not in self._flying:
                continue
            if (record := self._results.get(note.id)) is None:
                self._drop_damaged(note)
                continue
            try:
                self._write(note, record)
                answered += 1
            except OSError as error:  # it is retried every second, and others need not wait for it
                if note.id not in self._unwritten:
                    self._unwritten.add(note.id)
                    log.error("%r: the answer cannot be written: %s", note.path, error)
        return answered

    def _drop_damaged(self, note: Note) -> None:
        """If there is a result, but not a whole one, have the file taken again."""
        if self._is_damaged(note.id):
            log.error("%r is taken again: its result is damaged", note.path)
            self._flying.discard(note.id)
            self._resume(note)

    def _write(self, note: Note, record: Mapping[str, Any]) -> None:
        endings = Sidecars.of(record)
        if not note.target:
            note = self._outbox.address(note, endings)
            self._journal.save(note)
            self._outbox.promise(note)
        if record["status"] == State.FAILED:
            self._outbox.list_failure(note, record)
        try:
            self._outbox.write(note, endings)
        except FileNotFoundError:
            if self._results.exists(note.id):
                raise
            self._archiver.end(note)  # somebody has just removed the result: the file is taken again
        else:
            self._archiver.add(note.id, endings)
        self._flying.discard(note.id)
        self._unwritten.discard(note.id)

    def _look_for_lost(self) -> None:
        """Find results that came without an event, and take files again whose job has been removed."""
        now = time.monotonic()
        if now >= self._recheck_due:
            self._recheck_due = now + RECHECK
            self._arrived.extend(filter(self._results.exists, sorted(self._flying)))
        if now >= self._audit_due:
            self._audit_due = now + AUDIT
            for lost in [each for each in sorted(self._flying) if not self._is_job(each)]:
                self._flying.discard(lost)
                if (note := self._journal.get(lost)) is not None:
                    self._resume(note)  # it is not what we thought, perhaps after an error

    def _depart(self) -> int:
        """Move answered files away; return how many must be looked at again."""
        changed = self._archiver.step()
        for note in changed:
            latest = self._journal.latest(note.path)
            if latest is not None and latest.id != note.id:
                self._archiver.end(note)  # a later file of its name was taken
            else:
                self._scanner.hint(note.path)  # the same bytes get their new times noted, others are taken
        return len(changed)
