"""The Flower project: models by id, training histories, and the command of a simulation."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from spoolfarm.config import load
from spoolfarm.errors import BadHistory, BadProject, NoHistory, NotConfigured, UnknownModel
from spoolfarm.tasks.flower.project import Project
from tests.support import foreign_flower_project as foreign


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


def project(root: Path, **more: str) -> Project:
    return Project(load(foreign.settings(root, **more)).by_name())


def run(root: Path, name: str, record: str = "{}", best: bool = True) -> None:
    foreign.write(root / "global_models" / name / "result.json", record)
    if best:
        foreign.write(root / "global_models" / name / "best_model.pth", "")


def test_models_are_the_weights_and_what_simulations_left(root: Path) -> None:
    for name in ("b.pth", "a.pth", "猫.pth", ".hidden.pth", ".pth", "notes.txt"):
        foreign.write(root / "weights" / name, "")
    (root / "weights/folder.pth").mkdir()
    run(root, "Net_20260101-000000")
    run(root, "Net_20260201-000000-2")
    run(root, "Net_20260301-000000", best=False)
    run(root, "a")
    found = project(root).models()
    assert [model.id for model in found] == ["a", "b", "猫", "Net_20260201-000000-2", "Net_20260101-000000"]
    assert [model.is_run for model in found] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("model_id", "class_names"),
    [
        ("SmallCNN", ["smallcnn"]),
        ("small_cnn", ["smallcnn", "small"]),
        ("Small-CNN_1713195012", ["smallcnn1713195012", "smallcnn", "small"]),
        ("Net_2025-04-15_15-30-12", ["net20250415153012", "net"]),
        ("SmallCNN_v2.1", ["smallcnnv2.1", "smallcnnv2", "smallcnn"]),
        ("_Net_", ["net", "net"]),
    ],
)
def test_the_class_is_in_the_id_and_the_longest_part_comes_first(
    root: Path, model_id: str, class_names: list[str]
) -> None:
    foreign.write(root / f"weights/{model_id}.pth", "")
    assert project(root).model(model_id).class_names == class_names


def test_the_newest_run_comes_first_however_its_time_is_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    names = [
        "Net_2026-05-01T12:00:00.123456",
        "Net_20260401-120000",
        "Net_1772366400123",  # 1 March 2026
        "Net_1769947200.5",  # 1 February 2026
        "Net_2026-01-01_12-00-00",
        "Net_20251201_120000",
        "Net_20251101120000",
        "Net_2025-10-01 1200",
        "Net_20250901",
        "Net_v2",
    ]
    for name in sorted(names):
        run(root, name)
    assert [model.id for model in project(root).models() if model.is_run] == names
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "model_id",
    ["", ".", "..", "../start", "weights/a", "/etc/passwd", "a\0", "a\n", "\ud800", "x" * 300, ".hidden", "start", "A"],
)
def test_an_id_that_is_none_leads_nowhere(root: Path, model_id: str) -> None:
    foreign.write(root / "weights/a.pth", "")
    foreign.write(root / "weights/.hidden.pth", "")
    foreign.write(root / "best_model.pth", "")
    assert not project(root).has_model(model_id)
    with pytest.raises(UnknownModel):
        project(root).model(model_id)
    with pytest.raises(NoHistory):
        project(root).history(model_id)


def test_a_project_that_is_not_there_is_said_by_the_settings_names(root: Path) -> None:
    with pytest.raises(BadProject, match="FLOWER_PROJECT_DIR and MODEL_WEIGHTS_SUBDIR"):
        project(root, MODEL_WEIGHTS_SUBDIR="nothing").models()
    with pytest.raises(BadProject, match="FLOWER_PROJECT_DIR is no directory"):
        project(root / "nothing").command({})


def test_a_history_lies_in_its_folder_or_with_the_run(root: Path) -> None:
    run(root, "Net_20260101-000000", json.dumps(foreign.history(2, status="completed", clients=[[1], [2]])))
    assert project(root).history("colours") == foreign.history(3)
    assert project(root).history("Net_20260101-000000") == foreign.history(2, status="completed")
    with pytest.raises(NoHistory):
        project(root).history("other")


def test_a_history_of_a_run_that_is_still_running_can_be_read(root: Path) -> None:
    run(root, "Net_20260101-000000", json.dumps(foreign.history(0, status="running")), best=False)
    assert project(root).history("Net_20260101-000000")["rounds"] == []


def test_without_a_folder_of_histories_there_are_none(root: Path) -> None:
    with pytest.raises(NotConfigured, match="HISTORY_SUBDIR"):
        project(root, HISTORY_SUBDIR="").history("colours")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "is no JSON object"),
        ('{"rounds": [1], "accuracies": [0.1]}', "lacks the list of numbers 'losses'"),
        ('{"rounds": [1], "accuracies": ["high"], "losses": [1]}', "lacks the list of numbers 'accuracies'"),
        ('{"rounds": [1, 2], "accuracies": [0.1], "losses": [1]}', "lists of different lengths"),
    ],
)
def test_a_history_that_is_none_is_said_to_be(root: Path, text: str, reason: str) -> None:
    foreign.write(root / "history/bad.json", text)
    with pytest.raises(BadHistory, match=reason):
        project(root).history("bad")


def test_a_loss_that_ran_away_is_no_number(root: Path) -> None:
    foreign.write(root / "history/wild.json", '{"rounds": [1, 2], "accuracies": [0.1, 0], "losses": [NaN, Infinity]}')
    assert project(root).history("wild")["losses"] == [None, None]


def test_the_command_is_the_script_with_its_arguments(root: Path) -> None:
    given = {
        "rounds": 10,
        "fraction_fit": 0.8,
        "learning_rate": 1e-5,
        "name": "a b; rm -rf /",
        "fast": True,
        "x": False,
    }
    said = ["--rounds", "10", "--fraction_fit", "0.8", "--learning_rate", "1e-05", "--name", "a b; rm -rf /"]
    said += ["--fast", "true", "--x", "false"]
    assert project(root).command(given) == [sys.executable, "start.py", *said]


def test_a_script_may_come_with_its_own_interpreter_and_arguments(root: Path) -> None:
    shell = shutil.which("sh")
    assert project(root, FLOWER_START_SCRIPT="sh start.py -v").command({"a": 1}) == [
        shell,
        "start.py",
        "-v",
        "--a",
        "1",
    ]
    foreign.write(root / "go", "")
    assert project(root, FLOWER_START_SCRIPT="go").command({}) == [os.fspath(root / "go")]


@pytest.mark.parametrize("script", ["missing.py", "no-such-command --x", "../elsewhere.py"])
def test_a_script_that_is_not_there_is_said_by_the_settings_name(root: Path, script: str) -> None:
    with pytest.raises(BadProject, match="FLOWER_START_SCRIPT"):
        project(root, FLOWER_START_SCRIPT=script).command({})
