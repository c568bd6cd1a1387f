"""docs/http.md says what the front does: its examples run, and no face and no code is missing."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.server.app import HTTP_ERRORS, STATUS
from tests.support.pictures import page
from tests.support.running_farm import ROOT, RunningFarm

TEXT = (ROOT / "docs/http.md").read_text()


def test_every_face_stands_in_the_docs(front: FlaskClient) -> None:
    faces = (rule for rule in front.application.url_map.iter_rules() if not rule.endpoint.endswith(".static"))
    for rule in faces:
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert f"`{method} {rule.rule.replace('<job_id>', '<id>')}`" in TEXT


def test_every_code_stands_in_the_docs_with_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|", TEXT, re.MULTILINE)
    told = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    failed = {"internal_error", "task_error", "worker_died", "damaged", "simulation_failed"}
    failed |= {"bad_project", "bad_history", "label_mismatch"}
    ours = {(status, code) for code, status in STATUS.items()} | {(500, code) for code in failed}
    assert told == ours | {(status, code) for status, (code, _) in HTTP_ERRORS.items()}


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
