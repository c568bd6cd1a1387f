"""The edit task: what it makes, where it puts it, and that a second attempt makes the same."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from spoolfarm import errors
from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm
from spoolfarm.images import decode
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from spoolfarm.tasks import Answer
from spoolfarm.tasks.edit.task import Edit
from spoolfarm.worker.executors.local import LocalExecutor
from spoolfarm.worker.worker import RunContext
from tests.unit.images.test_colour import SWAPPED
from tests.unit.tasks.edit.test_operations import noise


@pytest.fixture
def task(farm: Farm) -> Edit:
    """The task, set up as a worker has it."""
    found = farm.tasks.get("edit")
    assert isinstance(found, Edit)
    found.setup()
    return found


class Desk:
    """Runs single jobs, as a worker does."""

    def __init__(self, farm: Farm, task: Edit) -> None:
        self._farm, self._task = farm, task
        self._executor = LocalExecutor({"edit": task})

    def run(self, job: Job) -> Any:
        """The outcome of *job*; its files as bytes."""
        context = RunContext(self._farm, [Claim(job, "", 0.0)], lambda: False)
        [outcome] = self._executor.run("edit", [job], context)
        if isinstance(outcome, Answer):
            files = {name: file.read_bytes() for name, file in outcome.files.items() if isinstance(file, Path)}
            outcome = Answer(outcome.value, files)
        context.close()
        return outcome

    def edit(self, picture: bytes, **params: Any) -> Any:
        """The outcome of a new job."""
        return self.run(Job("edit", self._task.validate(params), [picture]))


@pytest.fixture
def desk(farm: Farm, task: Edit) -> Iterator[Desk]:
    yield Desk(farm, task)
    assert not os.listdir(f"{farm.results.root}/tmp")


def png(width: int = 40, height: int = 30) -> bytes:
    return cv2.imencode(".png", noise(width, height))[1].tobytes()


def test_one_picture_keeps_its_format_and_its_pixels(desk: Desk) -> None:
    made = desk.edit(png())
    assert made.value == {"pictures": [{"name": "edited.png", "width": 40, "height": 30}]}
    assert np.array_equal(decode(made.files["edited.png"]), noise(40, 30))


def test_colours_are_those_of_the_profile_and_the_file_has_none(desk: Desk) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 40, 40)).save(file, "PNG", icc_profile=SWAPPED)
    made = desk.edit(file.getvalue())
    with Image.open(io.BytesIO(made.files["edited.png"])) as edited:
        assert "icc_profile" not in edited.info
        assert np.abs(np.array(edited.getpixel((5, 5))) - (40, 200, 40)).max() <= 6


@pytest.mark.parametrize("kind", ["AVIF", "GIF", "JPEG2000", "ICO"])
def test_a_format_that_is_only_read_becomes_a_png(desk: Desk, kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 40, 40)).save(file, kind)
    assert list(desk.edit(file.getvalue()).files) == ["edited.png"]


def test_several_are_numbered_in_reading_order(desk: Desk) -> None:
    made = desk.edit(png(), operations=["split=1"], format="bmp")
    assert list(made.files) == ["edited_1.bmp", "edited_2.bmp", "edited_3.bmp", "edited_4.bmp"]
    assert np.array_equal(decode(made.files["edited_2.bmp"]), noise(40, 30)[:15, 20:])


@pytest.mark.parametrize(
    ("suffix", "magic"),
    [
        *(("jpg", b"\xff\xd8\xff"), ("jpeg", b"\xff\xd8\xff"), ("png", b"\x89PNG"), ("webp", b"RIFF"), ("bmp", b"BM")),
        *(("tif", b"II*\0"), ("tiff", b"II*\0")),
    ],
)
def test_every_format_is_written_and_read_back(desk: Desk, suffix: str, magic: bytes) -> None:
    [data] = desk.edit(png(), format=suffix).files.values()
    assert data.startswith(magic)
    assert decode(data).shape == (30, 40, 3)


def test_quality_makes_jpeg_and_webp_smaller_or_larger(desk: Desk) -> None:
    for suffix in ("jpg", "webp"):
        sizes = [
            len(desk.edit(png(), format=suffix, operations=[f"quality={each}"]).files[f"edited.{suffix}"])
            for each in (10, 60, 95)
        ]
        assert sizes == sorted(sizes)
        assert sizes[2] == len(desk.edit(png(), format=suffix).files[f"edited.{suffix}"])
        assert sizes[0] < sizes[2]


def test_an_output_goes_into_the_data_folder(desk: Desk, settings: Settings) -> None:
    made = desk.edit(png(), operations=["split=1"], output="new/a.PNG")
    assert [picture["name"] for picture in made["pictures"]] == [f"new/a_{number}.PNG" for number in (1, 2, 3, 4)]
    files = sorted(os.listdir(f"{settings.data_dir}/new"))
    assert files == ["a_1.PNG", "a_2.PNG", "a_3.PNG", "a_4.PNG"]


def test_a_second_attempt_makes_the_same_although_the_first_overwrote_its_picture(
    desk: Desk, task: Edit, settings: Settings
) -> None:
    os.makedirs(settings.data_dir)
    place = Path(settings.data_dir, "a.png")
    place.write_bytes(png())
    params = task.validate({"operations": ["resize=2"], "output": "a.png"})
    job = Job("edit", params, [place.read_bytes()])
    desk.run(job)
    first = place.read_bytes()
    desk.run(job)
    assert place.read_bytes() == first
    assert decode(first).shape == (60, 80, 3)


@pytest.mark.parametrize(
    ("params", "error", "word"),
    [
        ({"operations": ["resize=x"]}, errors.InvalidParams, r"params.operations\[0\]: resize takes a number"),
        ({"operations": "resize=2"}, errors.InvalidParams, "params.operations: "),
        ({"operations": ["a"] * 101}, errors.InvalidParams, "params.operations: "),
        ({"format": "gif"}, errors.InvalidParams, "params.format: "),
        ({"output": "a.gif"}, errors.InvalidParams, "params.output: pictures are written as"),
        ({"output": "a"}, errors.InvalidParams, "params.output: pictures are written as"),
        ({"output": "a.jpg", "format": "jpg"}, errors.InvalidParams, "params.format: "),
        ({"output": "../a.jpg"}, errors.Forbidden, "params.output: is not in the data folder"),
        ({"output": "a\0.jpg"}, errors.InvalidRequest, "params.output: is no path"),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_queued(
    task: Edit, params: dict[str, Any], error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        task.validate(params)


def test_a_worker_checks_everything_again(desk: Desk, task: Edit, settings: Settings, tmp_path: Path) -> None:
    params = {"operations": ["resize=100"] * 3, "format": None, "output": None}
    outcome = desk.run(Job("edit", params, [png(400, 300)]))
    assert isinstance(outcome, errors.InvalidParams)
    (tmp_path / "outside").mkdir()
    os.makedirs(settings.data_dir)
    validated = task.validate({"output": "later/a.png"})
    Path(settings.data_dir, "later").symlink_to(tmp_path / "outside")
    assert isinstance(desk.run(Job("edit", validated, [png()])), errors.Forbidden)
    for output in ("../outside/a.png", str(tmp_path / "outside/a.png")):
        outcome = desk.run(Job("edit", {**params, "operations": [], "output": output}, [png()]))
        assert isinstance(outcome, errors.Forbidden)
    assert not os.listdir(tmp_path / "outside")


def test_a_damaged_picture_is_its_own_jobs_trouble(desk: Desk) -> None:
    assert isinstance(desk.edit(png()[:200]), errors.BrokenImage)
