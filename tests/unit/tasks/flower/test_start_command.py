"""The command of a simulation: which program it is, and how parameters are written for scripts as people have them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.flower import flwr_run
from spoolfarm.tasks.flower.session import Session
from spoolfarm.tasks.flower.start_command import PROGRAMS, command
from tests.support import foreign_flower_project as foreign

#: A start script with options of every kind.
ARGPARSE = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--num-clients", type=int, default=2)
parser.add_argument("-r", "--num_rounds", type=int, default=3)
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--no-cuda", action="store_false", dest="cuda")
parser.add_argument("--augment", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--hidden-layers", nargs="*", type=int)
parser.add_argument("--resume", default="")
parser.add_argument("--early-stop", type=lambda text: text == "true")
for name in ("late", "later"):
    parser.add_argument(f"--{name}", default="")
print(json.dumps(vars(parser.parse_args()), sort_keys=True))
"""
#: The same for click.
CLICK = """
import click
@click.command()
@click.option("--num-clients", default=2)
@click.option("--verbose", is_flag=True)
@click.option("--shout/--whisper", default=False)
def main(num_clients, verbose, shout):
    print(num_clients, verbose, shout)
main()
"""


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"num-clients": 5, "num_rounds": 1}, ["--num-clients", "5", "--num_rounds", "1"]),
        ({"num_clients": 5, "num-rounds": 1}, ["--num-clients", "5", "--num_rounds", "1"]),
        ({"verbose": True, "no-cuda": True, "augment": True}, ["--verbose", "--no-cuda", "--augment"]),
        ({"verbose": False, "no_cuda": False, "augment": False}, ["--no-augment"]),
        ({"verbose": None}, ["--verbose"]),
        ({"hidden_layers": [64, 32]}, ["--hidden-layers", "64", "32"]),
        ({"hidden_layers": []}, ["--hidden-layers"]),
        ({"early_stop": True}, ["--early-stop", "true"]),
        ({"late": "a", "later": ""}, ["--late", "a", "--later", ""]),
        ({"un_known": 1, "un-known": False}, ["--un_known", "1", "--un-known", "false"]),
    ],
)
def test_parameters_are_written_as_the_script_declares_them(
    tmp_path: Path, params: dict[str, Any], said: list[str]
) -> None:
    foreign.write(tmp_path / "go.py", ARGPARSE)
    assert command(str(tmp_path), ("go.py",), params) == [sys.executable, "go.py", *said]
    if not any(name.startswith("un") for name in params):
        subprocess.run([sys.executable, "go.py", *said], cwd=tmp_path, check=True, capture_output=True)


def test_the_options_of_click_are_known_too(tmp_path: Path) -> None:
    foreign.write(tmp_path / "go.py", CLICK)
    told = command(str(tmp_path), ("python", "go.py"), {"num_clients": 4, "verbose": True, "shout": False})
    assert told == [sys.executable, "go.py", "--num-clients", "4", "--verbose", "--whisper"]


@pytest.mark.parametrize("text", ["", "def (", "\0", "x = " + "(" * 5000, "# -*- coding: nonsense -*-"])
def test_a_script_that_tells_nothing_gets_names_as_they_are(tmp_path: Path, text: str) -> None:
    foreign.write(tmp_path / "go.py", text)
    assert command(str(tmp_path), ("go.py",), {"a_b": True}) == [sys.executable, "go.py", "--a_b", "true"]


@pytest.mark.parametrize("name", ["python", "python3", f"python3.{sys.version_info.minor}"])
def test_python_is_the_farms_own(tmp_path: Path, name: str) -> None:
    assert command(str(tmp_path), (name, "-m", "train"), {}) == [sys.executable, "-m", "train"]


def test_a_python_with_a_path_is_that_one(tmp_path: Path) -> None:
    foreign.write(tmp_path / ".venv/bin/python", "")
    own = str(tmp_path / ".venv/bin/python")
    assert command(str(tmp_path), (".venv/bin/python", "go.py"), {}) == [own, "go.py"]


def test_what_a_script_calls_is_found_beside_the_farms_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("FLWR_TELEMETRY_ENABLED", raising=False)
    foreign.write(
        tmp_path / "run.sh", "command -v python; echo $FLWR_TELEMETRY_ENABLED; case $PATH in *:/bin) echo kept;; esac"
    )
    output = b""
    with Session(command(str(tmp_path), ("sh", "run.sh"), {}), str(tmp_path)) as session:
        while (data := session.read(1)) is not None:
            output += data
        assert session.wait() == 0
    assert output.decode().split("\n") == [os.path.join(PROGRAMS, "python"), "0", "kept", ""]


def test_parameters_of_flwr_run_are_the_runs_configuration(tmp_path: Path) -> None:
    foreign.write(tmp_path / "bin/flwr", "")
    flwr = str(tmp_path / "bin/flwr")
    params = {"num-rounds": 3, "lr": 0.5, "model": "it's", "fast": True, "federation-config": "num-supernodes=4"}
    told = command(str(tmp_path), (flwr, "run", "."), params)
    assert told[:4] == [sys.executable, "-I", "-S", flwr_run.__file__]
    assert told[4:7] == [flwr, "run", "."]
    assert told[7:9] == ["--federation-config", "num-supernodes=4"]
    assert told[9:] == ["--run-config", 'num-rounds=3 lr=0.5 model="it\'s" fast=true']
    for bad in ({"a": None}, {"a": [1]}, {"a": "'\""}, {"a": "1\n2"}):
        with pytest.raises(InvalidParams, match=r"params\.a"):
            command(str(tmp_path), (flwr, "run"), bad)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["run", "."], []),
        (["run", "--stream"], []),
        (["run", "app", "farm", "-c", "a=1"], ["farm"]),
        (["run", "-c", "a=1", "app", "--federation", "@me/x", "farm", "--stream"], ["farm"]),
    ],
)
def test_the_superlink_of_a_run_is_told_from_its_arguments(arguments: list[str], name: list[str]) -> None:
    assert flwr_run.superlink(arguments) == name
