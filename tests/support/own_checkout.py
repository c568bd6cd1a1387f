"""A checkout of the test's own, whose `.env` and whose tasks it may write."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.running_farm import ROOT


def make(path: Path) -> Path:
    """Copy what the farm needs to run, less its weights, to *path*."""
    shutil.copytree(ROOT / "spoolfarm", path / "spoolfarm", ignore=shutil.ignore_patterns("*.pt", "__pycache__"))
    for name in ("launcher.py", "server.py", "worker.py", "setup.cfg"):
        shutil.copy(ROOT / name, path)
    return path


def write(path: Path, **settings: object) -> None:
    """Have `.env` say *settings*, and nothing else."""
    (path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
