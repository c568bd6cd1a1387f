"""The orient task: the direction of the largest object in a picture."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from spoolfarm import images
from spoolfarm.errors import NoObject
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Params
from spoolfarm.tasks.segment.result import OrientResult
from spoolfarm.tasks.segment.task import Seeing
from spoolfarm.tasks.segment.wishes import CLASSES, Classes, Score

if TYPE_CHECKING:
    from spoolfarm.tasks.segment.instance import Found, Instance, Pixels

#: The files of a result with `outputs`: the picture as JPEG, and the object in it, white on black.
PICTURE, OBJECT = "picture.jpg", "object.jpg"
#: JPEG's quality for the two.
QUALITY = 95


class OrientParams(Params):
    """Which objects count."""

    score_threshold: Score = 0.5
    classes: Classes = Field(default=[], description=CLASSES)
    outputs: bool = Field(
        default=False,
        description="also files: the picture as JPEG, and its largest object white on black. Then a picture without an "
        "object does not fail: its degree is null, and reason says why",
    )


class Orient(Seeing):
    """Answers the direction of the largest object's long axis in degrees, counter-clockwise; see docs/masks.md."""

    Params: ClassVar[type[Params]] = OrientParams
    results = (OrientResult,)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any:
        from spoolfarm.tasks.segment.orientation import axis
        from spoolfarm.tasks.segment.records import object_record, picture_record

        begin = time.perf_counter()
        count = 0
        largest = None
        area = 0
        for instance in found.instances:
            count += 1
            if (covered := int(instance.mask.sum(dtype="int64"))) > area:
                largest, area = instance, covered
        if largest is not None:
            told = object_record(largest, axis(largest), self._engine.labels[largest.category])
        elif job.params["outputs"]:
            told = {"degree": None, "reason": str(NoObject())}
        else:
            return NoObject()
        ms |= {"masks": (time.perf_counter() - begin) * 1000}
        value = {**told, "count": count, **picture_record(picture, self._engine, ms)}
        return Answer(value, _outputs(job.images[0], picture.pixels, largest)) if job.params["outputs"] else value


def _outputs(sent: bytes, picture: Pixels, largest: Instance | None) -> dict[str, bytes]:
    """The files: a picture that was sent as JPEG stays as it is."""
    import cv2
    import numpy as np

    white = np.zeros(picture.shape[:2], np.uint8)
    if largest is not None:
        rows, columns = largest.mask.shape
        white[largest.top : largest.top + rows, largest.left : largest.left + columns] = largest.mask * np.uint8(255)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    jpeg = sent if images.sniff(sent) == "JPEG" else cv2.imencode(".jpg", picture, quality)[1].tobytes()
    return {PICTURE: jpeg, OBJECT: cv2.imencode(".jpg", white, quality)[1].tobytes()}
