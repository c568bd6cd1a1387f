"""Journal: what the hot folder has taken and not yet put away: one note per file, which outlives the process.

    spool/taken/<id>.<n>.json    a file of the inbox became job <id>; the n-th version of what is known of it

A note is written before its job is queued, gets its target before the answer appears there, and is removed when the
file has left the inbox. So after a crash it says how far things had come:

    no job, no result, no target      the job was never queued: the note goes, and the file is found again
    a job, no result                  the answer will come
    a result                          the answer is written, to the target when there is one
    a target, no result               the answer is written: the file is to be moved beside it

A note that is damaged goes, too, and its file is found again.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, astuple, dataclass

from spoolfarm.hotfolder.dropped import Identity, printable
from spoolfarm.spool import checksum, files

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-f]{24})\.(\d+)\.json")


#: Errors that the next note would meet as well.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class Note:
    """One file that was taken."""

    #: The job that it became.
    id: str
    #: Where it lies below the inbox: its task, folders, and name.
    path: str
    #: The version that was read, and a digest of its bytes and of those of its parameters; empty for none.
    identity: Identity
    digest: str
    params: str = ""
    #: Where its answer lies below the results' inbox, without `.json`; empty until there is one.
    target: str = ""

    @property
    def task(self) -> str:
        """The task whose folder it lies in."""
        return self.path.partition("/")[0]


class DamagedNote(ValueError):
    """The bytes are not a whole note, or not that of its name."""


def parsed(data: bytes, name: str) -> tuple[Note, int]:
    """The note in the bytes of the file *name*, and its version. Raises DamagedNote."""
    parts = _NAME.fullmatch(name)
    try:
        said = checksum.opened(data)
        note = Note(**{**said, "identity": Identity(**said["identity"])})
    except (checksum.Altered, TypeError, KeyError) as error:
        raise DamagedNote(str(error)) from error
    texts = (note.path, note.digest, note.params, note.target)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, int) for n in astuple(note.identity)):
        raise DamagedNote("it holds what does not belong there")
    if parts is None or note.id != parts[1]:
        raise DamagedNote("it is not the note of that name")
    return note, int(parts[2])


def damage(path: str) -> str:
    """What is wrong with the note at *path*; nothing when it is whole, or has just gone."""
    try:
        parsed(files.read(path), os.path.basename(path))
    except FileNotFoundError:
        return ""
    except (DamagedNote, OSError) as error:
        return str(error)
    return ""


class Journal:
    """All notes, in memory and below *root*."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._notes: dict[str, Note] = {}
        #: The ids by path and by inode, the latest last: a file may replace one of the same name that is still under
        #: way.
        self._of_path: dict[str, list[str]] = {}
        self._of_inode: dict[tuple[int, int], list[str]] = {}
        #: The number of each note's last version.
        self._versions: dict[str, int] = {}
        #: The earlier versions that are still on disk.
        self._old: dict[str, list[int]] = {}
        files.make_directory(root)
        # A directory that cannot be read is not an empty one: without its notes, files would be answered again.
        for name in sorted(os.listdir(root), key=lambda name: (len(name), name)):
            self._load(name)

    def __len__(self) -> int:
        return len(self._notes)

    def __iter__(self) -> Iterator[Note]:
        return iter(list(self._notes.values()))

    def get(self, job_id: str) -> Note | None:
        """The note of a job."""
        return self._notes.get(job_id)

    def count(self, ids: Collection[str], resting: Collection[str]) -> int:
        """How many of the jobs *ids* are of a task that is not *resting*."""
        return sum(note.task not in resting for note in map(self._notes.get, ids) if note is not None)

    def latest(self, path: str) -> Note | None:
        """The latest note of a file at *path*."""
        ids = self._of_path.get(path)
        return self._notes[ids[-1]] if ids else None

    def twins(self, identity: Identity) -> list[Note]:
        """The notes of the same version of the same file, wherever it lies."""
        notes = map(self._notes.__getitem__, self._of_inode.get((identity.device, identity.inode), ()))
        return [note for note in notes if note.identity == identity]

    def save(self, note: Note) -> None:
        """Write *note*, in place of the one of its id.

        Each version gets a new name: ext4 writes a file that replaces another to disk at once, and takes milliseconds
        to remove what is on disk, but only microseconds to remove what has not been written yet.
        """
        last = self._versions.get(note.id, 0)
        files.write_atomic(self._file(note.id, last + 1), checksum.seal(json.dumps(asdict(note)).encode()))
        self._versions[note.id] = last + 1
        self._forget(note.id)
        self._remember(note)
        if last:
            self._old.setdefault(note.id, []).append(last)
            self._remove_old(note.id)

    def remove(self, note: Note) -> None:
        """Nothing is left to be done."""
        self._remove_old(note.id)  # first, or a crash in between would leave one of them for the latest
        files.remove(self._file(note.id, self._versions.get(note.id, 0)))
        self._forget(note.id)
        self._versions.pop(note.id, None)

    def _remove_old(self, job_id: str) -> None:
        """Remove the versions before the latest; one that the disk refuses to remove is tried again the next time."""
        while old := self._old.get(job_id):
            files.remove(self._file(job_id, old[0]))
            old.pop(0)
        self._old.pop(job_id, None)

    def _load(self, name: str) -> None:
        if name.endswith(".tmp"):
            files.remove(f"{self._root}/{name}")
            return
        try:
            note, version = parsed(files.read(f"{self._root}/{name}"), name)
        except DamagedNote as error:
            log.error("the note %s is damaged: %s; its file will be taken again", printable(name), error)
            files.remove(f"{self._root}/{name}")
            return
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            log.error("the note %s is passed over: %s", printable(name), error.strerror)
            return
        if note.id in self._notes:  # a crash left the version before this one
            self.remove(note)
        self._versions[note.id] = version
        self._remember(note)

    def _remember(self, note: Note) -> None:
        self._notes[note.id] = note
        for index, key in self._keys(note):
            index[key] = sorted([*index.get(key, ()), note.id])

    def _forget(self, job_id: str) -> None:
        note = self._notes.pop(job_id, None)
        for index, key in self._keys(note) if note else ():
            index[key].remove(job_id)
            if not index[key]:
                del index[key]

    def _keys(self, note: Note) -> Iterator[tuple[dict[object, list[str]], object]]:
        yield self._of_path, note.path  # type: ignore[misc]
        yield self._of_inode, (note.identity.device, note.identity.inode)  # type: ignore[misc]

    def _file(self, job_id: str, version: int) -> str:
        return os.path.join(self._root, f"{job_id}.{version}.json")
