"""`/inference`: pictures as form files and the name of a task or a model in, a list of results out."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field

from spoolfarm.errors import (
    BadProject,
    BrokenImage,
    FarmError,
    InvalidRequest,
    TooLarge,
    UnknownTask,
    UnsupportedMedia,
)
from spoolfarm.farm.gather import gather
from spoolfarm.server.current import farm, json_response, project
from spoolfarm.server.endpoint import MULTIPART, PREFER, Body, Endpoint, File
from spoolfarm.server.request_body import prefer_wait, take_parts
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer

blueprint = Blueprint("inference", __name__)

#: What is wrong with one picture, and not with the request.
BAD_PICTURE = (BrokenImage, InvalidRequest, TooLarge, UnsupportedMedia)


@blueprint.route("/inference", methods=["POST", "PUT"])
def inference() -> Response:
    """One result for each file, in order; a bad file among several is an `error` in its place."""
    if "img_file" in request.form:
        raise InvalidRequest("img_file: send the file itself (curl -F img_file=@page.jpg); no path is read")
    take_parts(("model_type", "img_file"), ("img_file",))
    kind = request.form.get("model_type")
    files = request.files.getlist("img_file")
    if not kind:
        raise InvalidRequest("model_type: is missing; name a task or a model")
    if not files:
        raise InvalidRequest("img_file: is missing; send one picture or several")
    task, params = _meant(kind)
    outcomes: dict[int, Answer | FarmError] = {}
    jobs: list[tuple[int, Job]] = []
    for index, file in enumerate(files):
        try:
            field = "img_file" if len(files) == 1 else f"img_file[{index}]"
            jobs.append((index, farm().prepare(task, [file.read()], params, field=field)))
        except BAD_PICTURE as error:
            outcomes[index] = error
    outcomes |= gather(farm(), jobs, len(jobs), prefer_wait())
    if len(files) == 1 and isinstance(only := outcomes[0], FarmError):
        raise only
    return json_response([_shown(outcomes[index]) for index in range(len(files))])


def _meant(kind: str) -> tuple[str, dict[str, Any]]:
    """The task and the parameters that *kind* stands for: a task wins over a model of its name. Raises UnknownTask."""
    if kind in (tasks := farm().tasks.names()):
        return kind, {}
    if project().has_model(kind):
        return "classify", {"model": kind}
    try:
        models = ", ".join(model.id for model in project().models()) or "none"
    except BadProject:
        models = "none"
    raise UnknownTask(
        f"model_type: no task and no model is called {kind!r}; tasks are {', '.join(tasks)}; models are {models}"
    )


def _shown(outcome: Answer | FarmError) -> Any:
    if isinstance(outcome, FarmError):
        return {"error": str(outcome), "code": outcome.code}
    return outcome.value


class InferenceForm(BaseModel):
    """The parts of the form."""

    model_type: str = Field(description="a task, or the id of a model")
    img_file: list[File] = Field(min_length=1)


ENDPOINTS = {
    "inference.inference": Endpoint(
        body={MULTIPART: Body(InferenceForm, {"model_type": "ocr"})},
        responses={200: list},
        errors=(404, 409, 413, 415, 422, 501, 503, 504),
        parameters=(PREFER,),
    )
}
