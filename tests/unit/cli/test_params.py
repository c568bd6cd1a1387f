"""Parameters as they are typed, for the tasks of a farm as it comes."""

from __future__ import annotations

import argparse

import pytest

from spoolfarm.cli.commands import checked_params, takes_params
from spoolfarm.config import load
from spoolfarm.tasks.registry import Registry


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        *(("pages=2", "pages", "2"), ('pages="2"', "pages", "2"), ("password=007", "password", "007")),
        *(("password=1e5", "password", "1e5"), ("password=true", "password", "true"), ("dpi=200", "dpi", 200)),
    ],
)
def test_text_needs_no_quotes_and_ocr_takes_the_parameters_of_documents(written: str, name: str, value: object) -> None:
    settings = load({})
    parser = argparse.ArgumentParser()
    takes_params(parser)
    options = parser.parse_args(["-p", "password=x", "-p", written, "--params", '{"min_score": 0.7}'])
    options.task = "ocr"
    task, params = checked_params(options, Registry(settings.tasks, settings.enable, settings.by_name()))
    assert task == "document"
    assert params == {"password": "x", "min_score": 0.7, name: value}
