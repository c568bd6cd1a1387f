"""The edit task: one picture through a list of operations, to files beside the result or in the data folder."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from spoolfarm import images
from spoolfarm.errors import InvalidParams
from spoolfarm.spool.job import Job
from spoolfarm.system import memory, threads
from spoolfarm.tasks import Answer, Context, Params, Task
from spoolfarm.tasks.edit import formats
from spoolfarm.tasks.edit.confined_folder import Folder
from spoolfarm.tasks.edit.operations import size_of
from spoolfarm.tasks.edit.recipe import MAX_OPERATIONS, Recipe, names
from spoolfarm.tasks.edit.result import EditResult

#: What the files beside a result are called, before _1, _2, ... and the suffix.
STEM = "edited"
#: The format of a picture that names none, by its own: what cannot be written becomes a PNG.
SAME = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "TIFF": "tiff"}


class EditParams(Params):
    """What to do."""

    operations: list[str] = Field(
        default=[],
        max_length=MAX_OPERATIONS,
        description="name=value, done from left to right; docs/edit.md lists them",
        examples=[
            ["fit=800,600", "sharpen=0.5", "quality=90"],
            ["rotate=15"],
            ["grayscale=true", "threshold=otsu"],
            ["blur=15"],
            ["split=true"],
        ],
    )
    format: formats.Suffix | None = Field(
        default=None, description="of the files beside the result; the picture's own when not given"
    )
    output: str | None = Field(
        default=None, description="write to this file of the data folder instead; its suffix says the format"
    )


class Edit(Task):
    """Edits a picture; what it becomes comes as files of the result, or lies in the data folder; see docs/edit.md."""

    Params = EditParams
    results = (EditResult,)

    needs = ("FARM_DATA_DIR", "FARM_MAX_PIXELS")

    @functools.cached_property
    def _folder(self) -> Folder:
        return Folder(self.settings["FARM_DATA_DIR"])

    def validate(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        validated = super().validate(params)
        Recipe.parse(validated["operations"], "params.operations")
        if (output := validated["output"]) is not None:
            if validated["format"] is not None:
                raise InvalidParams("params.format: the suffix of params.output says it")
            formats.of_path(output, "params.output")
            self._folder.check_output(self._folder.within(output, "params.output"), "params.output")
        return validated

    def stays(self, params: Mapping[str, Any]) -> bool:
        return params.get("output") is not None  # in the data folder

    def setup(self) -> None:
        import cv2  # noqa: F401  # now, and not in the first job

        threads.limit()

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        with memory.largest_kept():
            return [self._edit(job, context) for job in batch]

    def _edit(self, job: Job, context: Context) -> Any:
        params = EditParams.model_validate(job.params)
        recipe = Recipe.parse(params.operations, "params.operations")
        picture = images.decode(job.images[0])
        path = params.output or f"{STEM}.{params.format or SAME.get(images.sniff(job.images[0]) or '', 'png')}"
        form = formats.of_path(path, "params.output")
        sizes = recipe.outputs(size_of(picture), form, self.settings["FARM_MAX_PIXELS"])
        called = names(path, len(sizes))
        made = (formats.encode(each, form, recipe.quality) for each in recipe.run(picture))
        value = {
            "pictures": [
                {"name": name, "width": width, "height": height}
                for name, (width, height) in zip(called, sizes, strict=True)
            ]
        }
        if params.output is None:
            return Answer(value, dict(self._beside(called, made, context)))
        mark = f"spoolfarm-{job.id}"
        with self._folder.outputs(self._folder.within(path, "params.output"), "params.output", mark) as outputs:
            for name, data in zip(called, made, strict=True):
                outputs.add(posixpath.basename(name), data, sync=job.durable)
            outputs.commit(sync=job.durable)
        return value

    def _beside(self, called: Sequence[str], made: Iterable[bytes], context: Context) -> Iterator[tuple[str, Path]]:
        """Write each file as soon as it is made, so that no two are in memory."""
        for name, data in zip(called, made, strict=True):
            place = context.scratch() / name
            place.write_bytes(data)
            yield name, place
