"""Results: the answers on disk, each complete the moment it is visible, and never replaced.

    results/<id>.json    how job <id> ended: its record
    results/<id>/        the files of its result, if it has any; see `attachments.py`
    results/<id>.log     what it logged while it ran: one JSON object a line, {"at": ..., "log" or "progress": ...}
    results/index/       what listings filter by; see `index.py`
    results/inbox/       what the hot folder has answered: not ours any more, and never touched again
    results/tmp/         being written

A record ends with its checksum; see `checksum.py`. It is written to tmp/ and linked to its place. The link fails when
there is one already, so the first result of a job is its result. `results/` may lie on another file system than the
spool.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from spoolfarm.errors import UnknownFile, UnknownJob
from spoolfarm.spool import checksum, files
from spoolfarm.spool.arrivals import Arrivals
from spoolfarm.spool.attachments import Attachments
from spoolfarm.spool.index import Index
from spoolfarm.spool.job import NUMBER, Result, State
from spoolfarm.spool.jobfile import born
from spoolfarm.spool.record import DamagedRecord, damaged, parsed
from spoolfarm.spool.watch import RESCAN, Watch

log = logging.getLogger(__name__)

#: What an id looks like; anything else is not one of our jobs, and such files are never touched.
ID = re.compile(r"[0-9a-f]{24}")
#: What the file of a result is called.
RESULT = re.compile(rf"{ID.pattern}\.json")
#: Seconds for which a file may lie in tmp/ unwritten, at least, and a directory of files without its record, at most.
WRITING = 3600.0
#: Seconds between reads of a log that is being followed: at first, and when it has said nothing for a while.
FOLLOW, QUIET = 0.1, 0.5
#: Bytes at the end of a log in which the progress is looked for.
LAST_WORDS = 65536


class Results:
    """The directory of answers."""

    def __init__(self, root: str, *, make: bool = True) -> None:
        """With *make* the directory is made if it does not exist."""
        self.root = os.path.abspath(root)
        self._tmp = os.path.join(self.root, "tmp")
        if make:
            files.make_directory(self._tmp)
        self.attachments = Attachments(self.root, self._tmp)
        self.index = Index(f"{self.root}/index")
        self._arrivals = Arrivals(self.root)

    def publish(self, result: Result, *, sync: bool) -> bool:
        """Make *result* visible, and with *sync* power-cut proof. False when the job has a result already."""
        won = self.show(result, sync=sync)
        if sync:
            self.sync_names()
        return won

    def show(self, result: Result, *, sync: bool) -> bool:
        """Make *result* visible. With *sync* it is power-cut proof after `sync_names`. False when there is one already.

        Raises OSError only when it is not visible.
        """
        record = checksum.seal(result.to_bytes())
        if result.files:
            if self.exists(result.id):
                return False
            self.attachments.place(result.id, result.files, sync=sync)
        temporary = f"{self._tmp}/{result.id}.{random.getrandbits(32):08x}"
        self._write(temporary, record, sync=sync)
        won = files.publish(temporary, self._path(result.id))
        if won and sync:
            self.index.add(result.record())
        return won

    def sync_names(self) -> None:
        """Sync to disk which results there are."""
        files.sync_directory(self.root)

    def _write(self, temporary: str, data: bytes, *, sync: bool = False) -> None:
        """Write a file in tmp/, which may have been removed."""
        try:
            files.write_new(temporary, [data], sync=sync)
        except FileNotFoundError:
            files.make_directory(self._tmp)
            files.write_new(temporary, [data], sync=sync)

    def exists(self, job_id: str) -> bool:
        """Whether the job has ended."""
        return os.path.exists(self._path(job_id))

    def get(self, job_id: str) -> dict[str, Any] | None:
        """The record of an ended job, or None; None also for one that is damaged or cannot be read: see `told`."""
        if not ID.fullmatch(job_id):
            return None  # the id may come from anyone, and must not lead elsewhere
        try:
            return self.read(job_id)
        except DamagedRecord:
            return None
        except OSError as error:
            if error.errno in files.UNREADABLE:
                return None
            raise

    def read(self, job_id: str) -> dict[str, Any] | None:
        """The record of an ended job; None when there is none. Raises DamagedRecord, or OSError when unreadable."""
        try:
            return parsed(files.read(self._path(job_id)), job_id)
        except FileNotFoundError:
            return None

    def told(self, job_id: str) -> dict[str, Any] | None:
        """What is told of an ended job: its record; when that is damaged, a failure that names the file."""
        if not ID.fullmatch(job_id):
            return None
        path = self._path(job_id)
        try:
            return self.read(job_id)
        except DamagedRecord as error:
            problem = f"its result {path} is damaged: {error}"
        except OSError as error:
            if error.errno not in files.UNREADABLE:
                raise
            problem = f"its result {path} cannot be read: {files.why(error, path)}"
        return damaged(job_id, born(job_id), problem)

    def wait(self, job_id: str, seconds: float) -> dict[str, Any] | None:
        """The record as `told`, as soon as there is one; None when *seconds* are over."""
        return self._arrivals.wait(f"{job_id}.json", lambda: self.told(job_id), seconds)

    def watch(self) -> Watch:
        """A watch for one thread that waits for any of several results; see `arrived`."""
        return Watch(self.root)

    def arrived(self, watch: Watch, waiting: Collection[str]) -> list[dict[str, Any]]:
        """The records, as `told`, of those of *waiting* that have ended; waits a moment for the first."""
        names = [name for _, name in watch.wait(RESCAN)]
        seen = [name.removesuffix(".json") for name in names if name.endswith(".json")]  # the others are logs and files
        if not names or "" in names:
            seen = list(waiting)  # nothing for a while, or more than the kernel could note: look for all
        found = (self.told(job_id) for job_id in seen if job_id in waiting)
        return [record for record in found if record is not None]

    def file(self, job_id: str, name: str) -> Path:
        """Where the file *name* of a result lies. Raises UnknownJob or UnknownFile."""
        record = self.get(job_id)
        if record is None:
            raise UnknownJob(f"job {job_id!r} has no result")
        if name not in record.get("files", ()):
            raise UnknownFile(f"the result of job {job_id} has no file {name!r}; it has {record.get('files', [])}")
        return self.attachments.path(job_id, name)

    def contents(self, record: Mapping[str, Any]) -> dict[str, bytes]:
        """The files of the result of *record*, by name. Raises UnknownFile when they have just been removed."""
        try:
            return {name: self.file(record["id"], name).read_bytes() for name in record.get("files", ())}
        except FileNotFoundError as error:
            raise UnknownFile(f"the result of job {record['id']} was removed before it was read") from error

    def remove(self, job_id: str) -> bool:
        """Forget a result, its files and its log. False when there was no result."""
        self.remove_log(job_id)
        removed = files.remove(self._path(job_id))
        self.remove_files(job_id)
        return removed

    def remove_log(self, job_id: str) -> None:
        """Remove a job's log; if the disk refuses, the log goes when it expires."""
        try:
            files.remove(self._log_path(job_id))
        except OSError as error:
            log.warning("job %s: log not removed (%s)", job_id, error.strerror)

    def remove_stray_log(self, job_id: str) -> None:
        """Remove a job's log unless its result is kept."""
        if not self.exists(job_id):
            self.remove_log(job_id)

    def collect(self, record: Mapping[str, Any]) -> bool:
        """Forget the result with this *record*, of a job that was not durable: its log went when it ended."""
        removed = files.remove(self._path(record["id"]))
        if "files" in record or record["status"] != State.SUCCEEDED:
            self.remove_files(record["id"])
        return removed

    def remove_files(self, job_id: str) -> None:
        """Remove the files of a result that is not there; if the disk refuses, they go when they expire."""
        try:
            self.attachments.remove(job_id)
        except OSError as error:
            log.warning("job %s: files not removed (%s)", job_id, error.strerror)

    def hand_over(self, job_id: str, place: str, texts: Mapping[str, bytes], attached: Mapping[str, str]) -> None:
        """Hand a result over to the user: it moves to *place*, the record last, and never expires.

        *texts* are written beside it and the result's files moved there, each to *place* with its key as the suffix.
        Calling it again after a crash continues from there; what lay at these places is replaced.
        """
        for ending, text in texts.items():
            temporary = f"{self._tmp}/{job_id}.{random.getrandbits(32):08x}"
            self._write(temporary, text)
            files.relocate(temporary, place + ending)
        for ending, name in attached.items():
            try:
                files.relocate(str(self.attachments.path(job_id, name)), place + ending)
            except FileNotFoundError:
                pass  # it went before the crash
        files.relocate(self._path(job_id), f"{place}.json")
        self.remove_files(job_id)

    def ids(self) -> list[str]:
        """The ids of all ended jobs, unsorted."""
        return [name[:-5] for name in files.names(self.root) if RESULT.fullmatch(name)]

    def write_log(self, job_id: str, **words: Any) -> None:
        """Add one line to the job's log, if the disk takes it: no line is worth a job."""
        text = json.dumps({"at": time.time(), **words}, ensure_ascii=False, allow_nan=False)
        line = text.encode(errors="replace") + b"\n"
        try:
            files.append(self._log_path(job_id), line)
        except OSError as error:
            log.warning("job %s: log line lost (%s)", job_id, error.strerror)

    def read_log(self, job_id: str, start: int = 0) -> list[dict[str, Any]]:
        """The log's complete lines from byte *start* on; `next` in each is the *start* that continues after it.

        A line that a full disk or a crash cut short spoils itself and the next one: such lines are left out, as is one
        that does not hold what `write_log` writes.
        """
        try:
            with open(self._log_path(job_id), "rb") as file:
                file.seek(start)
                data = file.read()
        except FileNotFoundError:
            return []
        lines = []
        for line in data.split(b"\n")[:-1]:
            start += len(line) + 1
            if (words := said(line)) is not None:
                lines.append({**words, "next": start})
        return lines

    def lost(self, job_id: str) -> list[dict[str, Any]]:
        """The attempts of a job that ended without a result, by its log: see `Result.lost`."""
        return [line["attempt"] for line in self.read_log(job_id) if isinstance(line.get("attempt"), dict)]

    def log_size(self, job_id: str) -> int:
        """The bytes of a job's log; 0 when there is none."""
        try:
            return os.stat(self._log_path(job_id)).st_size
        except FileNotFoundError:
            return 0

    def progress(self, job_id: str) -> float | None:
        """How much of a running job is done, by the end of its log; None when it does not say."""
        lines = reversed(self.read_log(job_id, max(0, self.log_size(job_id) - LAST_WORDS)))
        return next((line["progress"] for line in lines if "progress" in line), None)

    def follow(self, job_id: str, start: int = 0) -> Iterator[dict[str, Any] | None]:
        """Yield the log's lines as they are written, as `read_log` gives them, and at the end `{"record": ...}`.

        None when there was nothing new for a while.
        """
        pause = FOLLOW
        while True:
            record = self.wait(job_id, pause)
            lines = self.read_log(job_id, start)
            yield from lines
            if record is not None:
                yield {"record": record}
                return
            if lines:
                start, pause = lines[-1]["next"], FOLLOW
            else:
                pause = min(pause + FOLLOW, QUIET)
                yield None

    def expire(self, seconds: float, now: float | None = None) -> int:
        """Remove what ended more than *seconds* before *now*, and what is half-written for as long; how many results.

        A result counts as old only when both its file and its id are: a clock that jumped forward and back, or a copy
        that kept old times, does not lose an answer nobody has read. What cannot be removed does not stop the rest.
        """
        now, gone = time.time() if now is None else now, 0
        for name in files.names(self.root):
            try:
                gone += self._expire(name, now - seconds, now - min(seconds, WRITING))
            except OSError as error:
                log.warning("%s/%s not removed (%s)", self.root, name, error.strerror or error)
        for name in files.names(self._tmp):
            path = os.path.join(self._tmp, name)
            last = max(files.modified(each) for each in (path, *(f"{path}/{inner}" for inner in files.names(path))))
            if now - last > max(seconds, WRITING):
                files.remove_tree(path) if os.path.isdir(path) else files.remove(path)
        self.index.expire(seconds)
        return gone

    def _expire(self, name: str, latest: float, abandoned: float) -> bool:
        """Remove the file *name* when it is ours and older than *latest*; whether it was a result.

        A directory goes when it is older than *abandoned* and has no result beside it.
        """
        stem, dot, suffix = name.partition(".")
        if not ID.fullmatch(stem) or self._came(name, stem) >= (latest if dot else abandoned):
            return False
        if suffix == "log":
            files.remove(os.path.join(self.root, name))
        elif suffix == "json":
            return self._remove_old(stem, latest)
        if not dot and not self.exists(stem):
            self.attachments.remove(stem)
        return False

    def _remove_old(self, job_id: str, latest: float) -> bool:
        """Remove a result, but not one that has just come in the place of the old one, as after a retry."""
        aside = f"{self._tmp}/{job_id}.{random.getrandbits(32):08x}"
        try:
            os.rename(self._path(job_id), aside)
        except FileNotFoundError:
            return False
        if files.modified(aside) >= latest:
            files.publish(aside, self._path(job_id))
            return False
        return files.remove(aside)

    def close(self) -> None:
        """Stop watching for arrivals."""
        self._arrivals.close()

    def _came(self, name: str, job_id: str) -> float:
        """When a file of a job was written last, and no earlier than the job was submitted."""
        return max(files.modified(os.path.join(self.root, name)), int(job_id[:16], 16) / 1e9)

    def _path(self, job_id: str) -> str:
        return f"{self.root}/{job_id}.json"

    def _log_path(self, job_id: str) -> str:
        return f"{self.root}/{job_id}.log"


def said(line: bytes) -> dict[str, Any] | None:
    """What a line of a log says; None when it is not as `Results.write_log` wrote it."""
    try:
        words = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, dict) or not isinstance(words.get("at"), NUMBER):
        return None
    whole = isinstance(words.get("log", ""), str) and isinstance(words.get("progress", 0.0), NUMBER)
    return words if whole and ("log" in words or "progress" in words) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
