"""Attachments: the files of a result, in a directory of its own beside it.

    results/<id>/<name>    one file of the result of job <id>; the record names them all in "files"

The directory is made in `results/tmp/` and renamed to its place before the record appears. So a reader that sees the
record sees its files, complete. A directory without a record was left by a crash, and the next attempt replaces it.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spoolfarm.spool import files

#: Bytes that the name of a file may have.
LONGEST_NAME = 255
#: How a link fails where a copy may not: another file system, an owner who is not the farm, too many links.
NOT_LINKED = (errno.EXDEV, errno.EMLINK, errno.EACCES, *files.NO_LINKS)
#: How a file system refuses a name that it cannot have.
BAD_NAME = (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ)


class BadAttachment(ValueError):
    """The files of a result can never be published; the disk has nothing to do with it."""


class Attachments:
    """The directories beside the results."""

    def __init__(self, root: str, tmp: str) -> None:
        self._root = root
        self._tmp = tmp

    def place(self, job_id: str, attached: Mapping[str, bytes | Path], *, sync: bool) -> None:
        """Put the files of *job_id* beside where its record will be.

        A Path in `scratch`, or in another result, is linked; one elsewhere is copied, for who owns it may write to it.
        Raises BadAttachment for what will never work, and OSError when the disk does not take it now.
        """
        check(attached)
        made = self.scratch(job_id)
        try:
            for name, content in attached.items():
                try:
                    self._put(content, name, f"{made}/{name}", sync)
                except OSError as error:
                    if error.errno in BAD_NAME:
                        raise BadAttachment(f"{name!r} is no name for a file there: {error.strerror}") from error
                    raise
            if sync:
                files.sync_directory(str(made))
            self.remove(job_id)
            os.rename(made, self._path(job_id))
        except BaseException:
            files.remove_tree(str(made))
            raise

    def scratch(self, job_id: str) -> Path:
        """Make a directory on the same file system, in which files can be prepared."""
        made = Path(f"{self._tmp}/{job_id}.{random.getrandbits(32):08x}")
        try:
            made.mkdir(files.DIRECTORY_MODE)
        except FileNotFoundError:
            os.mkdir(self._tmp, files.DIRECTORY_MODE)  # somebody has tidied up
            made.mkdir(files.DIRECTORY_MODE)
        return made

    def path(self, job_id: str, name: str) -> Path:
        """Where the file called *name* lies."""
        return Path(self._path(job_id), name)

    def remove(self, job_id: str) -> None:
        """Forget the files of *job_id*, if there are any."""
        files.remove_tree(self._path(job_id))

    def _put(self, content: bytes | Path, name: str, place: str, sync: bool) -> None:
        if not isinstance(content, Path):
            files.write_new(place, [content], sync=sync)
            return
        source = _opened(content, name)
        try:
            if self._link(os.path.realpath(content), place):
                if sync:
                    files.sync(place)
            else:
                files.write_new(place, _chunks(source, name), sync=sync)
        finally:
            os.close(source)

    def _link(self, path: str, place: str) -> bool:
        """Link a file that is the farm's own. False when it is not, or its file system has no links."""
        if not path.startswith(f"{os.path.realpath(self._root)}/"):
            return False
        try:
            os.link(path, place)
        except OSError as error:
            if error.errno not in NOT_LINKED:
                raise
            return False
        return True

    def _path(self, job_id: str) -> str:
        return f"{self._root}/{job_id}"


def check(attached: Any) -> None:
    """Raise BadAttachment unless *attached* has bytes or Paths by names that are those of files in one directory."""
    if not isinstance(attached, Mapping):
        raise BadAttachment(f"files are given by name, not as an object of type {type(attached).__name__}")
    for name, content in attached.items():
        if not _is_name(name):
            raise BadAttachment(f"{name!r} is no name for a file: it is one part of a path, of up to 255 bytes")
        if not isinstance(content, (bytes, bytearray, memoryview, Path)):
            raise BadAttachment(f"{name!r} is neither bytes nor a Path, but an object of type {type(content).__name__}")


def _is_name(name: Any) -> bool:
    try:
        length = len(name.encode()) if isinstance(name, str) else 0
    except UnicodeEncodeError:
        return False
    return 0 < length <= LONGEST_NAME and name not in (".", "..") and "/" not in name and "\0" not in name


def _opened(path: Path, name: str) -> int:
    """A descriptor of the file at *path*. Raises BadAttachment when there is none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise BadAttachment(f"{name!r} is to be {path}, which cannot be read: {error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadAttachment(f"{name!r} is to be {path}, which is no file")
    return descriptor


def _chunks(descriptor: int, name: str) -> Iterator[bytes]:
    try:
        while chunk := os.read(descriptor, files.NEXT_READ):
            yield chunk
    except OSError as error:
        raise BadAttachment(f"{name!r} cannot be read: {error.strerror}") from error
