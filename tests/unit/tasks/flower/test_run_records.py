"""The records of runs: which one is a job's own, and which of them are closed after it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from spoolfarm.config import load
from spoolfarm.tasks.flower import run_records
from spoolfarm.tasks.flower.project import Project
from tests.support import foreign_flower_project as foreign


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


def test_the_folder_that_a_run_names_is_its_own(root: Path) -> None:
    project = Project(load(foreign.settings(root)).by_name())
    for name in ("one", "two", "three"):
        foreign.write(root / f"global_models/{name}/result.json", '{"status": "completed"}')
        os.utime(root / f"global_models/{name}/result.json", (1e9, 1e9 + len(name)))
    assert run_records.own(project, "job", 1e9) == "three"
    assert run_records.own(project, "job", 1e9, {"one", "elsewhere"}) == "one"
    assert run_records.own(project, "job", 1e9 + 9) is None
    foreign.write(root / "global_models/two/result.json", '{"job": "another"}')
    assert run_records.own(project, "job", 1e9) == "three"
    assert run_records.own(project, "another", 1e9) == "two"


def test_a_record_without_process_of_another_run_is_left_alone(root: Path) -> None:
    foreign.write(root / "global_models/mine/result.json", '{"status": "running"}')
    foreign.write(root / "global_models/other/result.json", '{"status": "running"}')
    project = Project(load(foreign.settings(root)).by_name())
    assert run_records.settle(project, "stopped", time.time() - 5, "mine") == ["mine"]
    assert run_records.settle(project, "stopped", time.time() - 5, "") == []
