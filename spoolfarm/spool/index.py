"""The index: by what a listing chooses ended jobs, one line a job, so that it need not read every record.

    results/index/<slot>    the jobs whose ids begin with <slot>, which is 69 s of submitting; in each line, with tabs
                            between: id, status, task, source, name of its file, error

The index only suggests; the records are the truth. Whoever ends a durable job adds its line. A job without one, because
it was not durable, or a crash, a full disk or a copy came between, is found when `results/` is compared with the index,
and a line whose record is gone leads nowhere. So nothing is lost when the index is removed: it is made again.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from spoolfarm.spool import files

log = logging.getLogger(__name__)

#: A line's fields: id and status, then task, source, name and error as `field` writes them.
Line: TypeAlias = Sequence[str]
FIELDS = 6
#: How many digits an id has, how many of them are its slot, and what a slot looks like.
ID_DIGITS, DIGITS = 24, 7
SLOT = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
#: The status in a line that takes back those of its job before it.
GONE = "gone"


class Index:
    """The lines in the directory *root*, which is made with the first of them."""

    def __init__(self, root: str) -> None:
        self._root = root

    def add(self, *records: Mapping[str, Any]) -> None:
        """Add the lines of ended jobs, if the disk takes them."""
        by_slot: dict[str, str] = {}
        for record in records:
            about = (record.get(name) or "" for name in ("task", "source", "name", "error"))
            slot = slot_of(record["id"])
            by_slot[slot] = by_slot.get(slot, "") + _line(record["id"], record["status"], *about)
        for slot, lines in by_slot.items():
            self._append(slot, lines)

    def forget(self, job_id: str) -> None:
        """Take back what the index says of a job that will end again."""
        self._append(slot_of(job_id), _line(job_id, GONE, *[""] * (FIELDS - 2)))

    def slots(self) -> list[str]:
        """The slots that have lines, the newest first."""
        return sorted(filter(SLOT.fullmatch, files.names(self._root)), reverse=True)

    def size(self, slot: str) -> int:
        """The bytes of a slot's lines."""
        try:
            return os.stat(self._path(slot)).st_size
        except OSError:
            return 0

    def lines(self, slot: str, having: Iterable[str] = (), having_lower: Iterable[str] = ()) -> list[Line]:
        """The lines of a slot, as they were added, but none that a crash or a full disk cut short.

        With *having* only those that have these texts in them, and with *having_lower* these in any case.
        """
        text = self._text(slot, having)
        for piece in having_lower:
            text = [line for line in text if piece in line.lower()]
        found = [line.split("\t") for line in text]
        return [line for line in found if len(line) == FIELDS]

    def ids(self, slot: str, having: Iterable[str] = ()) -> list[str]:
        """The ids in these lines, found faster; some that a crash cut short may be among them."""
        return [line[:ID_DIGITS] for line in self._text(slot, having)]

    def _text(self, slot: str, having: Iterable[str]) -> list[str]:
        try:
            text = files.read(self._path(slot)).decode(errors="replace").split("\n")
        except OSError:
            return []
        for piece in having:
            text = [line for line in text if piece in line]
        return [line for line in text if line.startswith(slot)]

    def replace(self, slot: str, lines: Iterable[Line]) -> None:
        """Have only *lines* in a slot; with none of them it goes. Any that others add meanwhile are lost."""
        try:
            if text := "".join("\t".join(line) + "\n" for line in lines):
                files.write_atomic(self._path(slot), text.encode(errors="replace"))
            else:
                files.remove(self._path(slot))
        except OSError as error:
            log.warning("%s: not rewritten (%s)", self._path(slot), error.strerror)

    def expire(self, seconds: float) -> None:
        """Remove the slots to which nothing was added for *seconds*; if a job of one is left, its line comes back.

        What a crash left half rewritten goes as well.
        """
        for name in files.names(self._root):
            ours = SLOT.fullmatch(name.partition(".")[0])
            if ours and time.time() - files.modified(self._path(name)) > seconds:
                self.replace(name, [])

    def _append(self, slot: str, lines: str) -> None:
        data = lines.encode(errors="replace")
        try:
            try:
                files.append(self._path(slot), data)
            except FileNotFoundError:
                os.makedirs(self._root, files.DIRECTORY_MODE, exist_ok=True)  # unsynced: it may be lost
                files.append(self._path(slot), data)
        except OSError as error:
            log.warning("%s: not written (%s)", self._path(slot), error.strerror)  # a listing finds the jobs itself

    def _path(self, slot: str) -> str:
        return f"{self._root}/{slot}"


def slot_of(job_id: str) -> str:
    """The slot of the index to which a job belongs."""
    return job_id[:DIGITS]


def field(text: str) -> str:
    """*text* as a line has it: with JSON's escapes, so that it holds neither tabs nor line breaks."""
    return json.dumps(str(text), ensure_ascii=False)[1:-1]


def _line(job_id: str, status: str, *about: str) -> str:
    return "\t".join((job_id, status, *map(field, about))) + "\n"


def known(lines: Iterable[Line]) -> set[str]:
    """The ids of which *lines* say how they ended."""
    found: set[str] = set()
    for line in lines:
        if line[1] == GONE:
            found.discard(line[0])
        else:
            found.add(line[0])
    return found
