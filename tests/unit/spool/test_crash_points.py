"""The crash model: whatever call dies or fails, nothing that was promised is lost."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.crash_points import ERRORS, Child, Tally, in_child, new, sound
from tests.support.crash_scenarios import SCENARIOS, enumerated
from tests.support.lean_process import lean
from tests.support.spool_tree import Tree, standing


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_crash_and_no_failing_call_loses_or_tears_anything(name: str, tmp_path: Path) -> None:
    tally = Tally(**lean(enumerated, name, str(tmp_path)))
    assert len(tally.calls) >= 3
    assert tally.points >= len(tally.calls) * (1 + len(ERRORS))
    assert sound(tally)


def test_a_job_that_kills_its_worker_every_time_ends_as_a_dead_letter_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a process that dies loses no page
    tree = Tree(tmp_path / "tree")
    job = new()
    tree.put(job)

    def die(child: Child) -> None:
        lease = tree.lease()
        (one,) = tree.spool.claim(lease, tree.spool.cursor(["echo"]), lambda task: 1)
        child.say(f"claimed {one.job.attempts}")
        os.kill(os.getpid(), signal.SIGKILL)

    for attempt in range(1, tree.spool.max_attempts + 1):
        said, status = in_child(tree, die)
        assert (said[0], status) == (f"claimed {attempt}", -signal.SIGKILL)
        (wid,) = tree.spool.running()
        assert tree.spool.reclaim({wid: f"bang {attempt}"}) == 1
    reason = json.loads(Path(tree.spool.dead.path(job.id), "reason.json").read_text())
    assert (reason["attempts"], reason["code"]) == (3, "worker_died")
    assert "bang 3" in reason["error"]
    assert [line["log"] for line in reason["log"]] == [f"attempt {number} ended: bang {number}" for number in (1, 2, 3)]
    assert [(attempt["attempt"], attempt["reason"]) for attempt in reason["lost"]] == [
        (number, f"bang {number}") for number in (1, 2, 3)
    ]
    assert tree.spool.results.wait(job.id, 0) == {key: reason[key] for key in reason if key not in ("log", "crc32")}
    assert sound(Tally(violations=standing(tree)))
