"""Uploads whose task `orient` is one of the user's own: whatever it answers, they end, and so do those of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from spoolfarm.config import load
from spoolfarm.farm.farm import Farm
from spoolfarm.server.uploads import Uploads
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Context, Params, Task
from tests.support.pictures import small
from tests.support.running_farm import until
from tests.support.thread_workers import working


class SaysParams(Params):
    """What to answer."""

    outputs: bool = False
    answer: Any = None
    picture: bool = False


class Says(Task):
    """Answers what it is told to, with the picture as a file if asked."""

    Params: ClassVar[type[Params]] = SaysParams

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [
            Answer(job.params["answer"], {"picture.jpg": job.images[0]} if job.params["picture"] else {})
            for job in batch
        ]


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    given = {"FARM_SPOOL_DIR": tmp_path / "spool", "FARM_RESULTS_DIR": tmp_path / "results", "FARM_MIN_FREE_MB": 0}
    given |= {"FARM_TASKS": f"orient={__name__}:Says", "FARM_ENABLE": "orient"}
    made = Farm(settings=load({name: str(value) for name, value in given.items()}))
    with working(made):
        yield made
    made.close()


@pytest.fixture
def uploads(farm: Farm, tmp_path: Path) -> Iterator[Uploads]:
    made = Uploads(farm, str(tmp_path / "data"))
    yield made
    made.close()


def told(farm: Farm, uploads: Uploads, answer: Any, *, picture: bool = False) -> dict[str, Any]:
    """What is said at last of an upload whose task answers *answer*."""
    params = {"outputs": True, "answer": answer, "picture": picture}
    name = uploads.accept(farm.prepare("orient", [small()], params, durable=True))
    until(lambda: (uploads.settle(), uploads.status(name))[1]["status"] != "processing")  # type: ignore[index]
    return {**(uploads.status(name) or {})}


NO_DEGREE = {"status": "error", "reason": "the task orient answered no degree"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"degree": 30}, {"status": "completed", "degree": 30.0}),
        ({"degree": 1.5, "eccentricity": 0.9}, {"status": "completed", "degree": 1.5, "eccentricity": 0.9}),
        ({"degree": None, "reason": "too dark"}, {"status": "error", "reason": "too dark"}),
        ({"degree": None}, NO_DEGREE),
        ({"angle": 3}, NO_DEGREE),
        ({"degree": "12"}, NO_DEGREE),
        ({"degree": True}, NO_DEGREE),
        ([12.5], NO_DEGREE),
        (None, NO_DEGREE),
    ],
)
def test_whatever_the_task_answers_the_upload_ends(
    farm: Farm, uploads: Uploads, answer: Any, said: dict[str, Any]
) -> None:
    found = told(farm, uploads, answer)
    assert {name: value for name, value in found.items() if name != "filename"} == said


def test_the_files_that_the_task_makes_are_placed_and_others_not_missed(
    farm: Farm, uploads: Uploads, tmp_path: Path
) -> None:
    name = told(farm, uploads, {"degree": 1.0}, picture=True)["filename"]
    assert (tmp_path / "data/uploads" / name).read_bytes() == small()
    assert not (tmp_path / "data/outputs" / name).exists()
