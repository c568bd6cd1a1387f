"""What a newcomer types works: the blocks of README.md and docs/tasks.md, run as they stand but for the port."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from benchmarks import pages
from tests.support.running_farm import ROOT, RunningFarm


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of *language* in *page*."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    path = tmp_path_factory.mktemp("readme")
    (path / "brightness.py").write_text(blocks("docs/tasks.md", "python")[0])
    made = RunningFarm(path, FARM_ENABLE="", FARM_TASKS="brightness=brightness:Brightness", FARM_WORKERS=1)
    made.given["PYTHONPATH"] = f"{ROOT}:{path}"
    yield made.start()
    made.stop()


@pytest.fixture(scope="module")
def scan() -> pages.Page:
    """The scan that the docs speak of."""
    return pages.render("english")


@pytest.fixture
def here(scan: pages.Page, tmp_path: Path) -> Path:
    """A directory with the scan that the docs speak of."""
    for name in ("scan.jpg", "a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", scan.picture)[1].tobytes())
    return tmp_path


def shell(farm: RunningFarm, here: Path, command: str) -> str:
    command = command.replace("http://127.0.0.1:8090", farm.url)
    environment = {**os.environ, **farm.given}
    done = subprocess.run(
        ["bash", "-c", command], cwd=here, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.needs("curl")
def test_the_page_of_the_readme_is_read(scan: pages.Page, farm: RunningFarm, here: Path) -> None:
    ask = next(block for block in blocks("README.md", "sh") if "tyocr" in block)
    assert json.loads(shell(farm, here, ask)) == {"sign": 0, "text": f"{scan.text}\n"}


@pytest.mark.needs("curl")
def test_the_job_of_the_readme_is_done(scan: pages.Page, farm: RunningFarm, here: Path) -> None:
    ask = next(block for block in blocks("README.md", "sh") if "/v1/jobs" in block)
    record = json.loads(shell(farm, here, ask))
    assert record["status"] == "succeeded"
    assert record["result"]["text"] == scan.text


def test_the_python_of_the_readme_runs(scan: pages.Page, farm: RunningFarm, here: Path) -> None:
    code = blocks("README.md", "python")[0].replace("http://127.0.0.1:8090", farm.url)
    (here / "readme.py").write_text(code)
    printed = shell(farm, here, f"{sys.executable} readme.py")
    assert sorted(line for line in printed.splitlines() if ".jpg" in line) == [
        f"{name} {scan.rows[0]}" for name in ("a.jpg", "b.jpg")
    ]


@pytest.mark.needs("curl")
def test_the_task_that_the_docs_walk_through_answers_as_they_say(farm: RunningFarm, here: Path) -> None:
    ask = next(block for block in blocks("docs/tasks.md", "sh") if "curl -F image" in block)
    assert 0 < json.loads(shell(farm, here, ask))["brightness"] <= 1
    wrong = ask.replace('{"digits": 2}', '{"digits": "two"}')
    answer = json.loads(shell(farm, here, wrong))
    assert answer["code"] == "invalid_params"
    assert "params.digits" in answer["error"]
