"""What a power cut tore in the spool is no reason for the launcher not to start, or to end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoolfarm.cli import doctor
from spoolfarm.cli.finding import Level
from spoolfarm.errors import FarmRunning
from spoolfarm.farm.farm import Farm
from spoolfarm.launcher.launcher import Launcher
from spoolfarm.spool.job import Job
from spoolfarm.spool.lock import lock
from tests.support.spool_tree import Elsewhere, Tree

TORN = [b"", b"\0" * 60, b"{", b"[1]", b"17", b'{"pid": 1}', b'{"pid": 1, "tasks": 5}', b"[" * 100_000, b"\xff"]


@pytest.mark.parametrize("torn", TORN[:5:2], ids=lambda torn: repr(torn[:20]))
def test_what_another_launcher_said_of_itself_may_be_torn(farm: Farm, launcher: Launcher, torn: bytes) -> None:
    path = Path(farm.spool.root, "launcher.json")
    path.write_bytes(torn)

    def run() -> None:
        held.append(lock(f"{farm.spool.root}/launcher.lock"))
        held[0].acquire()

    held: list[object] = []
    with Elsewhere(run), pytest.raises(FarmRunning):
        launcher._be_alone()
    assert {finding.level for finding in doctor.launcher(farm.settings)} == {Level.WARN}


def test_a_torn_record_of_a_dead_worker_keeps_nobody_from_its_job(
    farm: Farm, launcher: Launcher, tmp_path: Path
) -> None:
    tree = Tree(tmp_path)
    jobs = [Job("echo", durable=True) for _ in TORN]
    for job, torn in zip(jobs, TORN, strict=True):
        wid = tree.orphan(job)
        Path(f"{farm.spool.workers}/{wid}.json").write_bytes(torn)
        (Path(farm.spool.root) / "idle" / wid).touch()
    farm.submit("echo")  # which rings for them all
    assert farm.workers() == []
    assert farm.missing() == ["no worker is ready"]
    launcher._pool.look(ending=True)
    launcher._farm.sweep()
    assert farm.spool.count() == {"echo": len(TORN) + 1}
    assert os.listdir(farm.spool.active) == []
