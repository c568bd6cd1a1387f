"""The systems measured beside spoolfarm, each in its best settings: one file a system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

#: The variable by which a queue's module, imported by the producer and by its workers alike, finds what it stands on:
#: the address of a Redis server, or a directory.
BROKER = "BENCHMARK_BROKER"
#: Seconds to wait for one result.
PATIENCE = 60


class Queue(ABC):
    """A job queue with two worker processes, whose job answers how many bytes it was given."""

    def __init__(self, home: Path) -> None:
        #: A directory for logs, and for the queue when it is kept in files.
        self.home = home

    @abstractmethod
    def start(self) -> None:
        """Start the workers."""

    @abstractmethod
    def call(self, payload: bytes) -> int:
        """Run one job and wait for its answer."""

    @abstractmethod
    def burst(self, payloads: Sequence[bytes]) -> list[int]:
        """Submit all jobs as fast as the library can, then collect all answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop what `start` started."""
