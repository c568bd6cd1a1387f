"""The settings of a Flower project are looked at when the farm starts: a sentence for each fault, by its name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import certifi
import pytest

from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from spoolfarm.launcher.launcher import tell_faults
from spoolfarm.tasks.registry import Registry
from tests.support import foreign_flower_project as foreign

LINK = {"FLOWER_SUPERLINK": "link.example:8000"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


def faults(root: Path, **more: Any) -> list[str]:
    settings = load(foreign.settings(root, **more))
    return Registry(only=["classify", "simulate"], settings=settings.by_name()).faults()


def test_a_project_as_it_should_be_has_none(root: Path) -> None:
    assert faults(root) == []
    assert faults(root, FLOWER_START_SCRIPT="python -u start.py") == []
    assert faults(root, FLOWER_START_SCRIPT="sh -c true", MODEL_DEFINITION_MODULE="torchvision.models") == []
    assert faults(root, HISTORY_SUBDIR="", MODEL_DEFINITION_MODULE="nets") == []
    assert faults(root, **LINK) == faults(root, **LINK, FLOWER_SUPERLINK_CA=certifi.where()) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"FLOWER_PROJECT_DIR": "/nowhere"}, "FLOWER_PROJECT_DIR: /nowhere is no directory"),
        ({"FLOWER_START_SCRIPT": "no.py"}, "FLOWER_START_SCRIPT: no.py is neither in the project nor a command"),
        ({"FLOWER_START_SCRIPT": "python no.py"}, "FLOWER_START_SCRIPT: {root}/no.py cannot be read: No such file"),
        ({"FLOWER_START_SCRIPT": "no-such-command"}, "FLOWER_START_SCRIPT: no-such-command is neither"),
        ({"FLOWER_START_SCRIPT": "go"}, "FLOWER_START_SCRIPT: {root}/go is no program; make it one (chmod +x)"),
        ({"FLOWER_START_SCRIPT": "bad.py"}, "FLOWER_START_SCRIPT: {root}/bad.py, line 2: '(' was never closed"),
        ({"MODEL_WEIGHTS_SUBDIR": "no"}, "MODEL_WEIGHTS_SUBDIR: {root}/no is no directory"),
        ({"MODEL_DEFINITION_MODULE": "nets.no"}, "MODEL_DEFINITION_MODULE: {root}/nets/no.py is no file"),
        ({"MODEL_DEFINITION_MODULE": "bad"}, "MODEL_DEFINITION_MODULE: {root}/bad.py, line 2: "),
        ({"HISTORY_SUBDIR": "no"}, "HISTORY_SUBDIR: {root}/no is no directory; where there are no histories"),
        ({"CLASS_LABELS": "a,b,a"}, "CLASS_LABELS: names a more than once"),
        ({"CLASS_LABELS": ",,"}, "CLASS_LABELS: names no class"),
        ({**LINK, "FLOWER_SUPERLINK_CA": "/nowhere"}, "FLOWER_SUPERLINK_CA: /nowhere cannot be read: No such file"),
        ({**LINK, "FLOWER_SUPERLINK_CA": "{root}/bad.py"}, "FLOWER_SUPERLINK_CA: {root}/bad.py holds no certificates"),
        ({"FLOWER_SUPERLINK_CA": certifi.where()}, "FLOWER_SUPERLINK_CA: says who has signed for a SuperLink, but"),
    ],
)
def test_what_cannot_be_right_is_told_once_by_its_setting(root: Path, settings: dict[str, str], told: str) -> None:
    foreign.write(root / "bad.py", "x = 1\ny = (")
    foreign.write(root / "go", "")
    [fault] = faults(root, **{name: value.format(root=root) for name, value in settings.items()})
    assert fault.startswith(told.format(root=root))


@pytest.mark.parametrize("name", ["Oak.pt", "Oak.PTH", "Oak.safetensors"])
def test_weights_that_are_no_model_by_their_name_are_told(root: Path, name: str) -> None:
    weights = root / load(foreign.settings(root)).model_weights_subdir
    (weights / name).touch()
    [fault] = faults(root)
    assert fault.startswith(f"MODEL_WEIGHTS_SUBDIR: {name} is not listed as a model; only")
    (weights / "Oak.pth").touch()
    (weights / "readme.md").touch()
    assert faults(root) == []


def test_every_fault_is_told(root: Path) -> None:
    wrong = {"MODEL_WEIGHTS_SUBDIR": "no", "HISTORY_SUBDIR": "no", "FLOWER_START_SCRIPT": "no.py"}
    assert {fault.partition(":")[0] for fault in faults(root, **wrong)} == set(wrong)


def test_the_log_tells_them_when_the_farm_starts(
    root: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings.environment() | foreign.settings(root, FARM_ENABLE="simulate", FLOWER_START_SCRIPT="no.py")
    farm = Farm(settings=load(given))
    with caplog.at_level(logging.WARNING):
        tell_faults(farm)
    farm.close()
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "FLOWER_START_SCRIPT: no.py is neither in the project nor a command"


def test_a_farm_without_these_tasks_has_none() -> None:
    settings = load({"FLOWER_PROJECT_DIR": "/nowhere"})
    assert Registry(only=["echo"], settings=settings.by_name()).faults() == []
