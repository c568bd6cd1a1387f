"""`/v1/farm`, `/v1/workers`, `/v1/doctor`: what the farm does and did lately, who works, and what is not well."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, Field

from spoolfarm.farm.board import Board
from spoolfarm.farm.history import History
from spoolfarm.server import staffing
from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import Endpoint
from spoolfarm.server.examination import Examination
from spoolfarm.server.request_body import checked

blueprint = Blueprint("board", __name__, url_prefix="/v1")

#: Where the application keeps the board, the history and the examination.
BOARD, HISTORY, EXAMINATION = "spoolfarm.board", "spoolfarm.history", "spoolfarm.examination"


class HistoryQuery(BaseModel):
    """Which times to tell of."""

    since: float = Field(default=0.0, ge=0, description="only times that ended after this one, in seconds since 1970")


class DoctorQuery(BaseModel):
    """How fresh the findings are to be."""

    again: bool = Field(default=False, description="examine now, and do not answer with the findings of this minute")


@blueprint.get("/farm")
def state() -> Response:
    """What the farm does now: its tasks, lanes and workers, what is paused, and the room on its disk."""
    seen = _board().now()
    may = staffing.allowed(seen["launcher"])
    return json_response({**seen, "limit": staffing.limit(farm().settings) if may else None})


@blueprint.get("/farm/history")
def history() -> Response:
    """What was done in the last hours, by task, in steps of ten seconds or more where nothing happened."""
    since = checked(HistoryQuery, request.args, strict=False).since
    return json_response({"points": cast(History, current_app.extensions[HISTORY]).points(since)})


@blueprint.get("/doctor")
def doctor() -> Response:
    """What `spoolfarm doctor` finds, at most a minute old; with `again=true` now."""
    again = checked(DoctorQuery, request.args, strict=False).again
    return json_response(cast(Examination, current_app.extensions[EXAMINATION]).findings(again=again))


@blueprint.post("/workers/add")
def add() -> Response:
    """One general worker more, until the farm is restarted or reloaded; it comes within seconds."""
    return _changed(1)


@blueprint.post("/workers/retire")
def retire() -> Response:
    """One general worker fewer, until the farm is restarted or reloaded; it ends after the job it runs."""
    return _changed(-1)


def _changed(more: int) -> Response:
    wanted = staffing.change(farm().settings, more)
    _board().forget()
    return json_response({"wanted": wanted}, 202)


def _board() -> Board:
    return cast(Board, current_app.extensions[BOARD])


class Wanted(BaseModel):
    """How many general workers there are to be."""

    wanted: int


class Finding(BaseModel):
    """What one check has to say, and what to do about it."""

    level: str = Field(pattern="^(ok|warn|FAIL)$")
    check: str
    what: str
    advice: str


class Findings(BaseModel):
    """What the doctor finds."""

    at: float = Field(description="when, in seconds since 1970")
    findings: list[Finding]


class Points(BaseModel):
    """The times, the oldest first."""

    points: list[dict[str, Any]]


ENDPOINTS = {
    "board.state": Endpoint(responses={200: dict}, tag="farm"),
    "board.history": Endpoint(responses={200: Points}, query=HistoryQuery, tag="farm"),
    "board.doctor": Endpoint(responses={200: Findings}, query=DoctorQuery, tag="farm"),
    "board.add": Endpoint(responses={202: Wanted}, errors=(422, 501), tag="farm"),
    "board.retire": Endpoint(responses={202: Wanted}, errors=(422, 501), tag="farm"),
}
