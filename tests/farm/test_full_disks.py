"""A farm on four small disks, for the spool, the results, the data and the log, of which one is full at a time."""

from __future__ import annotations

import base64
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ConfigDict

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Context, Params, Task
from tests.support import mounts
from tests.support.hot_folder import Hot
from tests.support.pictures import encoded
from tests.support.running_farm import RunningFarm, until

pytestmark = pytest.mark.needs("root")

#: What each disk holds: bytes, and files.
SIZE, FILES = 2**20, 1400
DISKS = ("spool", "results", "data", "run")


class Level(Task):
    """In the place of `orient`: finds every picture level."""

    class Anything(Params):
        """Whatever `/upload` asks for."""

        model_config = ConfigDict(extra="allow")

    Params = Anything

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [Answer({"degree": 0.0, "eccentricity": 0.9}, {"picture.jpg": bytes(2**14)})]


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("farm")
    with ExitStack() as mounted:
        for name in DISKS:
            mounted.enter_context(mounts.tmpfs(path / name, f"size={SIZE},nr_inodes={FILES}"))
        yield path


@pytest.fixture(scope="module")
def farm(disks: Path) -> Iterator[RunningFarm]:
    tasks = {
        "FARM_TASKS": "deaf=tests.support.rude_tasks:Deaf,orient=tests.farm.test_full_disks:Level",
        "FARM_ENABLE": "echo,deaf,orient",
    }
    made = RunningFarm(disks, **tasks, FARM_WORKERS=1)
    made.log_path = disks / "run" / "log"
    with made:
        yield made


def pour(path: Path) -> None:
    """Write until there is no room."""
    with open(path, "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            continue


def crowd(folder: Path) -> None:
    """Make files until there can be no more."""
    for number in range(FILES):
        (folder / str(number)).touch()


@contextmanager
def full(disk: Path, what: str) -> Iterator[None]:
    """Within it the disk has no room, or takes no more files."""
    filler = disk / "filler"
    filler.mkdir()
    try:
        with pytest.raises(OSError, match="No space left"):
            pour(filler / "large") if what == "bytes" else crowd(filler)
        yield
    finally:
        shutil.rmtree(filler)


def works(farm: RunningFarm) -> None:
    """A job goes through front and spool, and its result through the disk of the results."""
    assert farm.post("/v1/run/echo", {"params": {"n": 1}})[0] == 200


@pytest.mark.parametrize("what", ["bytes", "files"])
def test_a_full_spool_refuses_what_is_new_and_does_what_it_has(what: str, farm: RunningFarm, disks: Path) -> None:
    first = farm.farm.submit("deaf", seconds=1)
    until(lambda: first.status() == "running")
    queued = [farm.post("/v1/jobs", {"task": "echo", "params": {"n": number}})[1]["id"] for number in range(3)]
    with full(disks / "spool", what):
        status, told = farm.post("/v1/jobs", {"task": "echo", "image": base64.b64encode(bytes(2**14)).decode()})
        assert (status, told["code"]) == (503, "spool_unavailable")
        until(lambda: {farm.get(f"/v1/jobs/{each}")[1]["status"] for each in queued} == {"succeeded"})
        assert first.wait(20) == {"slept": 1}
        assert len(farm.workers()) == 1
    works(farm)
    assert {farm.get(f"/v1/jobs/{each}")[1]["attempts"] for each in queued} == {1}


@pytest.mark.parametrize("what", ["bytes", "files"])
def test_results_and_answers_wait_for_a_full_disk(what: str, farm: RunningFarm, disks: Path) -> None:
    hot, waits = Hot(farm), "the result cannot be written, and waits for room"
    before = farm.log().count(waits)
    [worker] = farm.workers()
    os.kill(worker, signal.SIGSTOP)  # a full disk takes no new jobs
    job = farm.farm.submit("deaf", seconds=0)
    with full(disks / "results", what):
        os.kill(worker, signal.SIGCONT)
        (hot.inbox / "echo" / what).write_bytes(b"x")
        until(lambda: farm.log().count(waits) > before)
        assert job.status() == "running"
        assert farm.get("/health")[0] == 200
    assert job.wait(20) == {"slept": 0}
    assert job.record()["attempts"] == 1
    until(lambda: (hot.out / "echo" / f"{what}.json").exists())
    until(lambda: not hot.left("echo"))


@pytest.mark.parametrize("what", ["bytes", "files"])
def test_an_upload_ends_once_the_disk_of_the_data_has_room(what: str, farm: RunningFarm, disks: Path) -> None:
    picture = {"image": base64.b64encode(encoded(Image.new("RGB", (8, 8)))).decode()}

    def completed(name: str) -> bool:
        return bool(farm.get(f"/status/{name}")[1]["status"] == "completed")

    first = farm.post("/upload", picture)[1]["filename"]
    until(lambda: completed(first))
    with full(disks / "data", what):
        answers = [farm.post("/upload", picture) for _ in range(3)]
        assert {status for status, _ in answers} <= {200, 503}
        assert farm.get(f"/status/{first}")[1]["status"] == "completed"
        assert farm.get("/health")[0] == 200
    accepted = [told["filename"] for status, told in answers if status == 200]
    until(lambda: all(map(completed, accepted)))
    until(lambda: farm.post("/upload", picture)[0] == 200)


def test_a_log_that_takes_no_more_stops_nobody(farm: RunningFarm, disks: Path) -> None:
    [pid] = farm.workers()
    with full(disks / "run", "bytes"):
        os.kill(pid, signal.SIGKILL)
        until(lambda: farm.workers() not in ([], [pid]))
        works(farm)
    before = farm.log().count("killed by signal 9")
    os.kill(farm.workers()[0], signal.SIGKILL)
    until(lambda: farm.log().count("killed by signal 9") > before)
    works(farm)
