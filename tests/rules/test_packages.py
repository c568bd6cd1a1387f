"""What the tests do where programs and fonts that they call are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EARLY
from tests.support import packages
from tests.support.running_farm import ROOT

#: One test that says what it needs, and four that find out.
SOME = [
    "tests/rules/test_deploy.py::test_systemd_understands_the_unit",
    "tests/unit/tasks/documents/test_pdf.py::test_every_character_is_found_again",
]


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python with *words*, where *path* is the only place for programs of users."""
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, env={"PATH": str(path)}, capture_output=True, text=True, timeout=100)


def test_packages_whose_programs_or_fonts_are_not_there_are_missing(tmp_path: Path) -> None:
    listed = run(tmp_path, "tests/support/packages.py").stdout.split()
    assert listed == sorted(set(listed))
    assert {"chromium", "poppler-utils", "fonts-dejavu-core", "fonts-noto-cjk"} <= set(listed)
    assert set(listed) <= set(packages.PACKAGES.values())
    (tmp_path / "chromium").symlink_to("/bin/sh")
    assert run(tmp_path, "tests/support/packages.py").stdout.split() == [name for name in listed if name != "chromium"]


def test_tests_that_miss_a_program_are_skipped_and_name_its_package(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "pytest", "-q", *SOME)
    assert done.returncode == 0, done.stdout
    assert "5 skipped" in done.stdout
    assert "skipped for want of poppler-utils (4), systemd (1); apt install " in done.stdout
    assert "test_deploy.py:" in done.stdout
    assert "systemd-analyze is missing: apt install systemd" in done.stdout
    assert "pdftotext is missing: apt install poppler-utils" in done.stdout


def test_no_program_is_called_before_the_first_test(request: pytest.FixtureRequest) -> None:
    early = request.config.stash[EARLY]
    assert not [command for command in early if Path(command[0]).name in packages.PROGRAMS]


def test_in_ci_they_fail(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "pytest", "-q", "--strict-packages", *SOME)
    assert done.returncode == 1, done.stdout
    assert "4 failed, 1 error" in done.stdout


def test_a_need_that_no_table_knows_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="nosuch"):
        packages.found("nosuch")
