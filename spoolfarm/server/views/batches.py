"""`/v1/batches`: many files through one task: ordered, started, stopped, looked at, and their results taken away."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field

from spoolfarm.batch.desk import Desk
from spoolfarm.errors import InvalidRequest
from spoolfarm.server.current import address, json_response
from spoolfarm.server.endpoint import JSON, MULTIPART, OCTETS, Body, Endpoint, File, Parameter
from spoolfarm.server.request_body import checked, read_json, take_parts

blueprint = Blueprint("batches", __name__, url_prefix="/v1/batches")

#: Where the application keeps the desk.
DESK = "spoolfarm.desk"


class BatchBody(BaseModel):
    """What is to be done with which files."""

    model_config = ConfigDict(strict=True, extra="forbid")

    task: str
    params: dict[str, Any] = Field(default_factory=dict, description="what the task takes; see `GET /v1/tasks`")
    folder: str = Field(default="", description="a folder of the data folder, to be done at once; else files are sent")
    name: str = Field(default="", description="what people call it")


class FileForm(BaseModel):
    """A file for a batch."""

    file: File
    name: str = Field(default="", description="its name with its folders, if that is not the file's own")


class ZipQuery(BaseModel):
    """Which files of the results."""

    only: str = Field(default="", max_length=20, pattern="^[A-Za-z0-9.]*$", description="those with this suffix")


@blueprint.get("")
def listing() -> Response:
    """All batches, the newest first, and the folders of the data folder that may be done."""
    return json_response({"batches": _desk().all(), "folders": _desk().folders()})


@blueprint.post("")
def create() -> Response:
    """Order a batch: it begins at once if it names a folder, else with `start`, when its files have been sent."""
    asked = checked(BatchBody, read_json())
    batch_id = _desk().order(asked.task, asked.params, asked.folder, asked.name)
    response = json_response(_desk().show(batch_id), 201)
    response.headers["Location"] = address(f"/v1/batches/{batch_id}")
    return response


@blueprint.get("/<batch_id>")
def show(batch_id: str) -> Response:
    """How far a batch has come, how fast, and what failed; its `state` is open, running, done, stopped,
    interrupted (its process or the farm has ended: start it again) or failed (it could not go on)."""
    return json_response(_desk().show(batch_id))


@blueprint.delete("/<batch_id>")
def remove(batch_id: str) -> Response:
    """Remove a batch that is not being done, with its results."""
    _desk().remove(batch_id)
    return json_response({"removed": batch_id})


@blueprint.post("/<batch_id>/files")
def add(batch_id: str) -> Response:
    """Send a file to a batch that is to be started."""
    take_parts(("name",), ("file",))
    file = request.files.get("file")
    if file is None:
        raise InvalidRequest("file: is missing")
    name = request.form.get("name") or file.filename or ""
    _desk().add(batch_id, name, file.read())
    return json_response({"name": name}, 201)


@blueprint.post("/<batch_id>/start")
def start(batch_id: str) -> Response:
    """Do a batch, or what of it is not done yet; what failed is tried again."""
    _desk().start(batch_id)
    return json_response(_desk().show(batch_id), 202)


@blueprint.post("/<batch_id>/stop")
def stop(batch_id: str) -> Response:
    """Have a batch stop, once what of it runs has ended; `start` goes on with it."""
    _desk().stop(batch_id)
    return json_response(_desk().show(batch_id), 202)


@blueprint.get("/<batch_id>/results.csv")
def table(batch_id: str) -> Response:
    """The results so far as a table."""
    return _download(Response(_desk().lines(batch_id, True), mimetype="text/csv"), f"{batch_id}.csv")


@blueprint.get("/<batch_id>/results.jsonl")
def lines(batch_id: str) -> Response:
    """The records so far, one a line."""
    return _download(Response(_desk().lines(batch_id, False), mimetype="application/x-ndjson"), f"{batch_id}.jsonl")


@blueprint.get("/<batch_id>/results.zip")
def archive(batch_id: str) -> Response:
    """All files of the results so far, or those of one kind: `only=pdf`."""
    only = checked(ZipQuery, request.args, strict=False).only
    suffixes = [f".{only.lstrip('.').lower()}"] if only else []
    return _download(Response(_desk().archive(batch_id, suffixes), mimetype="application/zip"), f"{batch_id}.zip")


def _download(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _desk() -> Desk:
    return cast(Desk, current_app.extensions[DESK])


class Batches(BaseModel):
    """All batches."""

    batches: list[dict[str, Any]]
    folders: list[str]


class Sent(BaseModel):
    """A file that was sent."""

    name: str


_ID = Parameter("batch_id", "the id of a batch", "18ea0844a7f039d2f821d687", "path", {"type": "string", "minLength": 1})
ENDPOINTS = {
    "batches.listing": Endpoint(responses={200: Batches}),
    "batches.create": Endpoint(
        body={JSON: Body(BatchBody, {"task": "edit", "params": {"operations": ["resize=2"]}})},
        responses={201: dict},
        errors=(403, 404, 415, 422, 501, 503),
    ),
    "batches.show": Endpoint(responses={200: dict}, errors=(404,), parameters=(_ID,)),
    "batches.remove": Endpoint(responses={200: dict}, errors=(404,), parameters=(_ID,)),
    "batches.add": Endpoint(
        body={MULTIPART: Body(FileForm, {"name": "scans/page.png"})},
        responses={201: Sent},
        errors=(403, 404, 413, 415, 503),
        parameters=(_ID,),
    ),
    "batches.start": Endpoint(responses={202: dict}, errors=(404,), parameters=(_ID,)),
    "batches.stop": Endpoint(responses={202: dict}, errors=(404,), parameters=(_ID,)),
    "batches.table": Endpoint(responses={200: "text/csv"}, errors=(404,), parameters=(_ID,)),
    "batches.lines": Endpoint(responses={200: ("application/x-ndjson", OCTETS)}, errors=(404,), parameters=(_ID,)),
    "batches.archive": Endpoint(
        responses={200: ("application/zip", OCTETS)}, errors=(404,), parameters=(_ID,), query=ZipQuery
    ),
}
