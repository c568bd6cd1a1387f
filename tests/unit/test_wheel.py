"""The wheel: it holds all that the package needs at work, and nothing that is only the checkout's."""

from __future__ import annotations

import os
import zipfile
from email import message_from_bytes
from pathlib import Path

from tests.support import wheel
from tests.support.running_farm import ROOT


def test_the_wheel_holds_what_the_package_needs_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel.build(tmp_path)) as packed:
        names = set(packed.namelist())
        [about] = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(packed.read(about))
        [entries] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        assert "spoolfarm = spoolfarm.cli.main:main" in packed.read(entries).decode()
    package = ROOT / "spoolfarm"
    there = os.walk(package, followlinks=True)  # docs/ is linked to
    wanted = {os.path.relpath(Path(folder, name), ROOT) for folder, _, files in there for name in files}
    wanted = {path for path in wanted if "__pycache__" not in path}
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert {"spoolfarm/py.typed", "spoolfarm/tasks/segment/default.pt", "spoolfarm/server/docs/help.md"} <= names
    assert {"spoolfarm/server/templates/try.html", "spoolfarm/server/templates/try.json"} <= names
    assert {"ocr", "segment", "flower", "edit", "all", "test"} <= set(metadata.get_all("Provides-Extra") or ())
