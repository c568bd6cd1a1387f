"""The files that deploy the farm: systemd understands its unit, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running_farm import ROOT


@pytest.mark.needs("systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "opt/.venv/bin/python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    unit = tmp_path / "spoolfarm.service"
    unit.write_text((ROOT / "deploy/spoolfarm.service").read_text().replace("/opt/spoolfarm", str(tmp_path / "opt")))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert "spoolfarm.service" not in done.stderr, done.stderr


def test_the_image_gets_what_the_farm_is_made_of() -> None:
    taken = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (.+) \./$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0].split()
    assert set(copied) <= set(taken)
    assert {"spoolfarm", "launcher.py", "server.py", "worker.py"} <= set(taken)
    for name in taken:
        assert (ROOT / name).exists() or name == "flower_project", name


def test_the_page_names_only_files_that_are_there() -> None:
    page = (ROOT / "docs/deploy.md").read_text()
    for name in re.findall(r"\b(?:deploy/[\w.]+|gunicorn\.conf\.py|Dockerfile)\b", page):
        assert (ROOT / name).exists(), name
