"""The settings: one table for the command line, the TOML file and the clients."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from dataclasses import fields
from typing import Any

import pytest

from model import MODELS
from settings import DEFAULTS, Settings
from strategies import STRATEGIES
from tests.support.flower_runs import PROJECT
from tests.support.running_farm import ROOT


def test_flwr_run_has_the_same_settings_and_defaults() -> None:
    config = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert config["tool"]["flwr"]["app"]["config"] == {**DEFAULTS, "lease": ""}  # which run_flower.py adds


def test_the_form_of_the_farm_has_the_same_settings_limits_and_words() -> None:
    told = json.loads((PROJECT / "parameters.json").read_text())["properties"]
    kinds = {int: "integer", float: "number", str: "string"}
    names = {"least": "minimum", "above": "exclusiveMinimum", "most": "maximum"}
    wanted = {}
    for row in fields(Settings):
        limits = {names[name]: row.metadata[name] for name in names if row.metadata[name] is not None}
        choices = {"enum": [*row.metadata["choices"]]} if row.metadata["choices"] else {}
        default = DEFAULTS[row.name]
        wanted[row.name] = {"type": kinds[type(default)], "default": default, "description": row.metadata["help"]}
        wanted[row.name] |= limits | choices
    del wanted["out"]  # what is written elsewhere, the farm does not find
    assert told == wanted


def test_every_model_and_strategy_can_be_chosen() -> None:
    choices = {row.name: row.metadata["choices"] for row in fields(Settings)}
    assert set(choices["model"]) == set(MODELS)
    assert set(choices["strategy"]) == set(STRATEGIES)


def test_every_setting_stands_in_the_docs_with_its_default_and_meaning() -> None:
    page = (ROOT / "docs/federated.md").read_text()
    for row in fields(Settings):
        default = f"`{DEFAULTS[row.name]}`" if DEFAULTS[row.name] != "" else "empty"
        assert f"| `{row.name}` | {default} | {row.metadata['help']} |" in page


def test_text_becomes_the_type_of_the_setting() -> None:
    settings = Settings.read({"rounds": "3", "learning_rate": "0.5", "model": "SmallResNet"})
    assert (settings.rounds, settings.learning_rate, settings.model) == (3, 0.5, "SmallResNet")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rounds": 0}, "rounds 0: at least 1"),
        ({"rounds": "many"}, "rounds many: a whole number"),
        ({"learning_rate": "nan"}, "learning_rate nan: a finite number"),
        ({"learning_rate": "0"}, "learning_rate 0.0: more than 0"),
        ({"fraction_fit": 1.5}, "fraction_fit 1.5: at most 1"),
        ({"model": "os"}, "model os: one of SmallCNN"),
        ({"speed": 9}, "speed: there is no such setting"),
        ({"privacy": "server", "strategy": "Krum"}, "privacy server: the noise is right for plain averages"),
    ],
)
def test_a_bad_value_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Settings.read(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clients": 3, "min_clients": 4}, "min_clients 4: there are only 3 clients"),
        ({"strategy": "Bulyan", "clients": 6}, "malicious 1: Bulyan then needs 7 clients a round, not 4"),
        ({"strategy": "Krum", "clients": 6}, "malicious 1: Krum then needs 5 clients a round, not 4"),
    ],
)
def test_too_few_clients_are_refused_before_the_run(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.read(given).check_clients()


def test_the_readme_of_the_project_names_every_file() -> None:
    page = (PROJECT / "README.md").read_text()
    for path in PROJECT.glob("*.py"):
        assert f"`{path.name}`" in page, path.name


def test_every_file_of_the_project_opens_with_a_sentence_and_is_short() -> None:
    for path in PROJECT.glob("*.py"):
        text = path.read_text()
        first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        assert first.endswith((".", "`.")), path
        assert len(text.splitlines()) <= 250, path
