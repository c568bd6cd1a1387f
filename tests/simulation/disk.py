"""The disk: a file system in memory that answers as Linux does, and tells whoever watches where files come and go."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NoReturn, Protocol

#: Where the disk is mounted: every other path is the machine's own.
MOUNT = "/simulated"
#: The first number of a descriptor on this disk, beyond any that the kernel gives.
FIRST_DESCRIPTOR = 1_000_000


class Observer(Protocol):
    """Whoever wants to know where names come and go. Paths are absolute."""

    def moved(self, source: str | None, target: str | None, node: Node, replaced: Node | None) -> None:
        """A name has moved, come (no *source*) or gone (no *target*)."""


class Node:
    """A file or a directory."""

    __slots__ = ("changed", "data", "is_directory", "links", "lock", "mode", "modified", "names", "number")

    def __init__(self, number: int, mode: int, now: float) -> None:
        self.number = number
        self.mode = mode
        self.is_directory = stat.S_ISDIR(mode)
        self.links = 1
        self.modified = self.changed = now
        self.data = bytearray()
        self.names: dict[str, Node] = {}
        #: The descriptor that holds the lock of flock(2).
        self.lock: Descriptor | None = None


@dataclass(eq=False, slots=True)
class Descriptor:
    """An open file."""

    node: Node
    path: str
    flags: int
    #: The process that opened it.
    owner: object
    at: int = 0


@dataclass
class Disk:
    """The tree below MOUNT."""

    #: The time now, in seconds since the epoch.
    clock: Callable[[], float]
    observer: Observer
    #: The process that makes the next call.
    owner: Callable[[], object]
    #: Brings the names of a listing into any order: no order is promised.
    shuffle: Callable[[list[str]], None] = lambda names: None
    root: Node = field(init=False)
    open_files: dict[int, Descriptor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = iter(range(1, 10**9))
        self._descriptors = iter(range(FIRST_DESCRIPTOR, 10**9))
        self.root = self._node(stat.S_IFDIR | 0o700)

    def _node(self, mode: int) -> Node:
        return Node(next(self._numbers), mode, self.clock())

    # Paths.

    def _find(self, path: str) -> Node:
        node = self.root
        for part in path[len(MOUNT) + 1 :].split("/"):
            if part:
                if not node.is_directory:
                    _fail(errno.ENOTDIR, path)
                found = node.names.get(part)
                if found is None:
                    _fail(errno.ENOENT, path)
                node = found
        return node

    def _parent(self, path: str) -> tuple[Node, str]:
        above, _, name = path.rstrip("/").rpartition("/")
        node = self._find(above)
        if not node.is_directory:
            _fail(errno.ENOTDIR, path)
        return node, name

    def _enter(self, parent: Node, name: str, node: Node) -> None:
        parent.names[name] = node
        parent.modified = parent.changed = node.changed = self.clock()

    def _leave(self, parent: Node, name: str) -> None:
        del parent.names[name]
        parent.modified = parent.changed = self.clock()

    # System calls, as `os` has them.

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        try:
            node = self._find(path)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            parent, name = self._parent(path)
            node = self._node(stat.S_IFREG | mode)
            self._enter(parent, name, node)
            self.observer.moved(None, path, node, None)
        else:
            if flags & os.O_CREAT and flags & os.O_EXCL:
                _fail(errno.EEXIST, path)
            if node.is_directory and flags & (os.O_WRONLY | os.O_RDWR):
                _fail(errno.EISDIR, path)
            if flags & os.O_DIRECTORY and not node.is_directory:
                _fail(errno.ENOTDIR, path)
        number = next(self._descriptors)
        self.open_files[number] = Descriptor(node, path, flags, self.owner())
        return number

    def read(self, number: int, most: int) -> bytes:
        file = self._open(number)
        if file.node.is_directory:
            _fail(errno.EISDIR, file.path)
        data = bytes(file.node.data[file.at : file.at + most])
        file.at += len(data)
        return data

    def pread(self, number: int, most: int, at: int) -> bytes:
        return bytes(self._open(number).node.data[at : at + most])

    def write(self, number: int, data: bytes) -> int:
        file = self._open(number)
        if file.flags & os.O_APPEND:
            file.at = len(file.node.data)
        file.node.data[file.at : file.at + len(data)] = data
        file.at += len(data)
        file.node.modified = file.node.changed = self.clock()
        return len(data)

    def close(self, number: int) -> None:
        file = self._open(number)
        del self.open_files[number]
        if file.node.lock is file:
            file.node.lock = None

    def fsync(self, number: int) -> None:
        self._open(number)

    def fstat(self, number: int) -> SimpleNamespace:
        return _status(self._open(number).node)

    def stat(self, path: str, *, follow_symlinks: bool = True) -> SimpleNamespace:
        return _status(self._find(path))

    def lstat(self, path: str) -> SimpleNamespace:
        return _status(self._find(path))

    def access(self, path: str, mode: int) -> bool:  # whoever asks may do all with what is there
        try:
            return self._find(path) is not None
        except OSError:
            return False

    def rename(self, source: str, target: str) -> None:
        old, old_name = self._parent(source)
        new, new_name = self._parent(target)
        node, there = old.names.get(old_name), new.names.get(new_name)
        if node is None:
            _fail(errno.ENOENT, source)
        if f"{target}/".startswith(f"{source}/") and target != source:
            _fail(errno.EINVAL, source)
        if f"{source}/".startswith(f"{target}/") and target != source:
            _fail(errno.ENOTEMPTY, source)
        if there is node:
            return
        if there is not None:
            if there.is_directory:
                if not node.is_directory:
                    _fail(errno.EISDIR, source)
                if there.names:
                    _fail(errno.ENOTEMPTY, source)
            elif node.is_directory:
                _fail(errno.ENOTDIR, source)
            there.links -= 1
        self._leave(old, old_name)
        self._enter(new, new_name, node)
        self.observer.moved(source, target, node, there)

    def link(self, source: str, target: str, *, follow_symlinks: bool = True) -> None:
        node = self._find(source)
        parent, name = self._parent(target)
        if name in parent.names:
            _fail(errno.EEXIST, source)
        if node.is_directory:
            _fail(errno.EPERM, source)
        node.links += 1
        self._enter(parent, name, node)
        self.observer.moved(None, target, node, None)

    def unlink(self, path: str) -> None:
        parent, name = self._parent(path)
        node = parent.names.get(name)
        if node is None:
            _fail(errno.ENOENT, path)
        if node.is_directory:
            _fail(errno.EISDIR, path)
        self._leave(parent, name)
        node.links -= 1
        node.changed = self.clock()
        self.observer.moved(path, None, node, None)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        parent, name = self._parent(path)
        if name in parent.names:
            _fail(errno.EEXIST, path)
        node = self._node(stat.S_IFDIR | mode)
        self._enter(parent, name, node)
        self.observer.moved(None, path, node, None)

    def rmdir(self, path: str) -> None:
        parent, name = self._parent(path)
        node = parent.names.get(name)
        if node is None:
            _fail(errno.ENOENT, path)
        if not node.is_directory:
            _fail(errno.ENOTDIR, path)
        if node.names:
            _fail(errno.ENOTEMPTY, path)
        self._leave(parent, name)
        node.links = 0
        self.observer.moved(path, None, node, None)

    def listdir(self, path: str) -> list[str]:
        node = self._find(path)
        if not node.is_directory:
            _fail(errno.ENOTDIR, path)
        names = list(node.names)
        self.shuffle(names)
        return names

    def truncate(self, path: str, length: int) -> None:
        del self._find(path).data[length:]

    def utime(self, path: str, times: tuple[float, float]) -> None:
        self._find(path).modified = times[1]

    # What is no call of `os`.

    def lock(self, number: int, operation: int) -> bool:
        """flock(2), which does not wait here: False when another descriptor holds the lock."""
        file = self._open(number)
        if operation & fcntl.LOCK_UN:
            if file.node.lock is file:
                file.node.lock = None
        elif file.node.lock not in (None, file):
            return False
        else:
            file.node.lock = file
        return True

    def drop(self, owner: object) -> None:
        """Close what *owner*, which has died, had open."""
        for number in [number for number, file in self.open_files.items() if file.owner is owner]:
            self.close(number)

    def files(self, path: str = MOUNT) -> Iterator[tuple[str, Node]]:
        """Every file below *path*, with its path."""
        node = self._find(path)
        for name, inner in node.names.items():
            if inner.is_directory:
                yield from self.files(f"{path}/{name}")
            else:
                yield f"{path}/{name}", inner

    def _open(self, number: int) -> Descriptor:
        file = self.open_files.get(number)
        if file is None:
            _fail(errno.EBADF, str(number))
        return file


def _status(node: Node) -> SimpleNamespace:
    return SimpleNamespace(
        st_mode=node.mode,
        st_ino=node.number,
        st_dev=1,
        st_nlink=node.links,
        st_uid=os.geteuid(),
        st_size=len(node.data),
        st_mtime=node.modified,
        st_ctime=node.changed,
        st_mtime_ns=int(node.modified * 1e9),
    )


def _fail(number: int, path: str) -> NoReturn:
    raise OSError(number, os.strerror(number), path)


def on_disk(path: Any) -> bool:
    """Whether *path*, a path or a descriptor, is one of this disk."""
    if isinstance(path, str):
        return path.startswith(MOUNT)
    if isinstance(path, int):
        return path >= FIRST_DESCRIPTOR
    return isinstance(path, os.PathLike) and os.fspath(path).startswith(MOUNT)
