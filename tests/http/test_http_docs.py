"""docs/http.md says what the front does: its examples run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import page
from tests.support.running_farm import ROOT, RunningFarm

TEXT = (ROOT / "docs/http.md").read_text()


def examples() -> list[tuple[str, str]]:
    """Every command of the page with what it says that it answers."""
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    return [pair for block in blocks for pair in re.findall(r"\$ (.+)\n((?:[^$].*\n)+)", block)]


def shape(value: Any) -> Any:
    """What *value* is made of: an object's fields with the types of their values."""
    return {name: type(each) for name, each in value.items()} if isinstance(value, dict) else type(value)


@pytest.mark.needs("curl", "jq")
def test_the_examples_answer_as_they_say(live: RunningFarm, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(page(["Invoice 2026-118", "Total 1,240.00"]))
    assert len(examples()) >= 15
    for command, said in examples():
        assert "http://127.0.0.1:8090" in command
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command.replace("http://127.0.0.1:8090", live.url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        answered = ran.stdout.strip()
        said = said.strip()
        if said.startswith("{"):
            assert shape(json.loads(answered)) == shape(json.loads(said)), command
        else:
            assert re.sub(r"[0-9a-f]{24}", "ID", answered) == re.sub(r"[0-9a-f]{24}", "ID", said), command
