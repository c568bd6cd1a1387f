"""The desk: where batches are ordered, started, stopped, looked at and taken away; they lie in the data folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spoolfarm import config
from spoolfarm.batch import order
from spoolfarm.batch.ledger import LINES, MARK, PART, TABLE, heading
from spoolfarm.batch.order import INPUTS, LOG, RESULTS, Order, Progress
from spoolfarm.errors import Forbidden, InvalidParams, InvalidRequest, SpoolUnavailable, UnknownFile
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import files
from spoolfarm.spool.job import new_id
from spoolfarm.spool.results import ID

#: The folder of batches in the data folder.
BATCHES = "batches"
#: The most files that can be sent to one batch, the most letters of a name, and the most failures that are told.
MOST_FILES, LONGEST_NAME, MOST_FAILURES = 100_000, 200, 500
#: Seconds in which a process that was started should have taken its lock.
STARTING = 5.0
#: Bytes of a ZIP that are read at once.
CHUNK = 1 << 18


@dataclass(slots=True)
class Failures:
    """What the lines of a ledger that were read so far say of failures."""

    inode: int = 0
    offset: int = 0
    found: list[dict[str, Any]] = field(default_factory=list)


class Desk:
    """The batches of *farm*. Any number of threads may ask."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._root = f"{farm.settings.data_dir}/{BATCHES}"
        self._lock = threading.Lock()
        self._started: list[subprocess.Popen[bytes]] = []
        #: How many files were sent to a batch, and its failures, by its id.
        self._sent: dict[str, int] = {}
        self._failures: dict[str, Failures] = {}

    def order(self, task: str, params: Mapping[str, Any], folder: str, name: str) -> str:
        """Order a batch, and begin it if it is to do a *folder* of the data folder; its id.

        Raises UnknownTask, InvalidParams, InvalidRequest, Forbidden, or SpoolUnavailable.
        """
        meant = self._farm.tasks.meant(task, (), params, "image")
        known = self._farm.tasks.get(meant)
        self._farm.tasks.checked(meant, params)
        if not known.min_images <= 1 <= known.max_images:
            raise InvalidParams(f"task {task} does not work on one picture at a time")
        path = self._inside(folder) if folder else ""
        self._farm.admission.check()
        batch_id = new_id()
        root = f"{self._root}/{batch_id}"
        try:
            os.makedirs(self._farm.settings.data_dir, exist_ok=True)
            files.make_directory(f"{root}/{INPUTS}")
            Order(task, dict(params), path, name[:LONGEST_NAME] or folder, time.time()).write(root)
        except OSError as error:
            raise SpoolUnavailable(f"the batch cannot be written ({files.where(error)})") from error
        if folder:
            self.start(batch_id)
        return batch_id

    def folders(self) -> list[str]:
        """The folders of the data folder, two deep, that may be done."""
        data = self._farm.settings.data_dir
        tops = [name for name in sorted(files.names(data)) if _is_folder(f"{data}/{name}") and name != BATCHES]
        inner = [f"{top}/{name}" for top in tops for name in sorted(files.names(f"{data}/{top}"))]
        return sorted([*tops, *(path for path in inner if _is_folder(f"{data}/{path}"))])

    def add(self, batch_id: str, name: str, data: bytes) -> None:
        """Add a file to a batch that has not begun. Raises UnknownFile, InvalidRequest or SpoolUnavailable."""
        root = self._path(batch_id)
        if Order.read(root).folder:
            raise InvalidRequest("the batch does a folder of the farm's machine")
        parts = name.replace("\\", "/").lstrip("/").split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise InvalidRequest(f"file: {name!r} is no name of a file")
        self._farm.admission.check()
        with self._lock:
            sent = self._sent.get(batch_id)
            sent = sum(len(names) for _, _, names in os.walk(f"{root}/{INPUTS}")) if sent is None else sent
            if sent >= MOST_FILES:
                raise InvalidRequest(f"a batch takes {MOST_FILES} files; put them into the data folder instead")
            self._sent[batch_id] = sent + 1
        try:
            with files.open_directory(f"{root}/{INPUTS}", parts[:-1], make=True):
                files.write_atomic("/".join([root, INPUTS, *parts]), data)
        except files.LinkFound as error:
            raise Forbidden(f"file: {name!r} leads through a link") from error
        except OSError as error:
            if error.errno in files.UNREADABLE:
                raise
            raise InvalidRequest(f"file: {name!r} cannot be written: {error.strerror}") from error

    def start(self, batch_id: str) -> None:
        """Do a batch, or what of it is not done yet; nothing when it is being done. Raises UnknownFile."""
        root = self._path(batch_id)
        self._started = [each for each in self._started if each.poll() is None]
        if order.alive(root):
            return
        given = self._farm.settings.environment()
        environment = {name: value for name, value in {**os.environ, **given}.items() if name not in config.SECRETS}
        Progress("running", at=time.time()).write(root)
        with open(f"{root}/{LOG}", "ab") as log:
            self._started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "spoolfarm.batch", root],
                    env=environment | {config.COMPLETE: "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def stop(self, batch_id: str) -> None:
        """Have a batch stop, when what of it runs has ended. Raises UnknownFile."""
        root = self._path(batch_id)
        if order.alive(root):
            order.stop(root)

    def remove(self, batch_id: str) -> None:
        """Remove a batch with its results. Raises UnknownFile, or InvalidRequest while it is being done."""
        root = self._path(batch_id)
        if order.alive(root):
            raise InvalidRequest("the batch is being done; stop it first")
        files.remove_tree(root)
        self._sent.pop(batch_id, None)
        self._failures.pop(batch_id, None)

    # Look.

    def all(self) -> list[dict[str, Any]]:
        """All batches, the newest first, as `show` tells them but for their failures."""
        found = []
        for name in sorted(files.names(self._root), reverse=True):
            if ID.fullmatch(name):
                try:
                    found.append(self._told(name))
                except (OSError, ValueError):
                    continue  # it is being made, or removed
        return found

    def show(self, batch_id: str) -> dict[str, Any]:
        """What is known of a batch: its order, its `state`, how far it has come, and its first `failures`."""
        self._path(batch_id)
        return {**self._told(batch_id), "failures": self._failed(batch_id)}

    def _told(self, batch_id: str) -> dict[str, Any]:
        root = f"{self._root}/{batch_id}"
        asked, progress, working = Order.read(root), Progress.read(root), order.alive(root)
        state = progress.state if progress else "open"
        if progress is not None and state == "running" and not working and time.time() - progress.at > STARTING:
            state = "interrupted"
        about = asdict(asked)
        about["folder"] = about["folder"].removeprefix(f"{self._farm.settings.data_dir}/")
        return {**about, **(asdict(progress) if progress else {}), "id": batch_id, "state": state}

    def _failed(self, batch_id: str) -> list[dict[str, Any]]:
        """The first inputs that failed, each with the reason; only what is new in the ledger is read."""
        path = f"{self._root}/{batch_id}/{RESULTS}/{LINES}"
        with self._lock:
            known = self._failures.setdefault(batch_id, Failures())
            try:
                with open(path, "rb") as lines:
                    found = os.fstat(lines.fileno())
                    if found.st_ino != known.inode or found.st_size < known.offset:
                        known = self._failures[batch_id] = Failures(found.st_ino)
                    lines.seek(known.offset)
                    for line in lines:
                        if not line.endswith(b"\n"):
                            break  # it is being written
                        known.offset += len(line)
                        if b'"failed"' in line and len(known.found) < MOST_FAILURES:
                            known.found += _failure(line)
            except FileNotFoundError:
                return []
            return list(known.found)

    # Take away.

    def lines(self, batch_id: str, table: bool) -> Iterator[bytes]:
        """The records of a batch, one a line, or as a *table*. Raises UnknownFile."""
        path = f"{self._path(batch_id)}/{RESULTS}/{TABLE if table else LINES}"
        try:
            file = open(path, "rb")  # noqa: SIM115  # it is closed when it has been read
        except FileNotFoundError:
            return iter([heading()] if table else [])
        return _chunks(file)

    def archive(self, batch_id: str, suffixes: Sequence[str] = ()) -> Iterator[bytes]:
        """A ZIP of a batch's results, made as it is read; with *suffixes* only of the files that end so."""
        folder = f"{self._path(batch_id)}/{RESULTS}"

        def wanted() -> Iterator[str]:
            for above, _, names in os.walk(folder):
                ours = (name for name in sorted(names) if not name.startswith(MARK) and name != PART)
                yield from (
                    f"{above}/{name}" for name in ours if not suffixes or name.lower().endswith(tuple(suffixes))
                )

        return _zipped(wanted(), folder)

    def _path(self, batch_id: str) -> str:
        path = f"{self._root}/{batch_id}"
        if not ID.fullmatch(batch_id) or not os.path.isdir(path):
            raise UnknownFile(f"no batch {batch_id!r}")
        return path

    def _inside(self, folder: str) -> str:
        """The absolute path of a *folder* of the data folder. Raises Forbidden or InvalidRequest."""
        data = self._farm.settings.data_dir
        whole = os.path.normpath(os.path.join(data, folder))
        if "\0" in folder or not whole.startswith(f"{data.rstrip('/')}/"):
            raise Forbidden("folder: is not in the data folder (FARM_DATA_DIR)")
        try:
            with files.open_directory(data, whole[len(data.rstrip("/")) + 1 :].split("/")):
                return whole
        except files.LinkFound as error:
            raise Forbidden("folder: paths may not pass through a link") from error
        except OSError as error:
            raise InvalidRequest(f"folder: {folder!r} is no folder of the data folder ({error.strerror})") from error


class Unread(io.RawIOBase):
    """What was written and has not been read yet; a ZIP is written to it that nobody keeps whole."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        """All of it, which is then read."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _zipped(paths: Iterator[str], base: str) -> Iterator[bytes]:
    out = Unread()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in paths:
            try:
                name = os.path.relpath(path, base)
                with open(path, "rb") as source, archive.open(name, "w", force_zip64=True) as file:
                    while part := source.read(CHUNK):
                        file.write(part)
                        yield out.take()
            except FileNotFoundError:
                continue  # it was replaced just now
    yield out.take()


def _chunks(file: io.BufferedReader) -> Iterator[bytes]:
    with file:
        while part := file.read(CHUNK):
            yield part


def _failure(line: bytes) -> list[dict[str, Any]]:
    try:
        said = json.loads(line)
        if said["status"] != "succeeded":
            return [{name: said.get(name) for name in ("file", "status", "error", "code")}]
    except (ValueError, KeyError, TypeError):
        pass
    return []


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path) and not os.path.basename(path).startswith(".")
