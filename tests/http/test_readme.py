"""What a newcomer types works: the blocks of README.md and docs/tasks.md, run as they stand but for the port."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from benchmarks import pages
from tests.support.running_farm import ROOT, RunningFarm, until


def scan() -> pages.Page:
    """A page with a few rows, quickly read."""
    return pages.english(random.Random(1), 1000, 250)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of *language* in *page*."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    path = tmp_path_factory.mktemp("readme")
    (path / "brightness.py").write_text(blocks("docs/tasks.md", "python")[0])
    tasks = {"FARM_TASKS": "brightness=brightness:Brightness", "FARM_ENABLE": "brightness,document,ocr"}
    made = RunningFarm(path, FARM_SIMULATIONS=0, FARM_WORKERS=1, **tasks)
    made.given["PYTHONPATH"] = f"{ROOT}:{path}"
    with made:
        yield made


@pytest.fixture
def here(farm: RunningFarm) -> Path:
    """The directory of the farm, as a checkout that has it running: with the docs, the environment, and some scans."""
    place = farm.log_path.parent
    for name in ("docs", ".venv"):
        if not (place / name).exists():
            (place / name).symlink_to(ROOT / name)
    (place / "scans").mkdir(exist_ok=True)
    picture = scan().picture
    for name in ("scan.jpg", "scans/a.jpg", "scans/b.jpg"):
        (place / name).write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    return place


def shell(farm: RunningFarm, here: Path, command: str) -> str:
    command = command.replace("http://127.0.0.1:8090", farm.url)
    environment = {**os.environ, **farm.given}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def readme(part: str) -> str:
    """The one block of the README's commands that has *part* in it."""
    (block,) = (block for block in blocks("README.md", "sh") if part in block)
    return block


#: What the README says that the sample says.
SAMPLE = json.loads(blocks("README.md", "json")[0])["text"]


@pytest.mark.needs("curl")
def test_the_first_answer_of_the_readme_is_what_comes(farm: RunningFarm, here: Path) -> None:
    said = json.loads(blocks("README.md", "json")[0])
    found = json.loads(shell(farm, here, readme("/v1/run/ocr")))
    (line,) = said.pop("lines")
    assert {name: found[name] for name in said} == said
    assert {name: found["lines"][0][name] for name in line}.keys() == line.keys()
    assert found["lines"][0]["text"] == line["text"]
    assert found["lines"][0]["box"] == pytest.approx(line["box"], abs=2)


@pytest.mark.needs("curl")
def test_the_job_of_the_readme_is_done(farm: RunningFarm, here: Path) -> None:
    record = json.loads(shell(farm, here, readme("/v1/jobs")))
    assert record["status"] == "succeeded"
    assert record["result"]["text"] == SAMPLE


@pytest.mark.needs("curl")
def test_the_command_line_and_the_form_of_the_readme_give_the_text(farm: RunningFarm, here: Path) -> None:
    text, _, form = shell(farm, here, readme("/tyocr")).rpartition("\n{")
    assert text.strip() == SAMPLE
    answer = json.loads("{" + form)
    assert (answer["sign"], answer["text"]) == (0, f"{SAMPLE}\n")


def test_the_python_of_the_readme_runs(farm: RunningFarm, here: Path) -> None:
    code = blocks("README.md", "python")[0].replace("http://127.0.0.1:8090", farm.url)
    (here / "readme.py").write_text(code)
    printed = shell(farm, here, f"{sys.executable} readme.py")
    first = scan().rows[0]
    assert sorted(line for line in printed.splitlines() if ".jpg" in line) == [
        f"scans/{name} {first}" for name in ("a.jpg", "b.jpg")
    ]


def test_the_folders_of_the_readme_are_read(farm: RunningFarm, here: Path) -> None:
    shell(farm, here, readme("spool/inbox"))
    text = here / "results/inbox/ocr/sample.png.txt"
    until(text.with_suffix(".json").exists, 30, what=str(text))
    assert text.read_text().strip() == SAMPLE
    shell(farm, here, readme("batch ocr"))
    assert (here / "texts/a.jpg.txt").read_text() == (here / "texts/b.jpg.txt").read_text()


@pytest.mark.needs("curl")
def test_the_task_that_the_docs_walk_through_answers_as_they_say(farm: RunningFarm, here: Path) -> None:
    ask = next(block for block in blocks("docs/tasks.md", "sh") if "curl -F image" in block)
    assert 0 < json.loads(shell(farm, here, ask))["brightness"] <= 1
    wrong = ask.replace('{"digits": 2}', '{"digits": "two"}')
    answer = json.loads(shell(farm, here, wrong))
    assert answer["code"] == "invalid_params"
    assert "params.digits" in answer["error"]
