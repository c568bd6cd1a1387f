"""Inputs: the files that a batch is to do, found by their names, in folders, by globs and in lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from spoolfarm.batch.ledger import MARK
from spoolfarm.spool.system_files import is_system_file

#: How many names of each kind the summary gives.
EXAMPLES = 3

#: What a folder is searched for: the suffixes of the pictures that the farm decodes, and of documents.
PICTURES = frozenset([".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"])
PICTURES |= {".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".ico"}
DOCUMENTS = frozenset([".pdf"])


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files to do, each once, as absolute paths; all lie below *base*."""

    base: str
    paths: Sequence[str]
    #: What lay in the folders and is not done, as it is no picture by its name.
    passed_over: Sequence[str] = ()

    def name(self, path: str) -> str:
        """The name of *path* in the results: its path relative to the base."""
        return path[len(self.base.rstrip("/")) + 1 :]

    def said(self) -> str:
        """What was passed over, as `4 .txt (a.txt, b.txt, c.txt, ...), 1 of the system (Thumbs.db)`."""
        kinds: dict[str, list[str]] = {}
        for path in self.passed_over:
            kinds.setdefault(_kind(path), []).append(self.name(path))
        found = []
        for kind, names in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])):
            shown = ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
            found.append(f"{len(names)} {kind} ({shown})")
        return ", ".join(found)


def suffixes(*, documents: bool) -> frozenset[str]:
    """Which files of a folder are done, by their suffixes: pictures, and *documents* where the task takes them."""
    return PICTURES | DOCUMENTS if documents else PICTURES


def find(words: Sequence[str], suffixes: Collection[str]) -> Inputs:
    """The inputs that *words* name: files, folders, globs.

    A folder stands for all files in it and below it that end in one of *suffixes*, sorted by name. Other files are
    passed over, as are names that begin with a dot, what systems leave in folders, and anything that is not a file;
    links to folders and folders that hold the results of a batch are skipped. A word that leads nowhere is still an
    input, one that cannot be read: so it is not overlooked.
    """
    passed_over: dict[str, None] = {}
    found = dict.fromkeys(os.path.abspath(path) for word in words for path in _meant(word, suffixes, passed_over))
    return Inputs(_base(words, found), list(found), [path for path in passed_over if path not in found])


def listed(data: bytes) -> list[str]:
    """The names in a list: each ended by a NUL if there is any, otherwise one per line."""
    separator = b"\0" if b"\0" in data else b"\n"
    lines = data.split(separator)
    return [os.fsdecode(line) for line in (lines if separator == b"\0" else map(_no_return, lines)) if line]


def _no_return(line: bytes) -> bytes:
    return line.removesuffix(b"\r")


def _kind(path: str) -> str:
    """What the summary calls a file that was passed over."""
    name = os.path.basename(path)
    if is_system_file(name):
        return "of the system"
    if name.startswith("."):
        return "hidden"
    if not os.path.isfile(path):  # a link to nothing, a FIFO, a socket, a device
        return "not a file"
    return os.path.splitext(name)[1].lower() or "without a suffix"


def _meant(word: str, suffixes: Collection[str], passed_over: dict[str, None]) -> Iterator[str]:
    matches = [word] if os.path.lexists(word) else sorted(glob.glob(word, recursive=True)) or [word]
    for path in matches:
        if os.path.isdir(path):
            yield from _below(path, suffixes, passed_over)
        else:
            yield path


def _below(folder: str, suffixes: Collection[str], passed_over: dict[str, None]) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            there = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder  # reading it will fail in the same way, and say so
        return
    if any(entry.name == MARK for entry in there):
        return
    for entry in there:
        ours = not entry.name.startswith(".") and not is_system_file(entry.name)
        if ours and entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, suffixes, passed_over)
        elif ours and os.path.splitext(entry.name)[1].lower() in suffixes and entry.is_file():
            yield entry.path
        elif not entry.is_dir() or not ours:
            passed_over[os.path.abspath(entry.path)] = None


def _base(words: Sequence[str], paths: Collection[str]) -> str:
    """The folder to which the names of the results are relative: the given one if it is the only one; otherwise the
    current one, or if an input is outside it, the deepest folder that holds all inputs."""
    here = os.getcwd()
    if len(words) == 1 and os.path.isdir(words[0]):
        return os.path.abspath(words[0])
    if all(path.startswith(f"{here.rstrip('/')}/") for path in paths):
        return here
    return os.path.commonpath([os.path.dirname(path) for path in paths])
