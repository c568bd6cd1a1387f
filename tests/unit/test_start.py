"""`start.sh` and `test.sh`: which extras an environment has, with a Python that only notes what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.running_farm import ROOT

PYTHON = """#!/usr/bin/env bash
echo "$@" >> asked
if [ "$1 $2" = "-m venv" ]; then
  [ "$3" != --clear ] || rm -r .venv
  mkdir -p .venv/bin
  cp "$PYTHON" .venv/bin/python
fi
if [ "$1 $2" = "-m pip" ] && [ -e broken ]; then exit 1; fi
"""
PIP = "-m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable"


class Checkout:
    """A checkout in *path* with nothing in it but what start.sh and test.sh look at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("start.sh", "stop.sh", "test.sh", "setup.cfg", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, path / name)
        self._python = path / "python"
        self._python.write_text(PYTHON)
        self._python.chmod(0o755)

    def run(self, *words: str, script: str = "start.sh") -> subprocess.CompletedProcess[str]:
        """Run the script; what it asked Python for is in `asked` then."""
        (self.path / "asked").write_text("")
        environment = {**os.environ, "PYTHON": str(self._python)}
        command = [str(self.path / script), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd="/")

    @property
    def asked(self) -> list[str]:
        """What Python was asked for by the last run, but for its version."""
        lines = (self.path / "asked").read_text().splitlines()
        return [line for line in lines if "version_info" not in line and "packages.py" not in line]

    @property
    def extras(self) -> str:
        """What is noted in the environment."""
        return (self.path / ".venv/extras").read_text().strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_a_flag_everything_is_installed_and_then_the_farm_runs(checkout: Checkout) -> None:
    checkout.run("--workers", "3")
    assert checkout.asked == ["-m venv .venv", f"{PIP} .[all]", "launcher.py --workers 3"]
    assert checkout.extras == "all"
    checkout.run()
    assert checkout.asked == ["launcher.py"]


@pytest.mark.parametrize("name", ["start", "stop"])
def test_a_script_runs_by_sh_and_by_a_link_from_elsewhere_too(checkout: Checkout, tmp_path: Path, name: str) -> None:
    checkout.run("--setup-only")
    link = tmp_path / "bin"
    link.mkdir()
    (link / name).symlink_to(f"../{name}.sh")
    for command in (["sh", str(checkout.path / f"{name}.sh")], [str(link / name)], ["sh", str(link / name)]):
        (checkout.path / "asked").write_text("")
        found = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=60, cwd="/")
        assert (found.returncode, found.stderr) == (0, "")
        assert checkout.asked[-1].endswith("--workers 1")


def test_extras_are_remembered_until_others_are_named(checkout: Checkout) -> None:
    checkout.run("--extras", "ocr,edit", "--setup-only")
    assert checkout.asked == ["-m venv .venv", f"{PIP} .[ocr,edit]"]
    checkout.run("-d", "--workers", "1")
    assert checkout.asked == ["-m spoolfarm.launcher.daemon start --workers 1"]
    with open(checkout.path / "constraints.txt", "a") as constraints:
        constraints.write("# newer\n")
    checkout.run("--setup-only")
    assert checkout.asked == ["-m venv .venv", f"{PIP} .[ocr,edit]"]
    checkout.run("--setup-only", "--extras=all")
    assert checkout.asked == ["-m venv .venv", f"{PIP} .[all]"]
    assert checkout.extras == "all"


def test_the_flag_may_stand_anywhere_and_is_none_of_the_launchers(checkout: Checkout) -> None:
    checkout.run("--workers", "1", "--extras", "ocr", "--bind", "127.0.0.1:1")
    assert checkout.asked[1:] == [f"{PIP} .[ocr]", "launcher.py --workers 1 --bind 127.0.0.1:1"]
    checkout.run("-d", "--extras", "ocr", "--workers", "1")
    assert checkout.asked == ["-m spoolfarm.launcher.daemon start --workers 1"]


def test_an_environment_that_is_to_have_less_is_made_anew(checkout: Checkout) -> None:
    checkout.run("--setup-only", "--extras", "ocr,edit")
    said = checkout.run("--setup-only", "--extras", "edit,segment").stderr
    assert checkout.asked == ["-m venv --clear .venv", f"{PIP} .[edit,segment]"]
    assert "making .venv anew, without what --extras edit,segment leaves out" in said
    assert "anew" not in checkout.run("--setup-only", "--extras", "edit,segment,flower").stderr
    checkout.run("--setup-only", "--extras", "none")
    assert checkout.asked == ["-m venv --clear .venv", f"{PIP} ."]


def test_an_environment_from_before_extras_has_all(checkout: Checkout) -> None:
    checkout.run("--setup-only")
    (checkout.path / ".venv/extras").unlink()
    checkout.run("--setup-only")
    assert checkout.asked == []
    checkout.run("--setup-only", "--extras", "ocr")
    assert checkout.asked[0] == "-m venv --clear .venv"


def test_an_install_that_failed_is_tried_again_with_the_same_extras(checkout: Checkout) -> None:
    (checkout.path / "broken").touch()
    assert checkout.run("--setup-only", "--extras", "ocr").returncode != 0
    (checkout.path / "broken").unlink()
    assert checkout.run("--setup-only").returncode == 0
    assert checkout.asked == ["-m venv .venv", f"{PIP} .[ocr]"]


@pytest.mark.parametrize(
    "words", [["--extras", "orc"], ["--extras", "ocr,all"], ["--extras"], ["--extras="], ["--extras", ","]]
)
def test_extras_that_there_are_not_are_refused(checkout: Checkout, words: list[str]) -> None:
    done = checkout.run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("start.sh: --extras")
    assert len(done.stderr.splitlines()) == 1
    assert checkout.asked == []


def test_the_tests_install_the_rest_and_say_so(checkout: Checkout) -> None:
    checkout.run("--setup-only", "--extras", "ocr")
    said = checkout.run("tests/unit", script="test.sh").stderr
    assert "test.sh: the tests need all extras; installing those that .venv was made without (ocr)\n" in said
    assert checkout.asked == ["-m venv .venv", f"{PIP} .[all]", f"{PIP} .[test]", "-m pytest tests/unit"]
    assert checkout.extras == "all"
    assert "installing" not in checkout.run("tests/unit", script="test.sh").stderr
    assert checkout.asked == ["-m pytest tests/unit"]
