"""Dropped: one file that was put into the hot folder: whether its writer is done with it, and what it holds."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spoolfarm import images
from spoolfarm.errors import InvalidParams, InvalidRequest, TooLarge
from spoolfarm.validation import check_sayable, json_object

#: Seconds for which a file stays untouched before it is taken, where the kernel does not say who writes to it.
QUIET = 2.0
#: The same for one that looks truncated, or is empty: the program that closed it may open it again and continue.
CUT_SHORT = 5.0
#: The most bytes of a parameters file.
PARAMS_LIMIT = 2**20
#: Bytes at the end of a file in which its format's end mark is searched.
TAIL = 1024
#: Bytes read at a time.
CHUNK = 2**20

#: A link is not followed, a FIFO without a writer does not block, and a terminal does not become our controlling one.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
#: What is refused without being opened, by the type in its mode.
_NO_FILES = {
    stat.S_IFLNK: "a symbolic link, and links are not followed",
    stat.S_IFIFO: "a FIFO, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFBLK: "a device, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFDIR: "a folder, not a file",
}


class Unfinished(Exception):
    """A program writes to the file, or may do so again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What distinguishes one version of a file from another without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        """The identity of what stat(2) *found*."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def same_file(self, other: Identity) -> bool:
        """Whether both are versions of one file."""
        return (self.device, self.inode) == (other.device, other.inode)


def read(
    folder: int, name: str, limit: int, quiet: Callable[[Identity], float], *, documents: bool = False
) -> tuple[Identity, bytes]:
    """The file *name* in the open directory *folder*, whole: no writer had it open before or after it was read.

    *quiet* says for how many seconds a version of the file is known to be unchanged. Raises Unfinished, TooLarge over
    *limit* bytes, InvalidRequest for anything that is not a file, and OSError. With *documents* PDF and TIFF files may
    be of any size.
    """
    try:
        kind = stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # parameters of a file whose name leaves no room for their ending
            raise FileNotFoundError(name) from error
        raise
    if kind != stat.S_IFREG:  # opening a FIFO would disturb its writer, and a device might do anything
        raise InvalidRequest(f"{printable(name)}: is {_NO_FILES.get(kind, 'not a file')}")
    descriptor = os.open(name, _FLAGS, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unfinished  # it has been replaced meanwhile
        identity = Identity.of(found)
        told = closed(descriptor)
        if told is False:
            raise Unfinished
        patience = CUT_SHORT if not looks_whole(descriptor, identity.size) else 0.0 if told else QUIET
        if quiet(identity) < patience:
            raise Unfinished
        if identity.size > limit and not (documents and _is_document(descriptor)):
            size = f"{identity.size} bytes are over the limit of {limit}"
            raise TooLarge(f"{printable(name)}: {size}; raise FARM_MAX_BODY_MB or send a smaller file")
        data = _read_all(descriptor, identity.size)
        if closed(descriptor) is False or Identity.of(os.fstat(descriptor)) != identity or len(data) != identity.size:
            raise Unfinished
        return identity, data
    finally:
        os.close(descriptor)


def _is_document(descriptor: int) -> bool:
    head = os.pread(descriptor, TAIL, 0)
    return images.is_pdf(head) or images.sniff(head) == "TIFF"


def untouched(folder: int, name: str, identity: Identity) -> bool:
    """Whether the file is still the version *identity*, and no process has it open for writing."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if Identity.of(found) != identity or not stat.S_ISREG(found.st_mode):
        return Identity.of(found) == identity
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=folder)
    except OSError:
        return True  # what cannot be opened is not read either
    try:
        return closed(descriptor) is not False and Identity.of(os.fstat(descriptor)) == identity
    finally:
        os.close(descriptor)


def closed(descriptor: int) -> bool | None:
    """Whether no process of this machine has the file open for writing; None where the kernel does not say.

    A read lease is only granted on a file that no process has open for writing (F_SETLEASE in fcntl(2)). It is released
    at once: a writer that comes meanwhile waits for microseconds, and sees no error.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # a broken lease is reported by a signal that we ignore
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None  # not our file, or a file system without leases
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno != errno.EAGAIN:  # it was broken, and taken away, meanwhile
            raise
    return True


def looks_whole(descriptor: int, size: int) -> bool:
    """Whether a file ends as its format should. False is not conclusive: some programs add bytes after the end.

    A file that ends in nothing but zeros, or is nothing else, is not whole: some programs reserve its room first.
    """
    head = os.pread(descriptor, 16, 0)
    tail = os.pread(descriptor, TAIL, max(0, size - TAIL))
    if not tail.strip(b"\0"):
        return False
    match images.sniff(head):
        case "JPEG":
            return tail.rstrip(b"\0").endswith(b"\xff\xd9")
        case "PNG":
            return b"IEND" in tail[-12:]
        case "GIF":
            return tail.endswith(b";")
        case "WEBP":
            return size >= int.from_bytes(head[4:8], "little") + 8
        case "BMP":
            return size >= int.from_bytes(head[2:6], "little")
        case "TIFF":  # the list of what is in the file, which most programs write last
            return size > int.from_bytes(head[4:8], "big" if head.startswith(b"MM") else "little")
        case _:
            return b"%%EOF" in tail if head.startswith(b"%PDF-") else True


def digest(data: bytes) -> str:
    """What distinguishes two contents."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def params(data: bytes, name: str) -> dict[str, Any]:
    """The parameters that the file *name* holds as *data*. Raises InvalidParams."""
    try:
        found = json_object(data)
    except ValueError as error:
        raise InvalidParams(f"{printable(name)}: {error}") from error
    try:
        check_sayable(found)
    except ValueError as error:
        raise InvalidParams(f"{printable(name)}: is not valid JSON: {error}") from error
    return found


def printable(name: str) -> str:
    """*name* as printable text, whatever bytes it is made of."""
    return os.fsencode(name).decode(errors="replace")


def _read_all(descriptor: int, size: int) -> bytes:
    """The file's bytes; of a growing file, at most one piece too many."""
    parts = []
    length = 0
    while length <= size and (part := os.read(descriptor, CHUNK)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
