"""Tasks of one's own, of which the farm knows nothing but their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from spoolfarm.errors import JobFailed
from spoolfarm.images import decode
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task


class MoodParams(Params):
    """How to look."""

    about: str = Field(description="whose mood")
    scale: Literal["coarse", "fine"] = "coarse"
    loud: bool = False
    tries: int = Field(default=1, ge=1, le=9)


class Mood(Task):
    """The mood of a picture."""

    Params: ClassVar[type[Params]] = MoodParams

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [_mood(job.params) for job in batch]


def _mood(params: Any) -> Any:
    if params["tries"] == 9:
        return JobFailed(f"<i>{params['about']}</i> is in no mood")
    chances = {f"<b>{params['about']}</b> {params['scale']}": 0.75, "calm" if not params["loud"] else "LOUD": 0.25}
    return {"predictions": [{"label": label, "probability": chance} for label, chance in chances.items()]}


class Halves(Task):
    """The upper half of a picture, and the lower, as masks of two classes."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [_halves(job.images[0]) for job in batch]


def _halves(data: bytes) -> Any:
    import numpy as np

    from spoolfarm.tasks.segment import rle

    height, width = decode(data).shape[:2]
    half = height // 2
    masks = []
    for number, (label, top, rows) in enumerate((("upper", 0, half), ("lower", half, height - half))):
        counts = rle.encode(np.ones((rows, width), np.uint8), 0, top, height, width).decode()
        told = {"label": label, "category_id": number + 1, "score": 0.9, "bbox": [0, top, width, rows]}
        shape = {"area": rows * width, "centroid": [width / 2, top + rows / 2], "degree": 0.0, "axes": [width, rows]}
        masks.append({"mask_id": number, "mask_rle": {"counts": counts, "size": [height, width]}, **told, **shape})
    return {"masks": masks, "counts_encoding": "ascii", "image": {"width": width, "height": height}}
