"""Outbox: where the hot folder puts answers, and the pictures beside them; from then on they are the user's."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from itertools import count
from typing import Any

from spoolfarm.errors import FarmError
from spoolfarm.farm.sidecars import PARAMS, Sidecars
from spoolfarm.hotfolder import dropped
from spoolfarm.hotfolder.dropped import Unfinished
from spoolfarm.hotfolder.inbox import Inbox
from spoolfarm.hotfolder.journal import Note
from spoolfarm.spool import files
from spoolfarm.spool.job import Result, State, new_id
from spoolfarm.spool.results import Results

log = logging.getLogger(__name__)

#: Bytes that a name may have with all its endings; some file systems take no more than 255, and a number may follow.
LONGEST = 240
#: The list of failures: beside the folders of the tasks, so that no answer can have its name.
FAILURES = "failed.txt"
#: The number of names for which the numbers in use are remembered.
REMEMBERED = 10_000


class Fate(Enum):
    """What became of a file that was to be moved beside its answer."""

    #: It lies there now.
    SETTLED = "settled"
    #: It is not where it was: it has been removed or renamed.
    GONE = "gone"
    #: It is another version than the one that was answered.
    CHANGED = "changed"


class Outbox:
    """The tree below *root*, which mirrors the inbox's folders."""

    def __init__(self, root: str, results: Results, inbox: Inbox) -> None:
        self._root = root
        self._results = results
        self._inbox = inbox
        #: The places of pictures that have still to be moved.
        self._promised: set[str] = set()
        self._numbers: dict[str, int] = {}
        files.make_directory(root)

    def address(self, note: Note, endings: Sidecars) -> Note:
        """*note* with the first target that is free."""
        *folders, name = note.path.split("/")
        place = ""
        for folder in folders:
            place = next(each for each in self._candidates(place + folder) if self._may_be_folder(each)) + "/"
        added = ["", PARAMS, *endings.all()]
        name = _cut(name, LONGEST - max(len(os.fsencode(ending)) for ending in added))
        for target in self._candidates(place + name):
            if not any(self._in_use(target + ending) for ending in added):
                return replace(note, target=target)
        raise AssertionError("numbers do not end")

    def promise(self, note: Note) -> None:
        """Reserve the picture's place until it is settled."""
        self._promised |= {note.target, note.target + PARAMS}

    def write(self, note: Note, endings: Sidecars) -> None:
        """Write the answer at its target, the record last. Calling it again after a crash continues from there."""
        place = f"{self._root}/{note.target}"
        files.make_directory(os.path.dirname(place))
        self._results.hand_over(note.id, place, endings.texts, endings.attached)

    def list_failure(self, note: Note, record: Mapping[str, Any]) -> None:
        """Add a line to the list of failures: when, where the answer is, and why; a crash may write it twice."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["finished"]))
        fields = (when, dropped.printable(note.target), str(record.get("code")), str(record.get("error")))
        line = "\t".join(" ".join(text.split()) for text in fields) + "\n"
        try:
            files.append(f"{self._root}/{FAILURES}", line.encode(errors="replace"))
        except OSError as error:
            log.warning("%r is not in %s: %s", note.target, FAILURES, error.strerror)  # its answer says it all the same

    def torn(self, note: Note) -> bool:
        """Whether a power cut has left only an empty file of its answer; that is then removed."""
        place = f"{self._root}/{note.target}.json"
        try:
            json.loads(files.read(place))
        except FileNotFoundError:
            return False  # the user has collected it
        except (ValueError, RecursionError):
            return files.remove(place)
        return False

    def sync(self, notes: Iterable[tuple[Note, Sidecars]]) -> None:
        """Sync answers to disk, unless their readers have moved them away.

        One by one: syncfs(2) would be faster for many, but would also write the notes, which then take milliseconds
        each to remove.
        """
        folders = set()
        for note, endings in notes:
            place = f"{self._root}/{note.target}"
            folders.add(os.path.dirname(place))
            for ending in endings.all():
                try:
                    files.sync(place + ending)
                except FileNotFoundError:
                    continue  # collected already
        for folder in folders:
            files.sync_directory(folder)

    def settle(self, note: Note) -> Fate:
        """Move what was answered beside its answer, with its parameters. Raises OSError.

        First the file gets a hidden name in its own folder. Only then can we be sure that no writer, which knows its
        old name, has changed it since it was read; if one has, it gets its name back.
        """
        folder, name = os.path.split(note.path)
        hidden = f".{note.id}"
        try:
            with self._inbox.folder(folder) as inner:
                if not files.mode_inside(hidden, inner):
                    if not dropped.untouched(inner, name, note.identity):
                        return Fate.CHANGED
                    os.rename(name, hidden, src_dir_fd=inner, dst_dir_fd=inner)
                if not dropped.untouched(inner, hidden, note.identity):
                    os.link(hidden, name, src_dir_fd=inner, dst_dir_fd=inner, follow_symlinks=False)
                    os.unlink(hidden, dir_fd=inner)
                    return Fate.CHANGED
                self._bring_params(inner, name + PARAMS, note)
                self._bring(inner, hidden, note.target)
        except (FileNotFoundError, NotADirectoryError):
            return Fate.GONE
        return Fate.SETTLED

    def forget(self, note: Note) -> None:
        """Nothing is to be moved any more."""
        self._promised -= {note.target, note.target + PARAMS}

    def _bring(self, folder: int, name: str, target: str) -> None:
        candidates = (f"{self._root}/{each}" for each in self._candidates(target))
        place = next(each for each in candidates if not os.path.lexists(each))  # another process may have been faster
        files.make_directory(os.path.dirname(place))
        files.relocate(name, place, folder)

    def _bring_params(self, folder: int, name: str, note: Note) -> None:
        """Move the parameters too; for those that came too late, an answer says so."""
        late = False
        try:
            _, data = dropped.read(folder, name, dropped.PARAMS_LIMIT, lambda identity: dropped.CUT_SHORT)
            late = dropped.digest(data) != note.params
        except (FileNotFoundError, Unfinished):
            return
        except (FarmError, OSError):
            pass  # the answer says what is wrong with them
        self._bring(folder, name, note.target + PARAMS)
        if late:
            error = "came when the picture had been taken, and was not used: put it there before the picture"
            now = time.time()
            said = Result(new_id(), note.task, State.FAILED, 0, now, None, now, error=error, code="invalid_params")
            files.write_atomic(f"{self._root}/{note.target}{PARAMS}.json", said.to_bytes())

    def _candidates(self, wanted: str) -> Iterator[str]:
        """NAME, NAME~2, and so on from the last number that was given."""
        yield wanted
        if len(self._numbers) > REMEMBERED:
            self._numbers.clear()
        for number in count(self._numbers.get(wanted, 2)):
            self._numbers[wanted] = number
            yield f"{wanted}~{number}"

    def _may_be_folder(self, target: str) -> bool:
        return os.path.isdir(f"{self._root}/{target}") or not self._in_use(target)

    def _in_use(self, target: str) -> bool:
        return target in self._promised or os.path.lexists(f"{self._root}/{target}")


def _cut(name: str, length: int) -> str:
    """*name* in at most *length* bytes, without a partial character at the end."""
    whole = os.fsencode(name)
    cut = whole[:length]
    while cut and len(cut) < len(whole) and whole[len(cut)] & 0xC0 == 0x80:
        cut = cut[:-1]
    return os.fsdecode(cut)
