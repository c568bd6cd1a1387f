"""Files: the few ways in which the farm writes to disk, so that no reader ever sees a partial file."""

from __future__ import annotations

import errno
import functools
import logging
import os
import pwd
import shutil
import stat
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from spoolfarm.spool.rename import rename_new

log = logging.getLogger(__name__)

#: Only the farm's own user reads its files.
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
#: The system's errors for something that exists but cannot be read: they cost that one thing and nothing else.
UNREADABLE = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EBADMSG, errno.EUCLEAN})
#: Bytes of the first read, more than most results have, and of each further read.
FIRST_READ, NEXT_READ = 32768, 2**20
#: How a hard link fails on a file system that has none.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
#: What is wrong where `can_publish` is False.
CANNOT_PUBLISH = "its file system has neither hard links nor renames that never replace, so no answer could be kept"


def write_new(path: str, buffers: Iterable[bytes], *, sync: bool = False, mode: int = FILE_MODE) -> None:
    """Create the file *path* from *buffers*, and with *sync* force it to the disk; on any error it is gone again.

    A failed sync is never retried on the same file: the kernel may have dropped the pages it could not write, and
    a second sync would then report success (PostgreSQL, 2018).
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            for buffer in buffers:
                write_all(descriptor, buffer)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(path)
        raise


def write_all(descriptor: int, buffer: bytes | memoryview) -> None:
    """Write the whole of *buffer*."""
    while (written := os.write(descriptor, buffer)) < len(buffer):
        buffer = memoryview(buffer)[written:]


def read(path: str) -> bytes:
    """Return the whole file. Unlike `open(path).read()` it makes no buffer object, and does not follow a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # a FIFO must not block
    try:
        parts = [os.read(descriptor, FIRST_READ)]
        while part := os.read(descriptor, NEXT_READ):
            parts.append(part)
        return b"".join(parts) if len(parts) > 1 else parts[0]
    finally:
        os.close(descriptor)


def read_beginning(path: str) -> bytes:
    """Return the file's first FIRST_READ bytes, or all of a shorter one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.read(descriptor, FIRST_READ)
    finally:
        os.close(descriptor)


def write_atomic(path: str, data: bytes, *, sync: bool = False, mode: int = FILE_MODE) -> None:
    """Put *data* at *path*, replacing what was there in one step; with *sync*, even across a power cut."""
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"
    write_new(temporary, [data], sync=sync, mode=mode)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def append(path: str, line: bytes) -> None:
    """Add *line* to the end of *path* in one write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def publish(temporary: str, path: str) -> bool:
    """Make the finished file *temporary* appear at *path* unless something is already there; return whether it did.

    Raises OSError only when it did not. A *temporary* that the disk refuses to remove is left for the next sweep.
    """
    try:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            rename_new(temporary, path)
    except FileExistsError:
        return False
    finally:
        try:
            remove(temporary)
        except OSError:
            pass
    return True


def can_publish(directory: str) -> bool:
    """False when `publish` cannot work in *directory*: no hard links there, and no renames that never replace."""
    first, second, place = (os.path.join(directory, f"{os.urandom(8).hex()}.{name}") for name in ("a", "b", "c"))
    try:
        write_new(first, [b""])
        write_new(second, [b""])
        return publish(first, place) and not publish(second, place)
    except OSError as error:
        return error.errno not in (*NO_LINKS, errno.EINVAL)  # a full disk, for one, says nothing of it
    finally:
        for path in (first, second, place):
            remove(path)


def relocate(path: str, target: str, folder: int | None = None) -> None:
    """Move *path*, in the open directory *folder* if given, to *target*, replacing what was there.

    Anything that is not a file is renamed as well. To another file system, a file is copied, a link is recreated, and
    what holds no data, such as a FIFO, is only removed. The target is complete the moment it is visible, and the source
    is removed last.
    """
    try:
        os.rename(path, target, src_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        kind = stat.S_IFMT(os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode)
        temporary = os.path.join(os.path.dirname(target), f".{zlib.crc32(os.fsencode(target)):08x}.moving")
        remove(temporary)  # a crash left it
        if kind == stat.S_IFREG:
            _copy(path, temporary, folder)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(path, dir_fd=folder), temporary)
        if kind in (stat.S_IFREG, stat.S_IFLNK):
            os.rename(temporary, target)
        os.unlink(path, dir_fd=folder)


def relocate_new(path: str, target: str) -> None:
    """Move *path* to *target*, which is not there yet, as `relocate` does. Raises FileExistsError when it is there.

    Where no rename refuses to replace, somebody else must not make the target at the same moment.
    """
    try:
        rename_new(path, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.ENOSYS, errno.EINVAL):
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        relocate(path, target)


def _copy(path: str, target: str, folder: int | None) -> None:
    """Copy a file with its permissions and times, and sync it to disk."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(path, flags, dir_fd=folder), "rb") as source, open(target, "xb") as copy:
        shutil.copyfileobj(source, copy, NEXT_READ)
        copy.flush()
        found = os.fstat(source.fileno())
        os.fchmod(copy.fileno(), stat.S_IMODE(found.st_mode))
        os.utime(copy.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fsync(copy.fileno())


def remove(path: str) -> bool:
    """Unlink *path*. False when it was gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def remove_empty(path: str) -> None:
    """Remove the directory *path*, unless it is gone, is not empty, or is not a directory."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise


def remove_tree(path: str) -> None:
    """Remove the directory *path* with everything in it; do nothing when it is gone."""
    try:
        os.rmdir(path)  # most often there is nothing, and this is the cheapest way to find out
    except FileNotFoundError:
        return
    except OSError:
        while os.path.lexists(path):
            try:
                shutil.rmtree(path)
            except FileNotFoundError:
                continue  # another process removes it, too


def modified(path: str) -> float:
    """When *path* was last written, in seconds since the epoch; now, when it is gone."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return time.time()


def changed(path: str) -> float:
    """When *path* was last moved, written or given to another owner, in seconds since the epoch; now, when gone."""
    try:
        return os.lstat(path).st_ctime
    except FileNotFoundError:
        return time.time()


def make_directory(path: str) -> None:
    """Make *path* and what is missing above it, for the farm's user alone, and sync new names to disk."""
    if not os.path.isdir(path):
        make_directory(os.path.dirname(path))
        try:
            os.mkdir(path, DIRECTORY_MODE)
        except FileExistsError:
            return  # another process made it, and syncs it
        try:
            sync_directory(os.path.dirname(path))
        except OSError:
            remove_empty(path)  # or the next try would take it for made and synced
            raise


class LinkFound(NotADirectoryError):
    """A symbolic link lies where none may; `filename` is its name."""


@contextmanager
def open_directory(root: str, parts: Iterable[str], *, make: bool = False) -> Iterator[int]:
    """The directory below *root* to which the names *parts* lead, open; with *make*, what is missing is made.

    Each directory is opened relative to the one above it, so changes made meanwhile cannot lead elsewhere; only *root*
    may be reached through links. Raises LinkFound, FileNotFoundError, NotADirectoryError or OSError.
    """
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            above, here = here, _descend(part, here, make=make)
            os.close(above)
        yield here
    finally:
        os.close(here)


def open_inside(name: str, directory: int, flags: int) -> int:
    """A descriptor of *name* in the open *directory*, for reading. Raises LinkFound when it is a link, or OSError."""
    try:
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and stat.S_ISLNK(mode_inside(name, directory)):
            raise LinkFound(errno.ENOTDIR, "Is a symbolic link", name) from error
        raise


def mode_inside(name: str, directory: int) -> int:
    """What *name* in the open *directory* is, links not followed: the mode of stat(2), or 0 when it is not there."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _descend(name: str, directory: int, *, make: bool) -> int:
    try:
        return open_inside(name, directory, os.O_DIRECTORY)
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(name, dir_fd=directory)
    except FileExistsError:
        pass  # another process was first
    return open_inside(name, directory, os.O_DIRECTORY)


def names(path: str) -> list[str]:
    """The names in the directory *path*, unsorted; none when it is not there, or cannot be read, which is logged once.

    So a walk over many directories goes on past one that belongs to another user.
    """
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        _name_unreadable(path, why(error, path))
        return []


def why(error: OSError, path: str) -> str:
    """*error* as a phrase, with the owner of *path* when that is another user."""
    reason = error.strerror or str(error)
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return reason
    return reason if owner == os.geteuid() else f"{reason}; it belongs to {user(owner)}"


def where(error: OSError) -> str:
    """*error* as a phrase, with the path that it is about."""
    path = error.filename2 or error.filename
    return f"{error.strerror}: {path}" if path else f"{error.strerror}"


def user(uid: int) -> str:
    """The name of the user *uid*, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@functools.lru_cache(maxsize=1024)
def _name_unreadable(path: str, reason: str) -> None:
    """Log it; the cache has each reason logged once."""
    log.error("%s cannot be read, and is passed over: %s", path, reason)


def sync(path: str) -> None:
    """Sync the finished file *path* to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: str) -> None:
    """Sync the names in *path* to disk. Concurrent callers share one fsync."""
    _shared_sync(path)()


class SharedSync:
    """An fsync of one directory that concurrent callers share.

    A caller is served by the first sync that starts after its call. So while one sync runs, all new callers wait for
    the next, and one of them does it for the rest.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._next: Future[None] | None = None

    def __call__(self) -> None:
        with self._lock:
            leads = self._next is None
            mine = self._next = self._next or Future()
        if leads:
            with self._running:  # until the sync before this one is over, others may still join
                with self._lock:
                    self._next = None
                self._sync(mine)
        mine.result()

    def _sync(self, turn: Future[None]) -> None:
        try:
            sync(self._path)
        except OSError as error:
            turn.set_exception(error)
        else:
            turn.set_result(None)


@functools.lru_cache(maxsize=64)
def _shared_sync(path: str) -> SharedSync:
    return SharedSync(path)
