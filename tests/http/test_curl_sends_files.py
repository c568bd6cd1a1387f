"""curl -T and --data-binary: a file sent as it is is read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from spoolfarm.images import decode
from tests.support.pictures import page
from tests.support.running_farm import RunningFarm

pytestmark = pytest.mark.needs("curl")


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A page of two lines."""
    path = tmp_path / "page.png"
    path.write_bytes(page(["Invoice 2026-118", "Total 1,240.00"]))
    return path


def curl(*words: str) -> bytes:
    """What curl prints."""
    return subprocess.run(
        ["curl", "-sS", "--fail-with-body", *words], capture_output=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize("kind", ["Content-Type: image/png", "Content-Type: application/octet-stream", "X-None: 1"])
def test_curl_reads_a_page_that_it_uploads(live: RunningFarm, scan: Path, kind: str) -> None:
    told = json.loads(curl("-T", str(scan), "-H", kind, f"{live.url}/v1/run/ocr?min_score=0.3"))
    assert "2026" in told["text"]


def test_curl_submits_a_page_as_its_data(live: RunningFarm, scan: Path) -> None:
    sent = ["--data-binary", f"@{scan}", "-H", "Content-Type: image/png", "-H", "Prefer: wait=20"]
    told = json.loads(curl(*sent, f"{live.url}/v1/jobs?task=ocr"))
    assert "2026" in told["result"]["text"]


def test_curl_finds_objects_and_edits_too(live: RunningFarm, scan: Path) -> None:
    assert json.loads(curl("-T", str(scan), f"{live.url}/predict"))["status"] == "success"
    edited = curl("-T", str(scan), f"{live.url}/v1/edit?operations=resize=2&format=png")
    assert decode(edited).shape[:2] == tuple(2 * side for side in decode(scan.read_bytes()).shape[:2])
