"""The inbox: the folders in which files become jobs; the first folder of a path is the task."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager

from spoolfarm.spool import files
from spoolfarm.spool.system_files import is_system_file

log = logging.getLogger(__name__)

#: Suffixes of names under which programs write files that they rename when complete, besides names with a leading dot.
BEING_WRITTEN = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp")


class Inbox:
    """The tree below *root*."""

    def __init__(self, root: str) -> None:
        self.root = root
        #: Folders that have already been reported.
        self._unreadable: set[str] = set()

    def make(self, tasks: Collection[str]) -> None:
        """Make a folder for each of *tasks*, so that people find them."""
        for task in tasks:
            files.make_directory(f"{self.root}/{task}")

    def folder(self, path: str) -> AbstractContextManager[int]:
        """The folder *path*, open. Raises FileNotFoundError, NotADirectoryError also for a link, or OSError."""
        return files.open_directory(self.root, filter(None, path.split("/")))

    def walk(self, top: str, enter: Callable[[str], None] = lambda folder: None) -> Iterator[str]:
        """The paths from *top* on that may be files for us, by name; *enter* gets each folder before it is read."""
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                with self.folder(folder) as descriptor:
                    enter(folder)
                    with os.scandir(descriptor) as found:
                        there = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it was moved away, or is a link
            except OSError as error:
                if folder not in self._unreadable:
                    self._unreadable.add(folder)
                    log.error("the folder %r cannot be read: %s", folder, error.strerror)
                continue
            folders += [f"{folder}/{name}" for name, is_folder in reversed(there) if is_folder and is_ours(name)]
            yield from (f"{folder}/{name}" for name, is_folder in there if not is_folder and is_ours(name))

    def strangers(self, tasks: Collection[str]) -> list[tuple[str, int]]:
        """What lies in the inbox outside the folders of *tasks*: each name, and how many files are in it."""
        found = []
        for name in sorted(files.names(self.root)):
            path = f"{self.root}/{name}"
            folder = os.path.isdir(path) and not os.path.islink(path)
            if not is_ours(name) or (folder and name in tasks):
                continue
            number = sum(1 for _ in self.walk(name)) if folder else 1
            if number:
                found.append((name, number))
        return found

    def waiting(self) -> int:
        """How many files lie in the inbox."""
        return sum(1 for name in files.names(self.root) if is_ours(name) for _ in self.walk(name))


def is_ours(name: str) -> bool:
    """Whether something called *name* is looked at: not if it is hidden, the system's, or still being written."""
    return not name.startswith(".") and not name.lower().endswith(BEING_WRITTEN) and not is_system_file(name)
