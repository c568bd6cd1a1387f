"""What a run may be given: told by the project, by its Flower app, or by the source of its script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.flower import parameters
from spoolfarm.tasks.flower.project import Project
from tests.support import foreign_flower_project as foreign

SCRIPT = """
import argparse
import click

parser = argparse.ArgumentParser()
parser.add_argument("-r", "--rounds", type=int, default=3, help="how many (%(default)s), 100%%")
parser.add_argument("--rate", default=-0.5, type=float)
parser.add_argument("--num-clients", default=2)
parser.add_argument("--name", help=NOT_CONSTANT)
parser.add_argument("--mode", choices=["fast", "slow"], default="slow")
parser.add_argument("--verbose", action="store_true", help="say more")
parser.add_argument("--layers", nargs="+", type=int, default=[64, 32])
parser.add_argument("positional")
click.option("--kind", type=click.Choice(["a", "b"]))
click.option("--shuffle/--no-shuffle", default=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


def properties(root: Path, **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = parameters.schema(Project(load(foreign.settings(root, **settings)).by_name()))["properties"]
    return found


def test_the_options_that_a_script_declares_are_told_with_what_is_constant(root: Path) -> None:
    foreign.write(root / "start.py", SCRIPT)
    assert properties(root) == {
        "rounds": {"type": "integer", "default": 3, "description": "how many (3), 100%"},
        "rate": {"type": "number", "default": -0.5},
        "num-clients": {"type": "integer", "default": 2},
        "name": {"type": "string"},
        "mode": {"type": "string", "enum": ["fast", "slow"], "default": "slow"},
        "verbose": {"type": "boolean", "description": "say more"},
        "layers": {"type": "array", "items": {"type": "integer"}, "default": [64, 32]},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "shuffle": {"type": "boolean", "default": True},
    }
    assert properties(root, FLOWER_START_SCRIPT="python start.py") == properties(root)


def test_what_the_project_says_itself_counts(root: Path) -> None:
    told = {"type": "object", "properties": {"rounds": {"type": "integer", "minimum": 1}}}
    foreign.write(root / "parameters.json", json.dumps(told))
    assert properties(root) == told["properties"]


@pytest.mark.parametrize("text", ["{", "[]", '{"properties": []}', '{"properties": {"a": 1}}'])
def test_a_file_that_is_no_schema_is_passed_over(root: Path, text: str) -> None:
    foreign.write(root / "parameters.json", text)
    assert "pause" in properties(root)


def test_flwr_run_is_given_what_its_app_may_be_configured_with(root: Path) -> None:
    foreign.write(root / "pyproject.toml", "[tool.flwr.app.config]\nnum-server-rounds = 3\nlr = 0.1\nfast = true\n")
    assert properties(root, FLOWER_START_SCRIPT="flwr run .") == {
        "num-server-rounds": {"type": "integer", "default": 3},
        "lr": {"type": "number", "default": 0.1},
        "fast": {"type": "boolean", "default": True},
    }
    assert properties(root, FLOWER_START_SCRIPT="flwr run elsewhere") == {}
    foreign.write(root / "pyproject.toml", "[tool.flwr]\napp = 3\n")
    assert properties(root, FLOWER_START_SCRIPT="flwr run") == {}


def test_a_script_that_cannot_be_read_or_is_no_python_has_none(root: Path) -> None:
    foreign.write(root / "start.py", "def broken(:")
    assert properties(root) == {}
    foreign.write(root / "train.sh", "#!/bin/sh\n")
    assert properties(root, FLOWER_START_SCRIPT="train.sh") == {}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"rounds": 0}, "params.rounds: must be at least 1, not 0"),
        ({"rounds": "-3"}, "params.rounds: must be at least 1, not -3"),
        ({"rounds": 10**30}, f"params.rounds: must be at most 100, not {10**30}"),
        ({"rounds": 1.5}, "params.rounds: must be a whole number, not 1.5"),
        ({"rounds": ""}, "params.rounds: must be a whole number, not ''"),
        ({"rounds": True}, "params.rounds: must be a whole number, not true"),
        ({"rounds": [1, 2]}, "params.rounds: must be a whole number, not [1, 2]"),
        ({"rate": 0}, "params.rate: must be more than 0, not 0"),
        ({"rate": "nan"}, "params.rate: must be more than 0, not nan"),
        ({"rate": 1}, "params.rate: must be less than 1, not 1"),
        ({"rate": "fast"}, "params.rate: must be a number, not fast"),
        ({"mode": "Fast"}, "params.mode: must be one of fast, slow, not Fast"),
    ],
)
def test_what_the_project_does_not_let_through_is_refused_by_its_name(
    root: Path, given: dict[str, Any], sentence: str
) -> None:
    rows = {
        "rounds": {"type": "integer", "minimum": 1, "maximum": 100},
        "rate": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "mode": {"enum": ["fast", "slow"]},
    }
    foreign.write(root / "parameters.json", json.dumps({"properties": rows}))
    project = Project(load(foreign.settings(root)).by_name())
    parameters.check(project, {"rounds": "100", "rate": 0.5, "mode": "slow", "other": [1, "x"]})
    with pytest.raises(InvalidParams) as caught:
        parameters.check(project, given)
    assert str(caught.value) == sentence


def test_limits_that_are_none_keep_nothing_out(root: Path) -> None:
    rows = {"a": {"type": ["integer", "null"], "enum": 3}, "b": {"type": "number", "minimum": "1"}}
    foreign.write(root / "parameters.json", json.dumps({"properties": rows}))
    project = Project(load(foreign.settings(root)).by_name())
    parameters.check(project, {"a": "x", "b": -1, "c": None})
    foreign.write(root / "parameters.json", "{")
    parameters.check(project, {"b": "x"})
