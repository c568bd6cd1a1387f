"""Bad tasks of one's own in a running farm: each costs itself, whatever is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import own_checkout
from tests.support.running_farm import RunningFarm

FINE = '''
from spoolfarm.tasks import Task

class Fine(Task):
    """Works."""
    min_images = max_images = 0

    def run(self, batch, context):
        return ["fine" for _ in batch]

class NoModel(Fine):
    def setup(self):
        raise RuntimeError("CUDA out of memory")

class Leaving(Fine):
    def setup(self):
        raise SystemExit("usage: me")
'''
TASKS = "fine=own:Fine,typo=typo:Typo,nomodel=own:NoModel,leaving=own:Leaving"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm of one good task of one's own among bad ones."""
    path = tmp_path_factory.mktemp("farm")
    checkout = own_checkout.make(path / "checkout")
    (checkout / "own.py").write_text(FINE)
    (checkout / "typo.py").write_text("def run(:\n")
    made = RunningFarm(path, checkout, FARM_WORKERS=1, FARM_ENABLE="")
    del made.given["FARM_ENABLE"]
    own_checkout.write(checkout, FARM_TASKS=TASKS, FARM_ENABLE="echo,fine,typo,nomodel,leaving")
    with made:
        yield made


def command(farm: RunningFarm, *words: str) -> tuple[int, str]:
    """Exit status and output of a command, asked from another folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")} | farm.given
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from spoolfarm.cli.main import main; sys.exit(main())", *words],
        env=environment | {"PYTHONPATH": str(farm.root)},
        cwd=farm.root.parent,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_good_tasks_work(farm: RunningFarm) -> None:
    assert farm.post("/v1/run/fine", {}) == (200, "fine")
    assert farm.post("/v1/run/echo", {})[0] == 200
    assert farm.get("/ready")[0] == 200


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("typo", "cannot be imported: SyntaxError"),
        ("nomodel", "its setup failed: RuntimeError: CUDA out of memory"),
        ("leaving", "its setup failed: SystemExit: usage: me"),
    ],
)
def test_a_request_for_a_bad_task_is_refused_with_the_reason(task: str, why: str, farm: RunningFarm) -> None:
    for path, body in ((f"/v1/run/{task}", {}), ("/v1/jobs", {"task": task})):
        status, answer = farm.post(path, body)
        assert (status, answer["code"]) == (501, "task_unavailable")
        assert task in answer["error"]
        assert why in answer["error"]
    status, told = command(farm, "submit", task)
    assert status == 1
    assert why in told
    assert "Traceback" not in told


def test_the_doctor_and_the_log_name_every_bad_task(farm: RunningFarm) -> None:
    status, told = command(farm, "doctor")
    assert status == 1
    assert "Traceback" not in told
    lines = [line for line in told.splitlines() if line.startswith(("FAIL  tasks", "ok    tasks"))]
    assert len(lines) == 4
    assert lines[-1] == "ok    tasks: echo, fine"
    for task in ("typo", "nomodel", "leaving"):
        assert sum(f"task '{task}'" in line for line in lines) == 1
        assert any(task in line and "disabled" in line for line in farm.log().splitlines())


def test_the_command_line_and_the_pages_know_the_good_ones(farm: RunningFarm) -> None:
    assert command(farm, "submit", "fine", "--wait", "20") == (0, '"fine"\n')
    assert {task["name"] for task in farm.get("/v1/tasks")[1]["tasks"]} == {"echo", "fine", "nomodel", "leaving"}
    with urllib.request.urlopen(f"{farm.url}/openapi.json") as answer:
        assert b"/v1/run/fine" in answer.read()


def test_a_farm_of_a_folder_that_is_no_checkout_finds_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text(FINE)
    code = "from spoolfarm.tasks.registry import Registry; print(Registry({'fine': 'here:Fine'}, ['fine']).broken())"
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            f"import os; from spoolfarm import config; config.ROOT = {str(tmp_path)!r}; {code}",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert done.stdout == "{}\n", done.stderr
