"""What a process loads: nothing heavy before a task needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running_farm import ROOT

#: What only a worker that runs a task may load: each costs more than the whole front.
HEAVY = {"torch", "torchvision", "cv2", "onnxruntime", "ray", "grpc", "flwr", "rapidocr", "opentelemetry"}
#: The modules that are imported to be a process, and those that others import to use the farm.
PROCESSES = (
    "launcher",
    "launcher.daemon",
    "launcher.launcher",
    "server.front",
    "worker.worker",
    "worker",
    "launcher.zygote",
    "hotfolder.__main__",
    "farm",
    "client",
    "cli",
)
#: The front at work: it takes a picture, refuses another, and tells what it can do.
AT_WORK = """
import base64, io
from PIL import Image
from spoolfarm.server import create_app
front = create_app().test_client()
file = io.BytesIO()
Image.new("RGB", (9, 9)).save(file, "PNG")
for picture, status in ((file.getvalue(), 202), (b"no picture", 415)):
    sent = {"task": "ocr", "image": base64.b64encode(picture).decode()}
    assert front.post("/v1/jobs", json=sent).status_code == status
    assert front.post("/upload", json={"image": sent["image"]}).status_code == (200 if status == 202 else status)
for path in ("/ready", "/v1/jobs", "/v1/tasks", "/metrics"):
    front.get(path)
"""


def loaded(code: str, path: Path) -> set[str]:
    """The top-level modules that a fresh process has loaded after *code*."""
    directories = {f"FARM_{name.upper()}_DIR": str(path / name) for name in ("spool", "results", "data")}
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env={**os.environ, **directories, "FARM_MIN_FREE_MB": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize(
    "code",
    [
        *(f"import spoolfarm.{name}" for name in PROCESSES),
        "from spoolfarm import Farm, Client; Farm()",
        "import server",
        AT_WORK,
    ],
    ids=lambda code: code if len(code) < 80 else "the front at work",
)
def test_nothing_heavy_is_loaded(tmp_path: Path, code: str) -> None:
    assert not loaded(code, tmp_path) & HEAVY


def test_a_front_loads_no_socketio_before_somebody_speaks_it(tmp_path: Path) -> None:
    speaks = 'assert front.get("/socket.io/?EIO=4&transport=polling").status_code == 200\n'
    assert "socketio" not in loaded(AT_WORK, tmp_path)
    assert "socketio" in loaded(AT_WORK + speaks, tmp_path)


def test_importing_the_package_loads_next_to_nothing(tmp_path: Path) -> None:
    found = loaded("import spoolfarm", tmp_path)
    assert "spoolfarm" in found
    assert not found & (HEAVY | {"flask", "werkzeug", "pydantic", "numpy", "PIL", "watchdog", "filelock", "dotenv"})


def test_the_client_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    new = loaded("from spoolfarm import Client; Client('http://localhost:1')", tmp_path) - loaded("", tmp_path)
    assert new - sys.stdlib_module_names == {"spoolfarm"}
