"""docs/http.md names every face and every code."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from spoolfarm.server.app import HTTP_ERRORS, STATUS
from tests.support.running_farm import ROOT

TEXT = (ROOT / "docs/http.md").read_text()


def test_every_face_stands_in_the_docs(front: FlaskClient) -> None:
    faces = (rule for rule in front.application.url_map.iter_rules() if not rule.endpoint.endswith("static"))
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
