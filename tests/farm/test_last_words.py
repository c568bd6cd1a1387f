"""The last words in a job's record are those of its own worker since its own claim."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from spoolfarm.errors import JobFailed
from spoolfarm.spool.job import Job
from spoolfarm.system.output import MARK
from spoolfarm.tasks import Context, Params, Task
from tests.support.running_farm import RunningFarm, until


class Talking(Task):
    """Says something, in one of the ways there are, and may die."""

    class How(Params):
        """What it says and how, and whether it dies."""

        say: str = ""
        how: str = "print"
        die: bool = False

    Params = How
    min_images = max_images = 0

    def prepare(self) -> None:
        """Nothing is loaded, but its workers may be forked."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        asked = batch[0].params
        if asked["say"]:
            match asked["how"]:
                case "print":
                    print(asked["say"])  # noqa: T201
                case "half a line":
                    print(asked["say"], end="")  # noqa: T201
                case "bytes":
                    sys.stderr.buffer.write(asked["say"].encode() + b"\n")
                case "library":
                    os.write(2, asked["say"].encode() + b"\n")
                case "raise":
                    raise ValueError(asked["say"])
        if asked["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return ["fine"]


@pytest.fixture(scope="module", params=["by exec", "forked"])
def farm(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RunningFarm]:
    made = RunningFarm(
        tmp_path_factory.mktemp("farm"),
        FARM_WORKERS=1,
        FARM_MAX_ATTEMPTS=1,
        FARM_TASKS="talking=tests.farm.test_last_words:Talking",
        FARM_ENABLE="talking,echo",
        FARM_FORK=int(request.param == "forked"),
    )
    try:
        made.start()
        assert bool(made.called(b"zygote")) == (request.param == "forked")
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("how", ["print", "half a line", "bytes", "raise"])
def test_a_crashed_job_is_not_told_the_words_of_the_job_before(how: str, farm: RunningFarm) -> None:
    words = f"words of another, by {how}"
    jobs = [
        farm.farm.submit("talking", say=words, how=how),
        farm.farm.submit("talking"),
        farm.farm.submit("talking", say=words, how=how),
        farm.farm.submit("talking", die=True),
    ]
    until(lambda: farm.farm.results.exists(jobs[-1].id))
    error = jobs[-1].record()["error"]
    assert error == "the worker died: killed by signal 9 (SIGKILL)"
    assert words in farm.log()
    assert MARK.decode() not in farm.log()


@pytest.mark.parametrize("how", ["print", "bytes", "library"])
def test_a_crashed_job_is_told_its_own_words(how: str, farm: RunningFarm) -> None:
    farm.farm.call("talking", say="words of another", how=how, timeout=20)
    with pytest.raises(JobFailed) as caught:
        farm.farm.call("talking", timeout=20, say="no memory left", how=how, die=True)
    assert str(caught.value).endswith("killed by signal 9 (SIGKILL): no memory left")


def test_jobs_that_say_nothing_cost_no_mark(farm: RunningFarm) -> None:
    farm.farm.call("echo", timeout=20)
    seen = os.stat(f"/proc/{farm.workers()[0]}/fd/2").st_mtime_ns
    for _ in range(20):
        farm.farm.call("echo", timeout=20)
    assert os.stat(f"/proc/{farm.workers()[0]}/fd/2").st_mtime_ns == seen
