"""Completion: what the installed command offers the shell at the next Tab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spoolfarm.cli.main import VERBS
from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from tests.support.command_tasks import OLD_ID, Page, fail, succeed
from tests.support.running_farm import ROOT

BIN = Path(sys.executable).parent


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of every test, and the task `page`."""
    page = f"page={Page.__module__}:Page"
    return load({**settings.environment(), "FARM_TASKS": page, "FARM_ENABLE": "echo,ocr,page"})


@pytest.fixture(autouse=True)
def _here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the farm of the test."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


def offered(line: str, path: Path, **settings: str) -> list[str]:
    """What is offered behind *line*, asked as bash asks, in the folder *path*."""
    answer = path.parent / f"{path.name}.offered"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    answer.write_text("")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **asked, **settings}
    done = subprocess.run([BIN / "spoolfarm"], env=environment, cwd=path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return [word.strip() for word in answer.read_text().split("\n") if word]


def test_the_verbs_are_offered(tmp_path: Path) -> None:
    assert offered("spoolfarm ", tmp_path) == list(VERBS)
    assert offered("spoolfarm re", tmp_path) == [verb for verb in VERBS if verb.startswith("re")]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_offers_its_options(verb: str, tmp_path: Path) -> None:
    found = offered(f"spoolfarm {verb} --", tmp_path)
    said = subprocess.run([BIN / "spoolfarm", verb, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--help" in found
    assert [option for option in found if option not in said] == []


def test_the_tasks_of_this_farm_are_offered(tmp_path: Path, settings: Settings) -> None:
    for verb in ("submit", "batch"):
        assert offered(f"spoolfarm {verb} ", tmp_path) == sorted(settings.enable)
    assert offered("spoolfarm submit p", tmp_path) == ["page"]


def test_files_and_folders_are_offered_where_they_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    (folder / "scans").mkdir(parents=True)
    (folder / "scan.jpg").touch()
    assert sorted(offered("spoolfarm submit ocr sc", folder)) == ["scan.jpg", "scans/"]
    assert offered("spoolfarm batch ocr scans --out sc", folder) == ["scans/"]
    assert offered("spoolfarm result x --wait ", folder) == []


def test_the_values_of_an_option_are_offered(tmp_path: Path) -> None:
    assert offered("spoolfarm batch ocr scans --format ", tmp_path) == ["jsonl", "csv"]


def test_each_verb_offers_the_jobs_for_which_it_makes_sense(farm: Farm, tmp_path: Path) -> None:
    [dead], done, queued = fail(farm), f"{OLD_ID[:-1]}7", farm.submit("echo").id
    succeed(farm, done, {})
    assert offered("spoolfarm retry ", tmp_path) == [dead]
    assert offered("spoolfarm cancel ", tmp_path) == [queued]
    for verb in ("status", "result"):
        assert offered(f"spoolfarm {verb} ", tmp_path) == sorted([dead, done, queued])
    assert offered(f"spoolfarm status {dead} ", tmp_path) == sorted([done, queued])
    assert offered(f"spoolfarm status {queued[:-1]}", tmp_path) == [queued]


def test_a_tab_makes_no_folder(tmp_path: Path) -> None:
    nowhere = {f"FARM_{name}_DIR": str(tmp_path / "none" / name) for name in ("SPOOL", "RESULTS", "DATA")}
    for verb in ("retry", "cancel", "status", "submit"):
        offered(f"spoolfarm {verb} ", tmp_path, **nowhere)
    assert not (tmp_path / "none").exists()


def test_a_setting_that_is_wrong_offers_nothing(tmp_path: Path) -> None:
    for verb in ("submit", "retry"):
        assert offered(f"spoolfarm {verb} ", tmp_path, FARM_WORKERS="many") == []


def test_bash_completes_what_is_typed(tmp_path: Path, settings: Settings) -> None:
    """As docs/cli.md says, in a real bash."""
    script = """
eval "$(register-python-argcomplete spoolfarm)"
COMP_LINE="spoolfarm submit p" COMP_POINT=18 COMP_TYPE=9 COMP_WORDS=(spoolfarm submit p) COMP_CWORD=2
_python_argcomplete spoolfarm p submit
echo "${COMPREPLY[@]}"
"""
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["page"], done.stderr


def test_who_completes_nothing_loads_nothing_for_it() -> None:
    check = """
import sys
from spoolfarm.cli.main import main
try:
    main(["--help"])
except SystemExit:
    print("argcomplete" in sys.modules)
"""
    said = subprocess.check_output([sys.executable, "-c", check], cwd=ROOT, text=True, timeout=60)
    assert said.splitlines()[-1] == "False"


def test_a_shell_that_completes_all_programs_may_ask_this_one() -> None:
    """It looks for a mark at the beginning of the module that the command names."""
    look = [sys.executable, "-m", "argcomplete._check_console_script", BIN / "spoolfarm"]
    assert subprocess.run(look, capture_output=True).returncode == 0
