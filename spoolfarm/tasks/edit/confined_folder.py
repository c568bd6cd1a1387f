"""The data folder: a directory tree that no path leads out of, not even while links in it are being moved.

Every directory on the way is opened from the one above it without following links, and files are opened, made and
renamed from the last of them. So a path is never looked up as a whole, and nothing that changes between a check and a
use can lead elsewhere.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from spoolfarm.errors import Forbidden, InvalidParams, InvalidRequest, SpoolUnavailable
from spoolfarm.spool import files

#: The longest path, in bytes.
MAX_PATH = 4096
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
#: What the system says when this process or the machine has no descriptor left: nothing about the file.
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Folder:
    """The tree below *root*, which itself may be reached by links."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)

    def within(self, path: str, field: str) -> str:
        """*path* as it is called below the root, without dots: `a/../b` is `b`, whatever `a` is.

        Relative paths begin at the root. Raises Forbidden when it lies elsewhere, InvalidRequest when it is no path.
        """
        try:
            if not path or "\0" in path or len(os.fsencode(path)) > MAX_PATH:
                raise InvalidRequest(f"{field}: is no path")
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"{field}: is no path") from error
        whole = posixpath.normpath(posixpath.join(self._root, path))
        for root in self._roots():
            if whole.startswith(f"{root.rstrip('/')}/"):
                return whole[len(root.rstrip("/")) + 1 :]
        raise Forbidden(f"{field}: is not in the data folder (FARM_DATA_DIR)")

    def _roots(self) -> Iterator[str]:
        """How the root may be called: as it was given, and where that leads."""
        yield self._root
        yield os.path.realpath(self._root)

    def open(self, path: str, field: str) -> int:
        """A descriptor of the regular file at *path*, for reading.

        Raises Forbidden for a link on the way, SpoolUnavailable when no file can be opened now, and OSError for what is
        not there or no regular file.
        """
        try:
            with self._directory(path, field) as (directory, name):
                descriptor = files.open_inside(name, directory, os.O_NONBLOCK)  # a FIFO must not block
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise SpoolUnavailable(f"no file can be opened now ({error.strerror})") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "Not a regular file")
        return descriptor

    def check_output(self, path: str, field: str) -> None:
        """Raise what `outputs` would raise for *path*, as far as anyone can tell without making anything."""
        try:
            with self._directory(path, field) as (directory, name):
                _check_target(name, directory, field)
        except FileNotFoundError:
            pass  # it can be made
        except OSError as error:
            raise _refusal(error, field) from error

    @contextmanager
    def outputs(self, path: str, field: str, mark: str) -> Iterator[Outputs]:
        """Files to be made in the directory of *path*, which is made when it is not there.

        *mark* tells their temporary names from those of others; those that a crash left under it are replaced. Raises
        Forbidden, InvalidParams or SpoolUnavailable.
        """
        try:
            with self._directory(path, field, make=True) as (directory, _):
                made = Outputs(directory, field, mark)
                try:
                    yield made
                finally:
                    made.drop()
        except OSError as error:
            raise _refusal(error, field) from error

    @contextmanager
    def _directory(self, path: str, field: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The opened directory of *path*, and the name in it. Raises Forbidden for a link, also for one met inside."""
        *above, name = path.split("/")
        if make:
            os.makedirs(self._root, exist_ok=True)
        try:
            with files.open_directory(self._root, above, make=make) as directory:
                yield directory, name
        except files.LinkFound as error:
            raise _link(error.filename, field) from error


class Outputs:
    """Files on their way into one opened directory: written under temporary names, then renamed, all at the end."""

    def __init__(self, directory: int, field: str, mark: str) -> None:
        self._directory = directory
        self._field = field
        self._mark = mark
        self._written: dict[str, str] = {}

    def add(self, name: str, data: bytes, *, sync: bool) -> None:
        """Write what is to be called *name*."""
        temporary = f".{self._mark}.{len(self._written)}"
        try:
            os.unlink(temporary, dir_fd=self._directory)
        except FileNotFoundError:
            pass
        descriptor = os.open(temporary, _NEW, 0o666, dir_fd=self._directory)
        self._written[temporary] = name
        try:
            files.write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def commit(self, *, sync: bool) -> None:
        """Give all files their names, replacing files that have them."""
        for name in self._written.values():
            _check_target(name, self._directory, self._field)
        for temporary, name in list(self._written.items()):
            os.rename(temporary, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            del self._written[temporary]
        if sync:
            os.fsync(self._directory)

    def drop(self) -> None:
        """Remove what has no name yet."""
        for temporary in self._written:
            os.unlink(temporary, dir_fd=self._directory)


def _check_target(name: str, directory: int, field: str) -> None:
    """Raise Forbidden when *name* is a link, InvalidParams when no file can take its place."""
    mode = files.mode_inside(name, directory)
    if stat.S_ISLNK(mode):
        raise _link(name, field)
    if mode and not stat.S_ISREG(mode):
        raise InvalidParams(f"{field}: {name} is there and is no regular file")


def _link(name: str, field: str) -> Forbidden:
    return Forbidden(f"{field}: {name} is a symbolic link; paths may not pass through one")


def _refusal(error: OSError, field: str) -> Exception:
    """What an output that cannot be written is to its sender."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Forbidden(f"{field}: may not be written ({error.strerror})")
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EEXIST, errno.ENOTEMPTY):
        return InvalidParams(f"{field}: cannot be written ({error.strerror})")
    return SpoolUnavailable(f"{field}: cannot be written ({error.strerror})")
