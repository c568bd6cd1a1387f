"""The package without a checkout, and with some of its libraries only: a farm runs where `spoolfarm run` is said."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.client.client import Client
from spoolfarm.errors import FarmError, JobFailed
from spoolfarm.spool import lease
from tests.support import wheel
from tests.support.running_farm import free_port, until

#: Hides libraries from every Python that has it on its path.
HIDING = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {hidden!r} else super().find_spec(name, path, target)

sys.meta_path[:] = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
"""
TASK = """
from spoolfarm.tasks import Task

class Mine(Task):
    min_images = max_images = 0

    def run(self, batch, context):
        return [42 for _ in batch]
"""


class Installed:
    """The package in a place of its own, without *hidden* libraries."""

    def __init__(self, site: Path, here: Path, hidden: tuple[str, ...] = ()) -> None:
        (site / "sitecustomize.py").write_text(HIDING.format(hidden=set(hidden)))
        self.here = here
        own = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        self.environment = {**own, "PYTHONPATH": str(site), "FARM_MIN_FREE_MB": "0"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`spoolfarm` with *words*."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "spoolfarm.cli", *words]
        return subprocess.Popen(command, cwd=self.here, env=self.environment, text=True, **pipes)

    def run(self, *words: str) -> tuple[int, str, str]:
        """The exit status of `spoolfarm` with *words*, and what it printed."""
        with self.start(*words) as process:
            said = process.communicate(timeout=60)
            return process.returncode, *said


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The unpacked wheel."""
    path = tmp_path_factory.mktemp("wheel")
    yield wheel.install(wheel.build(path), path / "site")
    shutil.rmtree(path)  # a hundred megabytes


@pytest.fixture
def bare(site: Path, tmp_path: Path) -> Installed:
    """The package with no extra, in an empty folder."""
    return Installed(site, tmp_path, ("cv2", "numpy", "torch", "onnxruntime", "flwr", "ray"))


@pytest.fixture
def farm(bare: Installed) -> Iterator[Client]:
    """A farm that runs in a folder that is named."""
    home = bare.here / "home"
    home.mkdir()
    (home / "mine.py").write_text(TASK)
    (home / ".env").write_text("FARM_WORKERS=2\nFARM_TASKS=mine=mine:Mine\n")
    url = f"127.0.0.1:{free_port()}"
    with bare.start("run", "--home", "home", "--bind", url) as process:
        try:
            client = Client(f"http://{url}")
            workers = home / "spool/workers"
            until(lambda: workers.is_dir() and len(lease.ready(str(workers))) == 2, 30, what="two workers")
            until(lambda: _answers(client), what="the front")
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=40)
    assert process.returncode == 0


def _answers(client: Client) -> bool:
    try:
        return client.call("echo", x=1) == {"params": {"x": 1}, "bytes": 0}
    except FarmError:
        return False


def test_a_bare_farm_has_its_own_tasks_and_its_folders_are_in_its_home(farm: Client, bare: Installed) -> None:
    home = bare.here / "home"
    assert farm.call("mine") == 42
    with pytest.raises(FarmError, match=r"task ocr is not installed here: pip install 'spoolfarm\[ocr\]'") as caught:
        farm.call("ocr", b"")
    assert not isinstance(caught.value, JobFailed)
    assert caught.value.code == "not_installed"
    assert {path.name for path in bare.here.iterdir()} == {"home"}
    assert {"spool", "results", "data"} <= {path.name for path in home.iterdir()}
    inbox = home / "spool/inbox"
    until((inbox / "echo").is_dir, what="the folders of the hot folder, which begins beside the front")
    assert {path.name for path in inbox.iterdir()} == {"echo"}
    assert {task for worker in lease.ready(str(home / "spool/workers")) for task in worker["tasks"]} == {"echo", "mine"}
    status, said, _ = bare.run("--home", "home", "status")
    assert status == 0
    assert "workers  2 ready for echo, mine" in said
    status, said, wrong = bare.run("submit", "ocr", "--home", "home")
    assert status == 1
    assert "task ocr is not installed here" in wrong
    status, said, _ = bare.run("doctor", "--home", "home")
    assert status == 0, said
    assert "ok    extras: ocr, segment, flower, edit, ray not" in said
    assert "models" not in said


VERBS = [
    ["status"],
    ["status", "18ea0844a7f039d2f821d687"],
    ["top", "--once"],
    ["result", "18ea0844a7f039d2f821d687"],
    ["cancel", "--all"],
    ["retry", "--all"],
    ["purge", "--results", "--dry-run"],
    ["submit", "echo"],
]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
@pytest.mark.parametrize("home", [[], ["--home", "nowhere"]], ids=["here", "home"])
def test_where_no_farm_is_a_verb_says_so_and_makes_nothing(bare: Installed, words: list[str], home: list[str]) -> None:
    status, said, wrong = bare.run(*home, *words)
    assert (status, said) == (1, "")
    assert wrong.startswith(f"spoolfarm: no farm here: {bare.here}")
    assert "`spoolfarm run` starts one; --home DIR or FARM_SPOOL_DIR names another" in wrong
    assert list(bare.here.iterdir()) == []


def test_a_farm_in_python_is_not_made_out_of_any_folder(bare: Installed) -> None:
    def python(code: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"from spoolfarm import Farm; {code}"]
        return subprocess.run(command, cwd=bare.here, env=bare.environment, capture_output=True, text=True, timeout=60)

    assert "NoFarm: no farm here: " in python("Farm()").stderr
    assert list(bare.here.iterdir()) == []
    assert python("Farm(spool_dir='a', results_dir='b').submit('echo')").returncode == 0
    assert {path.name for path in bare.here.iterdir()} == {"a", "b"}


def test_the_doctor_makes_nothing_either(bare: Installed) -> None:
    status, said, _ = bare.run("doctor")
    assert status == 0, said
    assert f"warn  launcher: none runs on {bare.here}/spool; start the farm with spoolfarm run" in said
    assert list(bare.here.iterdir()) == []


def test_a_training_says_what_it_needs(bare: Installed) -> None:
    status, _, wrong = bare.run("train", "segment", "--out", "x.pt")
    assert status == 1
    assert "the training is not installed here: pip install 'spoolfarm[segment]'" in wrong


def test_a_farm_that_enables_what_is_not_installed_does_not_start(bare: Installed) -> None:
    status, said, wrong = bare.run("run", "--enable", "echo,ocr", "--bind", f"127.0.0.1:{free_port()}")
    assert (status, said) == (1, "")
    [line] = wrong.splitlines()
    assert "FARM_ENABLE: task ocr is not installed here: pip install 'spoolfarm[ocr]'" in line


def test_the_version_is_told(bare: Installed) -> None:
    status, said, _ = bare.run("--version")
    assert status == 0
    assert said.startswith("spoolfarm 0.")
