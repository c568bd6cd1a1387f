"""The command line where there is no farm: what only reads makes nothing, in a checkout either."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from spoolfarm import config
from spoolfarm.cli.main import main
from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm

JOB = "18ea0844a7f039d2f821d687"


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", JOB],
        ["top", "--once"],
        ["result", JOB],
        ["retry", JOB],
        ["cancel", JOB],
        ["purge", "--dead"],
        ["jobs", "--status", "failed"],
        ["logs", JOB, "--follow"],
        ["tasks"],
        ["pause"],
        ["resume", "echo"],
    ],
    ids=" ".join,
)
def test_a_verb_says_that_there_is_no_farm_and_makes_none(
    settings: Settings, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(words) == 1
    assert capsys.readouterr().err.startswith(
        f"spoolfarm: no farm here: {settings.spool_dir} is no spool (`spoolfarm run`"
    )
    assert not os.path.exists(settings.spool_dir)
    assert not os.path.exists(settings.results_dir)


def test_the_doctor_looks_and_makes_nothing(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    assert f"{settings.spool_dir} does not exist" in capsys.readouterr().out
    for path in (settings.spool_dir, settings.results_dir, settings.data_dir):
        assert not os.path.exists(path)


def test_results_that_lie_elsewhere_are_not_made_by_who_reads(
    farm: Farm, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(settings.results_dir)
    assert main(["status"]) == 0
    assert main(["top", "--once"]) == 0
    assert main(["result", JOB, "--wait", "0.1"]) == 1
    assert f"no job {JOB!r}" in capsys.readouterr().err
    assert not os.path.exists(settings.results_dir)


def test_in_a_checkout_a_job_may_wait_for_the_first_start(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "echo"]) == 0
    assert main(["status", capsys.readouterr().out.strip()]) == 0


def test_the_home_may_stand_before_or_behind_the_verb(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in settings.environment():
        monkeypatch.delenv(name)
    monkeypatch.setenv(config.HOME, "/nowhere")
    home = tmp_path / "home"
    Farm(str(home / "spool"), str(home / "results")).close()
    for words in (
        ["--home", str(home), "status"],
        ["status", "--home", str(home)],
        ["--home", "/", "status", "--json", "--home", str(home)],
    ):
        assert main(words) == 0, capsys.readouterr().err
        assert str(home / "spool") in capsys.readouterr().out
        monkeypatch.setenv(config.HOME, "/nowhere")
    assert main(["status"]) == 1
    assert "no farm here: /nowhere/spool is no spool" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == "spoolfarm 0.1.0\n"
