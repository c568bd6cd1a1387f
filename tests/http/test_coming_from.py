"""docs/coming-from.md holds: its examples answer as they say, on the ports they name; its task does for /upload."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import text_of
from tests.support.running_farm import ROOT, RunningFarm, free_port, until

TEXT = (ROOT / "docs/coming-from.md").read_text()
#: What a farm names anew each time, and what of the page it takes the place of.
NAMES = (r"image_\d{8}_\d{6}_\w+\.jpg", r"SmallCNN_\d{8}-\d{6}", r"\b[0-9a-f]{24}\b")


def blocks(language: str) -> list[str]:
    """The page's code blocks of *language*."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Every command of the page with what it says that it answers."""
    return [pair for block in blocks("console") for pair in re.findall(r"\$ (.+)\n((?:[^$].*\n)*)", block)]


def shape(text: str) -> Any:
    """What a line of JSON is made of: an object's fields with the types of their values; text is itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return {name: type(each) for name, each in value.items()} if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """For each port of the page one that is free here."""
    return {port: free_port() for port in ("8090", "5000", "11470", "4958", "8888")}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[RunningFarm]:
    path = tmp_path_factory.mktemp("farm")
    (path / "docs").symlink_to(ROOT / "docs")
    shutil.copytree(ROOT / "flower_project", path / "project", ignore=shutil.ignore_patterns("SmallCNN_*"))
    made = RunningFarm(
        path,
        FARM_BIND=",".join(f"127.0.0.1:{port}" for port in ports.values()),
        FARM_ENABLE="classify,echo,edit,ocr,orient,segment,simulate",
        FARM_SEGMENT_MODEL="classical",
        FARM_DOCUMENTS=0,
        FLOWER_PROJECT_DIR=path / "project",
    )
    made.port, made.url = ports["8090"], f"http://127.0.0.1:{ports['8090']}"
    with made:
        yield made


@pytest.mark.needs("curl")
def test_the_examples_answer_as_they_say(farm: RunningFarm, ports: dict[str, int]) -> None:
    here = {re.search(name, TEXT)[0]: "" for name in NAMES}  # type: ignore[index]

    def run(command: str) -> str:
        for port, free in ports.items():
            command = command.replace(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free}")
        for told, found in here.items():
            command = command.replace(told, found or told)
        place = farm.log_path.parent
        ran = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, timeout=90)
        return ran.stdout.strip()

    assert len(examples()) >= 25
    for command, said in examples():
        answered = run(command)
        if '"processing"' in answered:
            answered = until(lambda again=command: (now := run(again)) and '"processing"' not in now and now)
        for name, told in zip(NAMES, list(here), strict=True):
            if told in said and (found := re.search(name, answered)):
                here[told] = found[0]
        wanted, got = shape(said.strip()), shape(answered)
        if isinstance(wanted, dict):
            assert {name: got.get(name) for name in wanted} == wanted, (command, answered)
        else:
            assert got == wanted, command


def test_the_task_of_the_page_stands_behind_upload(tmp_path: Path) -> None:
    for name, code in zip(("prase", "measure"), blocks("python"), strict=True):
        (tmp_path / f"{name}.py").write_text(code)
    told = upload(tmp_path, "measure:Measure")
    assert told["status"] == "completed"
    assert -180 <= told["degree"] <= 180
    for folder in ("uploads", "outputs"):
        assert (tmp_path / "data" / folder / told["filename"]).stat().st_size > 0


def upload(path: Path, task: str) -> dict[str, Any]:
    """What /status says at last of the sample, where *task* in *path* has the place of orient."""
    farm = RunningFarm(path, FARM_ENABLE="orient", FARM_TASKS=f"orient={task}", FARM_WORKERS=1, FARM_SIMULATIONS=0)
    farm.given |= {"FARM_DOCUMENTS": "0", "FARM_FORK": "0", "PYTHONPATH": f"{ROOT}:{path}"}
    try:
        farm.start()
        name = farm.post("/upload", {"image": text_of((ROOT / "docs/sample.png").read_bytes())})[1]["filename"]
        ended = until(lambda: (told := farm.get(f"/status/{name}")[1])["status"] != "processing" and told)
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()
    return dict(ended)
