"""`spoolfarm pause` and `resume`, and who tells that something is paused."""

from __future__ import annotations

import json

import pytest

from spoolfarm.batch.workers import RunningFarm
from spoolfarm.cli import doctor
from spoolfarm.cli.finding import Level
from spoolfarm.cli.main import main
from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_tasks_are_paused_and_resumed_by_name_or_all_together(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ocr paused" in said(capsys, "pause", "ocr", "page")
    assert farm.pauses.names() == ["ocr", "page"]
    assert said(capsys, "resume", "ocr") == "ocr resumed\n"
    assert "the whole queue paused" in said(capsys, "pause")
    assert main(["resume", "page"]) == 1
    assert "`spoolfarm resume` alone" in capsys.readouterr().err
    assert said(capsys, "resume") == "resumed\n"
    assert farm.pauses.names() == []


def test_a_wrong_name_is_refused_and_the_others_are_paused(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause", "nosuch", "echo"]) == 1
    assert "nosuch" in capsys.readouterr().err
    assert farm.pauses.names() == ["echo"]


def test_whoever_looks_is_told(farm: Farm, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    [finding] = doctor.paused(settings)
    assert finding.level is Level.OK
    farm.pauses.pause("ocr")
    assert "paused   ocr\n" in said(capsys, "status")
    assert "paused: ocr" in said(capsys, "top", "--once")
    assert json.loads(said(capsys, "status", "--json"))["paused"] == ["ocr"]
    [finding] = doctor.paused(settings)
    assert (finding.level, finding.advice) == (Level.WARN, "resume it with spoolfarm resume ocr, unless it is meant")
    assert finding.what.startswith("task ocr has been paused for 0.")
    farm.pauses.pause()
    assert "paused   the whole queue\n" in said(capsys, "status")
    assert [each.what.partition(" has")[0] for each in doctor.paused(settings)] == ["the whole queue", "task ocr"]


def test_a_batch_on_a_running_farm_says_that_its_task_is_paused(farm: Farm, settings: Settings) -> None:
    farm.pauses.pause("ocr")
    with RunningFarm(settings) as workers:
        workers.staff("ocr")
        assert workers.tend() == "ocr is paused"
