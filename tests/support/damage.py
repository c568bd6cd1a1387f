"""Damage: what a disk, a cable or a power cut makes of a file: one bit flipped, or the end missing."""

from __future__ import annotations

from collections.abc import Iterator


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
