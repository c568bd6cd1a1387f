"""`/v1/run/<task>`: one request, one result, nothing kept."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.errors import InvalidRequest
from spoolfarm.views import answer, farm
from spoolfarm.views.body import JobBody, JobForm, prefer_wait, read_job
from spoolfarm.views.face import JSON, MULTIPART, PICTURE, PREFER, Body, Face

blueprint = Blueprint("run", __name__, url_prefix="/v1/run")


@blueprint.post("/<task>")
def run(task: str) -> Response:
    """The task's result itself, within FARM_TIMEOUT or `Prefer: wait=SECONDS`; later it is a 504 that says where."""
    farm().tasks.get(task)
    asked = read_job()
    if asked.task not in ("", task):
        raise InvalidRequest(f"task: the address says {task}, the body {asked.task}")
    job = farm().prepare(task, asked.pictures, asked.params, priority=asked.priority)
    return answer(farm().answer(job, prefer_wait()).value)


FACES = {
    "run.run": Face(
        body={JSON: Body(JobBody, {"image": PICTURE}), MULTIPART: Body(JobForm, {})},
        answers={200: object},
        errors=(404, 409, 413, 415, 422, 503, 504),
        parameters=(PREFER,),
    )
}
