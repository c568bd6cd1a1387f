"""`/items/`: pictures of the data folder in, edited copies beside them out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict, Field

from spoolfarm.errors import JobFailed
from spoolfarm.farm.gather import gather
from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import JSON, PREFER, Body, Endpoint
from spoolfarm.server.request_body import checked, prefer_wait, read_json
from spoolfarm.spool.job import Job
from spoolfarm.tasks.edit.confined_folder import Folder
from spoolfarm.tasks.edit.request import NO_PICTURE, EditItem, Edits

log = logging.getLogger(__name__)
blueprint = Blueprint("items", __name__)

#: The most pictures of one request.
MAX_IMAGES = 1000
#: The most characters of X-Skipped: what does not fit is in the log.
MAX_SKIPPED = 4000


class Item(BaseModel):
    """A picture and its copy: paths in the data folder, absolute or relative to it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    input: str
    output: str = Field(description="its suffix says the format; several pictures get _1, _2, ... before it")


class ItemsBody(BaseModel):
    """What to do with which pictures."""

    model_config = ConfigDict(strict=True, extra="forbid")

    images: list[Item] = Field(max_length=MAX_IMAGES)
    operations: list[str] = Field(description="name=value, done from left to right")


@blueprint.post("/items/", strict_slashes=False)
def create_request() -> Response:
    """Edit pictures of the data folder; the response comes when all are written, and repeats the request.

    A picture that is missing or cannot be read is left out and named in the header X-Skipped.
    """
    farm().tasks.require("edit")
    body = checked(ItemsBody, read_json())
    settings = farm().settings
    response = json_response(body.model_dump())
    pairs = [(item.input, item.output) for item in body.images]
    with Edits(Folder(settings.data_dir), pairs, body.operations, settings.max_pixels) as edits:
        outcomes = gather(farm(), _jobs(edits, body.operations), len(pairs), prefer_wait())
    failures = [(item, outcome) for item, outcome in outcomes if isinstance(outcome, JobFailed)]
    for item, failure in failures:
        if failure.code == "broken_image":
            edits.skip(item, failure)
    skipped = {body.images[index].input: reason for index, reason in sorted(edits.skipped.items())}
    for name, reason in skipped.items():
        log.warning("/items/ skipped %r: %s", name, reason)
    for item, failure in failures:
        if item.index not in edits.skipped:
            raise failure
    if skipped:
        response.headers["X-Skipped"] = _header(skipped)
    return response


def _jobs(edits: Edits, operations: list[str]) -> Iterator[tuple[EditItem, Job]]:
    """The items to edit, each with its job."""
    for item, picture in edits.pictures():
        params = {"operations": operations, "output": item.output}
        try:
            job = farm().prepare("edit", [picture], params, field=f"{item.where}.input")
        except NO_PICTURE as error:
            edits.skip(item, error)  # it was one when the request was checked
        else:
            yield item, job


def _header(skipped: Mapping[str, str]) -> str:
    """The names separated by commas, all but plain letters as %XX; "..." at the end when there are too many."""
    names = [quote(name, errors="replace") for name in skipped]
    whole = ", ".join(names)
    return whole if len(whole) <= MAX_SKIPPED else f"{whole[:MAX_SKIPPED].rpartition(', ')[0]}, ..."


#: The operation has the name that users of the interface this endpoint follows know: their bookmarks point to it.
ENDPOINTS = {
    "items.create_request": Endpoint(
        body={JSON: Body(ItemsBody, {"images": [], "operations": ["string"]})},
        responses={200: ItemsBody},
        errors=(403, 413, 415, 422, 501, 503, 504),
        parameters=(PREFER,),
        tag="default",
        operation="create_request_items__post",
        task="edit",
    )
}
