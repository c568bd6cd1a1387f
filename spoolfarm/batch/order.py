"""The order: a batch that was asked for by the front, as a folder in which everything about it lies.

order.json       what is to be done with what, and since when
inputs/          the files that were sent, unless it is a folder of the data folder that is to be done
results/         the ledger: see `ledger.py`
progress.json    how far it has come, written by the process that does it
run.lock         held by that process for life
stop             asks it to stop
log              what it printed
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spoolfarm.spool import checksum, files, lease

INPUTS, RESULTS, LOCK, STOP, LOG = "inputs", "results", "run.lock", "stop", "log"
_ORDER, _PROGRESS = "order.json", "progress.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    task: str
    params: Mapping[str, Any]
    #: The folder to be done, as an absolute path; empty when the files are sent.
    folder: str
    #: What people call it.
    name: str
    #: Seconds since the epoch.
    created: float

    def write(self, root: str) -> None:
        """Make it the order of the batch in *root*."""
        files.write_atomic(f"{root}/{_ORDER}", checksum.seal(json.dumps(asdict(self)).encode()), sync=True)

    @classmethod
    def read(cls, root: str) -> Order:
        """The order of the batch in *root*. Raises OSError, or ValueError when it is damaged."""
        try:
            return cls(**checksum.opened(files.read(f"{root}/{_ORDER}")))
        except (checksum.Altered, TypeError) as error:
            raise ValueError(f"the order in {root} is damaged: {error}") from error

    def base(self, root: str) -> str:
        """The folder with its files."""
        return self.folder or f"{root}/{INPUTS}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come."""

    #: running, done, stopped or failed.
    state: str
    total: int = 0
    #: How many have ended in this run, how many of these failed, and how many earlier runs had done.
    ended: int = 0
    failed: int = 0
    earlier: int = 0
    #: Jobs a second, 0 while that is not known, and the seconds that are left, if that can be told.
    rate: float = 0.0
    left: float | None = None
    #: What it waits for, or why it failed; and how many files of its folder it passes over.
    note: str = ""
    passed_over: str = ""
    #: When it was written, in seconds since the epoch.
    at: float = 0.0

    def write(self, root: str) -> None:
        """Tell it to whoever looks at the batch in *root*."""
        files.write_atomic(f"{root}/{_PROGRESS}", json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, root: str) -> Progress | None:
        """What was told last; None when there is nothing yet."""
        try:
            return cls(**json.loads(files.read(f"{root}/{_PROGRESS}")))
        except (OSError, ValueError, TypeError):
            return None


def alive(root: str) -> bool:
    """Whether a process does the batch in *root*."""
    return lease.alive(root, LOCK.removesuffix(".lock"))


def stop(root: str) -> None:
    """Ask the process that does the batch in *root* to stop."""
    with open(os.open(f"{root}/{STOP}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE), "wb"):
        pass
