"""`/v1/inbox`: the hot folders: what waits, what was answered and what failed, and files put back for a retry."""

from __future__ import annotations

from typing import Any, Literal, cast

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, Field

from spoolfarm.hotfolder.shelf import Shelf
from spoolfarm.server.current import json_response
from spoolfarm.server.endpoint import JSON, Body, Endpoint, Parameter
from spoolfarm.server.request_body import checked, read_json

blueprint = Blueprint("inbox", __name__, url_prefix="/v1/inbox")

#: Where the application keeps the shelf.
SHELF = "spoolfarm.shelf"
#: How many files a listing shows at most, and are put back by one request.
MAX_LISTED = 1000


class FilesQuery(BaseModel):
    """Which files to list."""

    which: Literal["waiting", "failed", "done"] = "failed"
    limit: int = Field(default=100, ge=1, le=MAX_LISTED)


class PutBack(BaseModel):
    """Which files to put back."""

    keys: list[str] = Field(min_length=1, max_length=MAX_LISTED, description="the `key` of each file, as listed")


@blueprint.get("")
def folders() -> Response:
    """The folders, each with how many files wait in it, failed, and are done; and what no task will take."""
    return json_response({"folders": _shelf().folders(), "strangers": _shelf().strangers()})


@blueprint.get("/<folder>")
def listing(folder: str) -> Response:
    """The files of one folder that wait, failed or are done, with the reason why; the newest answers first."""
    asked = checked(FilesQuery, request.args, strict=False)
    return json_response({"files": _shelf().list(folder, asked.which, asked.limit)})


@blueprint.get("/<folder>/<key>")
def answer(folder: str, key: str) -> Response:
    """The answer to one file: the record of its job."""
    return json_response(_shelf().answer(folder, key))


@blueprint.post("/<folder>/put-back")
def put_back(folder: str) -> Response:
    """Put answered files back into the folder, to be done again; their old answers go."""
    return json_response(_shelf().put_back(folder, checked(PutBack, read_json()).keys))


def _shelf() -> Shelf:
    return cast(Shelf, current_app.extensions[SHELF])


class Folder(BaseModel):
    """A hot folder."""

    task: str
    path: str = Field(description="where it lies on the farm's machine")
    paused: bool
    waiting: int
    failed: int
    done: int
    complete: bool = Field(description="whether all answers are counted; of many, the newest are first")


class Folders(BaseModel):
    """All hot folders."""

    folders: list[Folder]
    strangers: list[dict[str, Any]]


class Files(BaseModel):
    """Some files of a folder."""

    files: list[dict[str, Any]]


class WasPutBack(BaseModel):
    """What became of the files."""

    put_back: int
    left: list[dict[str, Any]] = Field(description="those that were not put back, and why not")


_FOLDER = Parameter("folder", "the task whose folder it is", "echo", "path", {"type": "string", "minLength": 1})
_KEY = Parameter("key", "the `key` of a file, as listed", "YS5wbmc=", "path", {"type": "string", "minLength": 1})
ENDPOINTS = {
    "inbox.folders": Endpoint(responses={200: Folders}),
    "inbox.listing": Endpoint(responses={200: Files}, errors=(404,), parameters=(_FOLDER,), query=FilesQuery),
    "inbox.answer": Endpoint(responses={200: dict}, errors=(404,), parameters=(_FOLDER, _KEY)),
    "inbox.put_back": Endpoint(
        body={JSON: Body(PutBack, {"keys": ["YS5wbmc="]})},
        responses={200: WasPutBack},
        errors=(404, 415),
        parameters=(_FOLDER,),
    ),
}
