"""The echo task: gives back what it got, for trying things out and for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spoolfarm.errors import InvalidParams, JobCancelled
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task

#: Seconds between checks whether the job was cancelled.
LOOK = 0.1


class EchoParams(Params):
    """Anything; `seconds` makes the task sleep first."""

    model_config = ConfigDict(extra="allow")

    seconds: float = Field(
        default=0, ge=0, description="sleep this long before answering: less than an attempt may take, FARM_JOB_TIMEOUT"
    )


class EchoResult(BaseModel):
    """What came."""

    params: dict[str, Any]
    bytes: int


class Echo(Task):
    """Answers `{"params": ..., "bytes": ...}`: the parameters as given, and how many bytes came with them."""

    Params = EchoParams
    results = (EchoResult,)
    min_images = 0
    max_images = 64
    pictures = False
    needs = ("FARM_JOB_TIMEOUT",)

    def validate(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        super().validate(params)
        limit = self.settings["FARM_JOB_TIMEOUT"]
        if params.get("seconds", 0) >= limit:
            raise InvalidParams(f"params.seconds: must be less than the {limit:g} s of an attempt (FARM_JOB_TIMEOUT)")
        return params

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [self._answer(job, context) for job in batch]

    def _answer(self, job: Job, context: Context) -> dict[str, Any]:
        end = time.monotonic() + job.params.get("seconds", 0)
        while (rest := end - time.monotonic()) > 0:
            if context.cancelled():
                raise JobCancelled("cancelled while it slept")
            context.progress(1 - rest / job.params["seconds"])
            time.sleep(min(rest, LOOK))
        return {"params": dict(job.params), "bytes": sum(map(len, job.images))}
