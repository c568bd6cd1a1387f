"""A farm has one owner: root acts as that user, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.errors import NotOwner
from spoolfarm.farm import Farm
from tests.support.running_farm import ROOT
from tests.support.unreadable import need_others_to_read

#: A user without an entry in the system's list.
STRANGER = 54321


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user can reach, with a spool that belongs to somebody else."""
    path = Path(tempfile.mkdtemp(prefix="spoolfarm-owner-"))
    path.chmod(0o755)
    for name in ("spool", "results", "data"):
        (path / name).mkdir()
        os.chown(path / name, STRANGER, STRANGER)
    yield path
    shutil.rmtree(path)


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FARM_MIN_FREE_MB": "0",
        **{f"FARM_{name.upper()}_DIR": str(home / name) for name in ("spool", "results", "data")},
    }


@pytest.mark.needs("root")
def test_root_gets_no_farm_of_somebody_elses(home: Path) -> None:
    with pytest.raises(NotOwner, match=f"belongs to user {STRANGER}"):
        Farm(home / "spool", home / "results")
    assert os.listdir(home / "spool") == []


@pytest.mark.needs("root")
@pytest.mark.parametrize("door", ["launcher.py", "worker.py"])
def test_root_starts_nothing_on_somebody_elses_spool(home: Path, door: str) -> None:
    started = subprocess.run(
        [sys.executable, str(ROOT / door)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode != 0
    assert f"belongs to user {STRANGER}" in started.stderr
    assert os.listdir(home / "spool") == []


@pytest.mark.needs("root")
def test_the_command_line_of_root_acts_as_the_farms_owner(home: Path) -> None:
    need_others_to_read(ROOT)
    for words in (["submit", "echo"], ["status"], ["cancel", "--all"]):
        command = [sys.executable, "-m", "spoolfarm.cli", *words]
        done = subprocess.run(
            command, cwd=home, env=environment(home), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    made = [Path(folder, name) for folder, dirs, files in os.walk(home / "spool") for name in [*dirs, *files]]
    made += list((home / "results").iterdir())
    assert len(made) > 8
    assert {path.stat().st_uid for path in made} == {STRANGER}
