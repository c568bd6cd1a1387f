"""A task of one's own, of which the farm knows nothing but its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from spoolfarm.errors import JobFailed
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
