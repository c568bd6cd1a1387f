"""A process that may start no thread and no other process, because its control group has no more of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Where a group can be made that bounds how many processes are in it (cgroups(7)): of the first version and the second.
PARENTS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


@contextmanager
def no_more_processes(pid: int) -> Iterator[None]:
    """Within it *pid* starts nothing more; what it has started before is not concerned."""
    group, before = _made(pid)
    try:
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for each in (group / "cgroup.procs").read_text().split():
            before.write_text(each)
        group.rmdir()


def _made(pid: int) -> tuple[Path, Path]:
    """A group of one process at most, and the file of the group that *pid* is in."""
    for parent in PARENTS:
        group = parent / f"spoolfarm-{os.getpid()}-{pid}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "pids.max").exists():
            (group / "pids.max").write_text("1")
            lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
            [inner] = [path for _, kind, path in lines if kind == ("pids" if parent is PARENTS[0] else "")]
            return group, parent / inner.lstrip("/") / "cgroup.procs"
        group.rmdir()
    pytest.skip("no control group that bounds processes can be made here")
