"""The kernel: for a while, the calls of this process go to the disk and the clock of a simulated world."""

from __future__ import annotations

import builtins
import fcntl
import functools
import io
import logging
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace, TracebackType
from typing import Any
from unittest import mock

from spoolfarm.config import Settings
from spoolfarm.farm import farm as farm_module
from spoolfarm.hotfolder import archiver, scanner
from spoolfarm.spool import arrivals, doorbell, files, lease, lock, results, sweep_clock
from spoolfarm.spool.job import Job
from spoolfarm.tasks.registry import Registry
from tests.simulation import watches
from tests.simulation.disk import on_disk
from tests.simulation.world import World

#: The calls of `os` that the disk answers.
CALLS = (
    "open", "read", "pread", "write", "close", "fsync", "fstat", "stat", "lstat", "rename", "link", "unlink", "mkdir",
    "rmdir", "listdir", "truncate", "utime", "access",
)  # fmt: skip


class Kernel:
    """Leads calls to the world of the moment. Made once, for it takes a while; then many worlds can be entered."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._real = {name: getattr(os, name) for name in CALLS}
        self._registry = Registry(only=["echo"], settings=Settings().by_name())

    @contextmanager
    def hosting(self, world: World) -> Iterator[None]:
        """Within it, this process's calls below MOUNT, its clock and its chance are those of *world*."""
        self._world = world
        watches.enter(world)
        random.seed(world.options.seed)
        files._name_unreadable.cache_clear()
        try:
            yield
        finally:
            world.close()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within it, calls are led to the world that is entered."""
        with ExitStack() as stack:
            for target, name, value in self._changes():
                stack.enter_context(mock.patch.object(target, name, value))
            before, level = random.getstate(), logging.root.manager.disable
            logging.disable(logging.CRITICAL)
            try:
                yield
            finally:
                logging.disable(level)
                random.setstate(before)

    def _changes(self) -> Iterator[tuple[Any, str, Any]]:
        for name in CALLS:
            yield os, name, self._led(name)
        yield os, "scandir", self._scanned(os.scandir)
        yield fcntl, "fcntl", self._leased(fcntl.fcntl)
        yield archiver, "ThreadPoolExecutor", AtOnce
        yield sweep_clock, "believed", lambda _: self._here().now  # it takes hours to believe that hours have passed
        yield os, "chmod", self._answered(os.chmod, None)
        room = SimpleNamespace(f_blocks=10**9, f_bavail=10**9, f_frsize=4096, f_files=10**9, f_favail=10**9, f_flag=0)
        yield os, "statvfs", self._answered(os.statvfs, room)
        yield os, "urandom", lambda size: random.randbytes(size)
        yield shutil, "rmtree", self._tree_removed(shutil.rmtree)
        yield builtins, "open", self._opened(builtins.open)
        yield io, "open", self._opened(io.open)
        yield fcntl, "flock", self._locked(fcntl.flock)
        yield time, "time", self._of_this_thread(time.time, lambda: self._here().now)
        yield time, "time_ns", self._of_this_thread(time.time_ns, lambda: int(self._here().now * 1e9))
        yield time, "monotonic", self._of_this_thread(time.monotonic, lambda: self._here().now)
        yield time, "sleep", self._of_this_thread(time.sleep, lambda seconds: self._here().sleep(seconds))
        for module in (arrivals, doorbell, results, scanner):
            yield module, "Watch", watches.SimulatedWatch
        for module in (lock, lease):
            yield module, "FileLock", watches.SimulatedLock
        yield files, "_shared_sync", lambda path: files.SharedSync(path)  # each process has its own
        yield farm_module, "Registry", lambda *_: self._registry
        yield farm_module, "Job", lambda *given, **named: Job(*given, **{"created": self._here().now, **named})
        yield Settings, "by_name", lambda _: {}  # only the registry asks, and it takes long

    def _here(self) -> World:
        assert self._world is not None, "no world is entered"
        return self._world

    def _of_this_thread(self, real: Callable[..., Any], act: Callable[..., Any]) -> Callable[..., Any]:
        """*act* for the thread in which worlds run, and *real* for any other."""
        mine = threading.get_ident()
        return lambda *arguments: act(*arguments) if threading.get_ident() == mine else real(*arguments)

    def _led(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            if named:
                path, arguments, named = self._absolute(path, arguments, named)
            if not on_disk(path):
                return real(path, *arguments, **named)
            world = self._world
            assert world is not None, "no world is entered"
            if not isinstance(path, (str, int)):
                path = os.fspath(path)
            if arguments and isinstance(arguments[0], os.PathLike):
                arguments = (os.fspath(arguments[0]), *arguments[1:])
            return world.call(name, getattr(world.disk, name), (path, *arguments), named)

        return functools.wraps(real)(call)

    def _absolute(
        self, path: Any, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """The same call without descriptors of directories of the disk: none is ever renamed while it is open."""
        named = dict(named)
        for key in ("dir_fd", "src_dir_fd"):
            if on_disk(named.get(key)):
                path = f"{self._here().disk.open_files[named.pop(key)].path}/{os.fspath(path)}"
        if on_disk(named.get("dst_dir_fd")):
            target = f"{self._here().disk.open_files[named.pop('dst_dir_fd')].path}/{arguments[0]}"
            arguments = (target, *arguments[1:])
        if on_disk(path):
            named = {key: value for key, value in named.items() if not key.endswith("dir_fd")}
        return path, arguments, named

    def _scanned(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def scan(folder: Any) -> Iterator[Iterator[SimpleNamespace]]:
            path = self._here().disk.open_files[folder].path
            yield (
                SimpleNamespace(name=name, is_dir=functools.partial(_is_directory, f"{path}/{name}"))
                for name in os.listdir(path)
            )

        return lambda folder=".": scan(folder) if on_disk(folder) else real(folder)

    def _answered(self, real: Callable[..., Any], answer: Any) -> Callable[..., Any]:
        return lambda path, *arguments: answer if on_disk(path) else real(path, *arguments)

    def _opened(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if isinstance(path, int) or not on_disk(path):
                return real(path, mode, *arguments, **named)
            assert mode in ("r", "rb"), f"open(..., {mode!r}) is not simulated"
            return Reading(os.fspath(path))

        return call

    def _locked(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, operation: int) -> None:
            number = file if isinstance(file, int) else file.fileno()
            if not on_disk(number):
                real(number, operation)
                return
            world = self._here()
            while not world.call("flock", world.disk.lock, (number, operation), {}):
                if operation & fcntl.LOCK_NB:
                    raise BlockingIOError(11, "Resource temporarily unavailable")
                world.sleep(0.001)

        return call

    def _leased(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, command: int, argument: Any = 0) -> Any:
            """A read lease is granted on a file that nobody has open for writing; see fcntl(2)."""
            if not on_disk(file):
                return real(file, command, argument)
            opened = self._here().disk.open_files
            writers = (each for each in opened.values() if each.flags & (os.O_WRONLY | os.O_RDWR))
            wanted = command == fcntl.F_SETLEASE and argument == fcntl.F_RDLCK
            if wanted and any(each.node is opened[file].node for each in writers):
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return 0

        return call

    def _tree_removed(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def remove(path: Any, *arguments: Any, **named: Any) -> None:
            """As Python 3.11 does it: what somebody else removes meanwhile is an error."""
            if not on_disk(path):
                real(path, *arguments, **named)
                return
            for name in os.listdir(path):
                inner = f"{path}/{name}"
                remove(inner) if os.path.isdir(inner) else os.unlink(inner)
            os.rmdir(path)

        return remove


class AtOnce:
    """In the place of `ThreadPoolExecutor`: what is submitted is done at once."""

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, act: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(act(*arguments))
        return done

    def shutdown(self) -> None:
        """Nothing is under way."""


def _is_directory(path: str, *, follow_symlinks: bool = True) -> bool:
    return os.path.isdir(path)


class Reading:
    """A file of the disk that is open for reading, as `open` gives it."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._skip = 0

    def fileno(self) -> int:
        return self._descriptor

    def seek(self, place: int) -> None:
        self._skip = place

    def read(self) -> bytes:
        return os.read(self._descriptor, 2**30)[self._skip :]

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
