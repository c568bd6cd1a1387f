"""`/v1/run/<task>`: one request, one result, nothing kept."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import JSON, MULTIPART, PICTURE, PREFER, RAW_PRIORITY, Body, Endpoint
from spoolfarm.server.request_body import JobBody, JobForm, prefer_wait, read_job

blueprint = Blueprint("run", __name__, url_prefix="/v1/run")


@blueprint.route("/<task>", methods=["POST", "PUT"])
def run(task: str) -> Response:
    """The task's result itself, within FARM_TIMEOUT or `Prefer: wait=SECONDS`; then a 504 says where to find it."""
    here = farm()
    here.tasks.get(task)
    asked = read_job(task)
    job = here.prepare(task, asked.pictures, asked.params, priority=asked.priority, field=asked.field)
    return json_response(here.answer(job, prefer_wait()).value)


ENDPOINTS = {
    "run.run": Endpoint(
        body={JSON: Body(JobBody, {"image": PICTURE}), MULTIPART: Body(JobForm, {})},
        raw=True,
        responses={200: object},
        errors=(404, 409, 413, 415, 422, 501, 503, 504),
        parameters=(PREFER, RAW_PRIORITY),
    )
}
