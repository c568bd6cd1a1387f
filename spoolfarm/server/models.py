"""What the job endpoints return, as models for the documentation."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from spoolfarm.spool.job import State

JobId = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Seconds = Annotated[float, Field(description="seconds since 1970")]


class Queued(BaseModel):
    """A job that was accepted."""

    id: JobId
    task: str | None = None
    status: State


class LostAttempt(BaseModel):
    """An attempt of a job that ended with its worker."""

    attempt: int
    worker: str
    started: Seconds
    ended: Seconds
    reason: str = Field(description="how the worker ended, and its last words about this job")


class Record(BaseModel):
    """All that is known of a job."""

    id: JobId
    task: str
    status: State
    attempts: int
    created: Seconds
    started: Seconds | None
    finished: Seconds | None
    progress: float | None = Field(description="0 to 1, where the task tells it")
    source: str | None = Field(default=None, description="who submitted it: http, cli, python, inbox, batch or part")
    name: str | None = Field(default=None, description="the name of the file that its picture was")
    request_id: str | None = Field(default=None, description="the X-Request-Id of the request that submitted it")
    traceparent: str | None = Field(default=None, description="the trace that the request named (W3C Trace Context)")
    worker: str | None = Field(default=None, description="the worker that has it, or ran it to its end")
    lost: list[LostAttempt] = Field(default=[], description="the attempts that ended without a result")
    result: Any = Field(default=None, description="what the task answered, once it succeeded")
    files: list[str] = Field(default=[], description="the files of the result")
    error: str | None = Field(default=None, description="why it ended without a result")
    code: str | None = None
    details: dict[str, Any] | None = Field(default=None, description="more about why; of an exception its `traceback`")


class Listing(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Record]
    next: JobId | None = Field(description="the `before` of the next page")


class Cancelled(BaseModel):
    """What a cancellation did."""

    id: JobId
    cancelled: bool = Field(description="false when the job had ended before")
    status: State
