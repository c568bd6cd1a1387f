"""The hot folder's crash points: whatever call dies or fails, each file is answered once."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder import archiver, folder, scanner
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.tasks import registry
from tests.support.crash_points import CORES, Child, in_child, spread
from tests.support.echoing_worker import answers, left, work
from tests.support.lean_process import lean
from tests.support.spool_tree import Tree


def scenario(farm: Farm) -> None:
    """A file in a folder, with parameters, and something that is no file."""
    inbox = Path(farm.spool.root, "inbox/echo/sub")
    inbox.mkdir(parents=True)
    (inbox / "a.params.json").write_text('{"n": 1}')
    (inbox / "a").write_bytes(b"one")
    os.symlink("nowhere", inbox / "link")


#: What is to be answered, and what lies there in the end.
WANTED = {"echo/sub/a": "one", "echo/sub/link": "invalid_request"}
THERE = {"a", "a.params.json", "a.txt", "a.bin", "a.json", "link", "link.json"}


def go(farm: Farm, child: Child | None = None) -> None:
    """Run a hot folder and a worker until all is answered and put away; with *child*, counting the calls."""
    hot = HotFolder(farm)
    try:
        deadline = time.monotonic() + 10
        while left(Path(farm.spool.root, "inbox")) or os.listdir(f"{farm.spool.root}/taken"):
            assert time.monotonic() < deadline, f"{left(Path(farm.spool.root, 'inbox'))} are left"
            if child is None:
                hot.step()
            else:
                with child.armed():
                    hot.step()
            work(farm.spool)
    finally:
        hot.close()


def every_point(base: Path, mode: str, first: int, step: int) -> tuple[int, list[str]]:
    """Let call *first* end as *mode* says, and so every *step*-th after it; how many those were, and what was wrong."""
    violations: list[str] = []
    points, at = 0, first
    while True:
        path = base / str(at)
        settings = Settings(spool_dir=str(path / "spool"), results_dir=str(path / "results"), min_free_mb=0)
        farm = Farm(settings=settings)
        scenario(farm)
        said, status = in_child(Tree(path), lambda child, farm=farm: go(farm, child), mode, at)  # type: ignore[misc]
        calls = next((line.split()[1:] for line in said if line.startswith("calls")), None)
        violations += [f"{mode} at {at}: {line}" for line in said if line.startswith("violation")]
        farm.spool.reclaim()
        go(farm)
        farm.close()
        found, there = answers(path / "results/inbox"), set(os.listdir(path / "results/inbox/echo/sub"))
        if (found, there) != (WANTED, THERE):
            violations.append(f"{mode} at {at}: {found}, {sorted(there)}")
        if status == 0 and calls is not None and len(calls) < at:
            return points, violations
        points, at = points + 1, at + step


def enumerated(path: str, mode: str, first: int, step: int) -> list[tuple[int, list[str]]]:
    """`every_point`, spread over children, in a process of its own, where nothing lingers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # a process that dies loses no page
        patch.setattr(registry, "entry_points", lambda group: [])  # looking for them takes its time
        patch.setattr(archiver, "LINGER", 0.0)
        for module, name in (
            (archiver, "AGAIN"),
            (archiver, "STUCK"),
            (scanner, "RESCAN"),
            (folder, "AUDIT"),
            (folder, "RECHECK"),
            (folder, "FULL_RETRY"),
        ):
            patch.setattr(module, name, 0.02)
        works = [partial(every_point, Path(path), mode, first + nth * step, CORES * step) for nth in range(CORES)]
        return spread(works)


@pytest.mark.parametrize(("mode", "first", "step"), [("kill", 1, 1), ("ENOSPC", 1, 5), ("EIO", 3, 5), ("EMFILE", 5, 5)])
def test_every_crash_point_leaves_each_file_answered_once(tmp_path: Path, mode: str, first: int, step: int) -> None:
    told = lean(enumerated, str(tmp_path), mode, first, step)
    violations = [each for _, found in told for each in found]
    assert not violations, "\n".join(violations[:10])
    assert sum(points for points, _ in told) * step > 50
