"""The simulated disk answers what the kernel answers."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.disk import MOUNT, Disk

NAMES = ("a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "x/y")
FLAGS = (
    os.O_RDONLY,
    os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDWR,
    os.O_WRONLY | os.O_CREAT,
    os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    os.O_WRONLY | os.O_CREAT | os.O_APPEND,
)


class Silent:
    """Nobody who wants to know."""

    def moved(self, *_: object) -> None:
        """See `Observer`."""


def answer(act: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, in words that are the same on both disks."""
    try:
        found = act(*arguments)
    except OSError as error:
        return error.errno
    if isinstance(found, list):
        return sorted(found)
    if hasattr(found, "st_mode"):
        is_file = os.path.stat.S_ISREG(found.st_mode)
        return (is_file, found.st_size, found.st_nlink) if is_file else (is_file,)
    return found


def touched(calls: Any, path: str, flags: int, data: bytes) -> Any:
    """Open, write what can be written, read, look, and close."""
    descriptor = calls.open(path, flags, 0o600)
    try:
        wrote = answer(calls.write, descriptor, data) if flags & (os.O_WRONLY | os.O_RDWR) else None
        read = answer(calls.read, descriptor, 5) if not flags & os.O_WRONLY else None
        return wrote, read, answer(calls.fstat, descriptor)
    finally:
        calls.close(descriptor)


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_calls_gets_the_same_answers_as_on_a_real_disk(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    disk = Disk(lambda: 1.0, Silent(), lambda: None)
    for step in range(200):
        first, second = chance.choice(NAMES), chance.choice(NAMES)
        kind = chance.choice(
            ("touch", "touch", "rename", "link", "unlink", "mkdir", "mkdir", "rmdir", "listdir", "stat", "truncate")
        )
        flags, data = chance.choice(FLAGS), bytes([65 + step % 26]) * chance.randint(0, 9)
        answers = []
        for root, calls in ((str(tmp_path), os), (MOUNT, disk)):
            paths = [f"{root}/{first}"] + [f"{root}/{second}"] * (kind in ("rename", "link"))
            if kind == "touch":
                answers.append(answer(lambda: touched(calls, paths[0], flags, data)))
            elif kind == "truncate":
                answers.append(answer(calls.truncate, paths[0], 1) if os.path.isfile(tmp_path / first) else None)
            else:
                answers.append(answer(getattr(calls, kind), *paths))
        assert answers[0] == answers[1], (seed, step, kind, first, second)


def test_a_lock_is_held_by_one_descriptor_until_it_is_closed() -> None:
    import fcntl

    disk = Disk(lambda: 1.0, Silent(), lambda: "somebody")
    first, second = (disk.open(f"{MOUNT}/lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert disk.lock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not disk.lock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    disk.close(first)
    assert disk.lock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    disk.drop("somebody")
    assert disk.open_files == {}
    assert disk.root.names["lock"].lock is None
