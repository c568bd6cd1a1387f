"""The ledger: the folder of a batch's results, from which an interrupted batch resumes.

    NAME.json         the record of the job that did the input NAME, in the same sub-folders
    NAME.txt          the text in its result, if there is one
    NAME.png, ...     the files of its result, by their suffixes
    results.jsonl     all records, one per line, as they came, each with the input's name, size and time
    results.csv       the same as a table, on request
    .spoolfarm-batch  the arguments the batch began with; it also marks this folder as one of results

A line in results.jsonl is written after the files beside it. So an input is done when it has a line that says
"succeeded", its NAME.json is there, and it has not changed since. A crash leaves at worst a partial line. When the
batch resumes, that line is removed, as are the lines of all inputs to be done again; the table is then rebuilt from
the rest.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from spoolfarm import csv_lines
from spoolfarm.errors import FarmError, InvalidRequest
from spoolfarm.farm.sidecars import Sidecars
from spoolfarm.spool import checksum, files
from spoolfarm.spool.job import State

MARK, LOCK = ".spoolfarm-batch", ".spoolfarm-batch.lock"
#: A file of a result that is being copied.
PART = ".spoolfarm-part"
LINES, TABLE = "results.jsonl", "results.csv"
COLUMNS = ("file", "status", "seconds", "error", "text", "result")
#: People open the results with programs of all kinds, as other users too.
FILE_MODE = 0o666
#: The errors with which the disk refuses one name but would take others.
BAD_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


@dataclass(frozen=True)
class Beginning:
    """The arguments with which a batch began, and with which it resumes."""

    task: str
    params: Mapping[str, Any]
    #: The folder to which the names of the inputs are relative.
    base: str


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of an input was done; nothing when it could not be read."""

    size: int | None = None
    mtime_ns: int | None = None

    @classmethod
    def of(cls, found: os.stat_result) -> Version:
        """The version that a stat saw."""
        return cls(found.st_size, found.st_mtime_ns)


class Ledger:
    """Open for the whole of a run; only one run at a time has it."""

    def __init__(self, root: str, beginning: Beginning, *, resume: bool, table: bool) -> None:
        """Take the folder *root*. Raises InvalidRequest when it is not this batch's, FarmError when another run has it.

        With *resume* a batch that began there is resumed; if none did, it begins.
        """
        self.root = os.path.abspath(root)
        self.beginning = beginning
        #: The names of the inputs that need not be done again.
        self.done: set[str] = set()
        os.makedirs(self.root, exist_ok=True)
        self._lock = FileLock(f"{self.root}/{LOCK}", fallback_to_soft=False, thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise FarmError(f"another batch is writing to {self.root}") from None
        try:
            self._begin(resume)
            self._lines = _open(f"{self.root}/{LINES}")
            self._table = self._open_table() if table else None
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Release the folder."""
        for descriptor in (self._lines, self._table):
            if descriptor is not None:
                os.close(descriptor)
        self._release()

    def _release(self) -> None:
        files.remove(f"{self.root}/{LOCK}")
        self._lock.release()

    def add(self, name: str, version: Version, record: dict[str, Any], file: Callable[[str], Path]) -> dict[str, Any]:
        """Write how the input *name* ended; *file* tells where each of the record's files lies.

        Returns the record as it was written; if the disk does not take the input's name, the record says so. Raises
        OSError when the disk takes nothing.
        """
        try:
            self._write(name, record, file)
        except OSError as error:
            if error.errno not in BAD_NAME:
                raise
            record = {"status": State.FAILED, "error": f"cannot be written: {error.strerror}", "code": "bad_name"}
        line = {"file": name, **asdict(version), **record}
        files.write_all(self._lines, _bytes(line) + b"\n")
        if self._table is not None:
            files.write_all(self._table, _row(line))
        if record["status"] == State.SUCCEEDED:
            self.done.add(name)
        return record

    def answers(self) -> Iterator[tuple[str, Any]]:
        """The name of each input that succeeded, with its answer, as they came."""
        for line in self._read():
            said = json.loads(line)
            if said["status"] == State.SUCCEEDED and "result" in said:
                yield said["file"], said["result"]

    def _write(self, name: str, record: dict[str, Any], file: Callable[[str], Path]) -> None:
        place = f"{self.root}/{name}"
        os.makedirs(os.path.dirname(place), exist_ok=True)
        endings = Sidecars.of(record)
        files.remove(f"{place}.txt")  # of an earlier attempt
        for ending, attached in endings.attached.items():
            shutil.copyfile(file(attached), f"{self.root}/{PART}")
            os.replace(f"{self.root}/{PART}", place + ending)
        for ending, text in endings.texts.items():
            files.write_atomic(place + ending, text, mode=FILE_MODE)
        files.write_atomic(f"{place}.json", _bytes(record), mode=FILE_MODE)

    # Begin, or go on.

    def _begin(self, resume: bool) -> None:
        mark = f"{self.root}/{MARK}"
        try:
            before = checksum.opened(files.read(mark))
        except FileNotFoundError:
            if strangers := sorted(set(files.names(self.root)) - {LOCK}):
                raise InvalidRequest(
                    f"{self.root} holds other things ({strangers[0]})", hint="choose a folder of their own with --out"
                ) from None
            files.write_atomic(mark, checksum.seal(_bytes(asdict(self.beginning))), mode=FILE_MODE)
            return
        except checksum.Altered as error:
            raise InvalidRequest(f"{mark} is damaged: {error}", hint="begin anew with another --out") from error
        if not resume:
            raise InvalidRequest(
                f"{self.root} holds the results of an earlier batch",
                hint="--resume goes on with it, --out chooses another folder",
            )
        for key, value in asdict(self.beginning).items():
            if before.get(key) != value:
                raise InvalidRequest(
                    f"{self.root} was begun with another {key}: {before.get(key)!r}, not {value!r}",
                    hint="go on with the same, or choose another folder with --out",
                )
        self._go_on()

    def _go_on(self) -> None:
        """See what is done, and drop the lines of what is not."""
        dropped: set[int] = set()
        for number, line in enumerate(self._read()):
            name = self._done_by(line)
            if name is None or name in self.done:
                dropped.add(number)
            else:
                self.done.add(name)
        if dropped:
            kept = (line for number, line in enumerate(self._read()) if number not in dropped)
            _replace(f"{self.root}/{LINES}", kept)

    def _done_by(self, line: bytes) -> str | None:
        """The name of the input that *line* says is done, if that is still so."""
        try:
            said = checksum.opened(line.removesuffix(b"\n"))
            name = said["file"]
            status = said["status"]
            version = Version(said["size"], said["mtime_ns"])
        except (checksum.Altered, KeyError):
            return None  # a crash cut it short
        if status != State.SUCCEEDED or not line.endswith(b"\n") or not isinstance(name, str):
            return None
        try:
            checksum.opened(Path(f"{self.root}/{name}.json").read_bytes())
        except checksum.Altered:
            return None  # a power cut left it empty, or cut it short
        except (OSError, ValueError):
            return None  # the user wants it done again; or that is no name of a file
        try:
            now = Version.of(os.stat(f"{self.beginning.base}/{name}"))
        except OSError:
            return str(name)  # it is gone, and stays done
        return str(name) if now == version else None

    def _read(self) -> Iterator[bytes]:
        try:
            with open(f"{self.root}/{LINES}", "rb") as lines:
                yield from lines
        except FileNotFoundError:
            return

    def _open_table(self) -> int:
        """Make the table from the existing lines."""
        path = f"{self.root}/{TABLE}"
        rows = (_row(json.loads(line)) for line in self._read())
        _replace(path, _before(heading(), rows))
        return _open(path)


def heading() -> bytes:
    """The first line of a table. Its byte order mark tells spreadsheets that it is UTF-8."""
    return b"\xef\xbb\xbf" + _csv(COLUMNS)


def _row(line: Mapping[str, Any]) -> bytes:
    started, finished = line.get("started"), line.get("finished")
    seconds = f"{finished - started:.3f}" if started and finished else ""
    value = line.get("result")
    text = value.get("text") if isinstance(value, dict) else None
    result = json.dumps(value, ensure_ascii=False) if "result" in line else ""
    return _csv((line["file"], line["status"], seconds, line.get("error") or "", str(text or ""), result))


def _csv(cells: Sequence[str]) -> bytes:
    return csv_lines.line(cells).encode(errors="replace")


def _bytes(value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()  # a file's name that is not UTF-8 comes back as it was


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)


def _replace(path: str, lines: Iterator[bytes]) -> None:
    """Put *lines*, which may be many, at *path* in one step."""
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _before(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
