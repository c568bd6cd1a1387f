"""`/v1/runs`: every simulation, whoever started it; its figures and settings, and those of many side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any, Literal, get_args

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field

from spoolfarm.errors import UnknownRun
from spoolfarm.server.current import json_response, project
from spoolfarm.server.endpoint import JSON, RUN_ID, Body, Endpoint
from spoolfarm.server.request_body import checked, read_json
from spoolfarm.server.runs import Entry, RunList
from spoolfarm.tasks.flower import parameters
from spoolfarm.tasks.flower.runs import Run

blueprint = Blueprint("runs", __name__, url_prefix="/v1")

#: Where the application keeps the list.
RUNS = "spoolfarm.runs"
#: How many runs a listing shows at most, and how many are compared.
MAX_LISTED, MAX_COMPARED = 1000, 5000

RunState = Literal["queued", "running", "completed", "stopped", "failed"]


class RunsQuery(BaseModel):
    """Which runs to list, in which order, and the figures of which of their rounds."""

    state: RunState | None = None
    name: str = Field(default="", description="part of its id or of its model's class, in any case")
    at: str = Field(
        default="best", pattern=r"^(best|last|[1-9]\d{0,8})$", description="best, last, or a round's number"
    )
    sort: Literal["started", "id", "state", "model", "rounds", "seconds", "accuracy", "loss"] = "started"
    descending: bool = True
    limit: int = Field(default=50, ge=1, le=MAX_LISTED)
    offset: int = Field(default=0, ge=0, le=2**31)


class CurvesBody(BaseModel):
    """Whose curves."""

    model_config = ConfigDict(strict=True, extra="forbid")

    runs: Annotated[list[str], Field(max_length=MAX_COMPARED, description="their ids")]


@blueprint.get("/runs")
def listing() -> Response:
    """The runs that fit, the newest first unless asked otherwise; `total` is how many there are, `counts` by state."""
    asked = checked(RunsQuery, request.args, strict=False)
    named = all_runs().all()
    if sought := asked.name.lower():
        named = [each for each in named if sought in f"{each.id}\n{_model(each)}".lower()]
    found = [each for each in named if asked.state in (None, each.state)]
    if (asked.sort, asked.descending) != ("started", True):  # as they are
        found = _sorted(found, asked)
    counts = dict.fromkeys(get_args(RunState), 0)
    for each in named:
        counts[each.state] += 1
    page = found[asked.offset : asked.offset + asked.limit]
    told = [summary(each, asked.at) for each in page]
    return json_response({"runs": told, "total": len(found), "counts": counts})


@blueprint.get("/runs/<run_id>")
def show(run_id: str) -> Response:
    """All that is known of a run, by its id or that of its job: the figures of each round, and its settings."""
    entry = all_runs().get(run_id)
    run = entry.run
    return json_response(
        {
            **summary(entry, "best"),
            **_curves(run),
            "test_accuracy": run and run.test_accuracy,
            "classes": [*run.classes] if run else [],
            "settings": all_runs().params(entry),
            "error": (entry.record and entry.record.get("error")) or (run and run.error) or None,
            "code": entry.record and entry.record.get("code"),
            "pid": run.pid if run and not entry.is_over else None,
        }
    )


@blueprint.delete("/runs/<run_id>")
def remove(run_id: str) -> Response:
    """Remove a run that is over: its folder with its model, and its job."""
    return json_response({"id": all_runs().remove(run_id).id})


@blueprint.post("/run-curves")
def curves() -> Response:
    """The figures of each round of several runs, and of their settings those in which they differ."""
    asked = checked(CurvesBody, read_json())
    found: dict[str, Entry] = {}
    missing = []
    for run_id in dict.fromkeys(asked.runs):
        try:
            entry = all_runs().get(run_id)
            found[entry.id] = entry
        except UnknownRun:
            missing.append(run_id)
    settings = {each.id: all_runs().params(each) or {} for each in found.values()}
    names = _differing([*settings.values()])
    told = [
        {
            **summary(each, "best"),
            **_curves(each.run),
            "settings": {name: settings[each.id].get(name) for name in names},
        }
        for each in found.values()
    ]
    return json_response({"runs": told, "settings": names, "missing": missing})


@blueprint.get("/run-parameters")
def run_parameters() -> Response:
    """What a run may be given, as a JSON schema: that of the project, or what its start script declares."""
    return json_response(parameters.schema(project()))


def all_runs() -> RunList:
    """The runs of the application that serves this request."""
    found: RunList = current_app.extensions[RUNS]
    return found


def summary(entry: Entry, at: str) -> dict[str, Any]:
    """A run in few words, with its figures *at* its best or last round, or that of a number."""
    run, record = entry.run, entry.record
    done = len(run.rounds) if run else 0
    part = done / run.wanted if run and run.wanted and entry.state == "running" else None
    return {
        "id": entry.id,
        "job": entry.job,
        "source": (record and record.get("source")) or ("farm" if entry.job else "hand"),
        "state": entry.state,
        "model": _model(entry) or None,
        "has_model": bool(run and run.has_model),
        "started": entry.started,
        "seconds": entry.seconds,
        "rounds_done": done,
        "rounds_wanted": run and run.wanted,
        "progress": record["progress"] if record and record.get("progress") is not None else part,
        "at": _figures(run, at),
    }


def _model(entry: Entry) -> str:
    return entry.run.model if entry.run else ""


def _figures(run: Run | None, at: str) -> dict[str, Any] | None:
    """The figures of one round; None when there is no such round."""
    if run is None or not run.rounds:
        return None
    place = len(run.rounds) - 1 if at == "last" else _best(run) if at == "best" else _index(run.rounds, int(at))
    if place is None:
        return None
    return {"round": run.rounds[place], "accuracy": run.accuracies[place], "loss": run.losses[place]}


def _best(run: Run) -> int | None:
    """Where the best round is: as the run says, else by accuracy, and where there is none by loss."""
    if (told := _index(run.rounds, run.best)) is not None:
        return told
    right = [(value, -place) for place, value in enumerate(run.accuracies) if value is not None]
    if right:
        return -max(right)[1]
    wrong = [(value, place) for place, value in enumerate(run.losses) if value is not None]
    return min(wrong)[1] if wrong else None


def _index(rounds: Sequence[float | None], number: int | None) -> int | None:
    return rounds.index(number) if number is not None and number in rounds else None


def _curves(run: Run | None) -> dict[str, Any]:
    return {name: [*getattr(run, name)] if run else [] for name in ("rounds", "accuracies", "losses")}


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the settings that are not the same in all, in the order in which they stand."""
    names = dict.fromkeys(name for each in settings for name in each)
    return [name for name in names if any(each.get(name) != settings[0].get(name) for each in settings)]


def _sorted(entries: list[Entry], asked: RunsQuery) -> list[Entry]:
    """In the order of one column; those that have nothing there come last."""
    values = [(_value(each, asked), each) for each in entries]
    there = sorted((each for each in values if each[0] is not None), key=itemgetter(0), reverse=asked.descending)
    return [each for _, each in there] + [each for value, each in values if value is None]


def _value(entry: Entry, asked: RunsQuery) -> Any:
    """What *entry* has in the column that is sorted by."""
    if asked.sort in ("accuracy", "loss"):
        return (_figures(entry.run, asked.at) or {}).get(asked.sort)
    if asked.sort == "rounds":
        return len(entry.run.rounds) if entry.run else 0
    return (_model(entry) or None) if asked.sort == "model" else getattr(entry, asked.sort)


class Figures(BaseModel):
    """The figures of one round."""

    round: float | None
    accuracy: float | None
    loss: float | None


class RunSummary(BaseModel):
    """A run in few words."""

    id: str = Field(description="the name of its folder; of one without a folder, the id of its job")
    job: str | None = Field(description="the job that made it; null where a person started it")
    source: str = Field(description="who started it: as of jobs, or farm (a job that is forgotten), or hand")
    state: RunState
    model: str | None = Field(description="the class of its model")
    has_model: bool = Field(description="whether its model can predict")
    started: float = Field(description="seconds since 1970")
    seconds: float | None = Field(description="how long it has taken")
    rounds_done: int
    rounds_wanted: int | None
    progress: float | None = Field(description="0 to 1, where that is known")
    at: Figures | None = Field(description="the figures of the round that was asked for")


class RunsFound(BaseModel):
    """Some runs."""

    runs: list[RunSummary]
    total: int = Field(description="how many fit")
    counts: dict[str, int] = Field(description="how many of them there are in each state, whichever was asked for")


class Curves(RunSummary):
    """A run with the figures of each round."""

    rounds: list[float | None]
    accuracies: list[float | None]
    losses: list[float | None]
    settings: dict[str, Any] | None


class WholeRun(Curves):
    """All that is known of a run."""

    test_accuracy: float | None
    classes: list[str]
    error: str | None
    code: str | None = Field(description="why its job failed, as a word for programs")
    pid: int | None = Field(description="the process that is at it, where it says so")


class Compared(BaseModel):
    """Several runs side by side."""

    runs: list[Curves]
    settings: list[str] = Field(description="the names of the settings in which they differ")
    missing: list[str]


class Removed(BaseModel):
    """What was removed."""

    id: str


ENDPOINTS = {
    "runs.listing": Endpoint(responses={200: RunsFound}, query=RunsQuery, task="simulate"),
    "runs.show": Endpoint(responses={200: WholeRun}, errors=(404,), parameters=(RUN_ID,), task="simulate"),
    "runs.remove": Endpoint(responses={200: Removed}, errors=(404, 409), parameters=(RUN_ID,), task="simulate"),
    "runs.curves": Endpoint(
        body={JSON: Body(CurvesBody, {"runs": ["Net_1", "Net_2"]})},
        responses={200: Compared},
        errors=(415,),
        task="simulate",
    ),
    "runs.run_parameters": Endpoint(responses={200: dict}, task="simulate"),
}
