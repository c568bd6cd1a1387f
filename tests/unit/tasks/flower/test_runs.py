"""The runs in a project: what their records tell, whoever wrote them, and in what state they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.tasks.flower.project import Project
from spoolfarm.tasks.flower.runs import SILENCE, Run, Runs
from tests.support import foreign_flower_project as foreign
from tests.support.run_folders import run_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


@pytest.fixture
def runs(root: Path) -> Runs:
    return Runs(Project(load(foreign.settings(root)).by_name()))


def record(root: Path, **told: Any) -> Path:
    """Write the record of the run `it`."""
    foreign.write(root / "global_models/it/result.json", json.dumps(told))
    return root / "global_models/it/result.json"


def it(runs: Runs) -> Run:
    return runs.all()["it"]


def test_a_run_tells_its_figures_its_settings_and_its_time(root: Path, runs: Runs) -> None:
    name = run_folder(root, 3, rounds=2, learning_rate=0.1)
    run = runs.all()[name]
    assert (run.state, run.model, run.has_model, run.wanted, run.seconds) == ("completed", "SmallCNN", True, 10, 2.4)
    assert (list(run.rounds), len(run.losses), run.settings["learning_rate"]) == ([1, 2], 2, 0.1)
    assert run.started == 1_767_225_600 + 1800
    assert run.classes[9] == "9"


def test_a_record_is_read_again_when_it_has_changed_and_gone_runs_are_gone(root: Path, runs: Runs) -> None:
    path = record(root, **foreign.history(1))
    assert list(it(runs).rounds) == [1]
    record(root, **foreign.history(3))
    assert list(it(runs).rounds) == [1, 2, 3]
    assert it(runs) is it(runs)
    path.unlink()
    assert runs.all() == {}


def test_a_run_is_under_way_while_its_process_is(root: Path, runs: Runs) -> None:
    record(root, status="running", pid=os.getpid())
    assert it(runs).state == "running"
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    record(root, status="running", pid=process.pid)
    assert it(runs).state == "failed"


def test_a_run_that_names_no_process_is_dead_when_it_has_long_said_nothing(root: Path, runs: Runs) -> None:
    path = record(root, status="running")
    assert it(runs).state == "running"
    long_ago = os.stat(path).st_mtime - SILENCE - 60
    os.utime(path, (long_ago, long_ago))
    assert it(runs).state == "failed"


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "null", '{"rounds": "many"}', '{"rounds": [1], "accuracies": [], "losses": []}'),
        *('{"seconds": [1e999]}', '{"settings": [1], "classes": 7, "pid": true, "started": 5, "test_accuracy": 1e999}'),
    ],
)
def test_a_record_that_says_nonsense_is_a_run_without_figures(root: Path, runs: Runs, text: str) -> None:
    foreign.write(root / "global_models/it/result.json", text)
    run = it(runs)
    assert (run.state, list(run.rounds), run.settings, run.test_accuracy) == ("completed", [], {}, None)
    json.dumps([run.seconds, run.started], allow_nan=False)


def test_weights_without_a_record_are_a_run_and_an_empty_folder_is_none(root: Path, runs: Runs) -> None:
    foreign.write(root / "global_models/it/best_model.pth", "weights")
    (root / "global_models/empty").mkdir()
    assert {name: run.has_model for name, run in runs.all().items()} == {"it": True}
