"""Damage: what a disk, a cable or a power cut makes of a file: one bit flipped, or the end missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path


def flipped(data: bytes, head: int | None = None) -> Iterator[bytes]:
    """*data* with each bit of its first *head* bytes flipped in turn; without *head*, of all its bytes."""
    for at in range(len(data) if head is None else min(head, len(data))):
        for bit in range(8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def cut(data: bytes) -> Iterator[bytes]:
    """*data* cut short to each length."""
    return (data[:end] for end in range(len(data)))


def damaged(data: bytes, head: int | None = None) -> Iterator[bytes]:
    """*data* damaged in both ways."""
    yield from flipped(data, head)
    yield from cut(data)


def spoil(data: bytes, number: int) -> bytes:
    """*data* damaged in one of its 9 * len(data) ways: first the flips, then the cuts."""
    at, bit = divmod(number, 8)
    if at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    return data[: number % len(data)]


def damages(path: str | Path, head: int | None = None, step: int = 1) -> Iterator[bytes]:
    """Damage the file at *path* in both ways in turn, or in every *step*-th; what it holds at each time."""
    for spoiled in islice(damaged(Path(path).read_bytes(), head), 0, None, step):
        Path(path).write_bytes(spoiled)
        yield spoiled
