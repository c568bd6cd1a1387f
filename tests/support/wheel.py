"""The package as others install it: built into a wheel, and unpacked where no checkout is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.running_farm import ROOT

#: What the build looks at.
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def build(path: Path) -> Path:
    """The wheel, made below *path* from a copy of the sources, by what is installed."""
    source = path / "source"
    shutil.copytree(ROOT / "spoolfarm", source / "spoolfarm", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    done = subprocess.run([*command, str(path), str(source)], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    [wheel] = path.glob("*.whl")
    return wheel


def install(wheel: Path, path: Path) -> Path:
    """Unpack *wheel* into *path*, which is then a place for PYTHONPATH."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(path)
    return path
