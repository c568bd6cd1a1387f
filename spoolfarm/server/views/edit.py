"""`/v1/edit`: a picture and operations in, the edited picture out, or a ZIP of several."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field

from spoolfarm.errors import InvalidRequest
from spoolfarm.server import raw_body
from spoolfarm.server.current import farm
from spoolfarm.server.endpoint import MULTIPART, OCTETS, PREFER, RAW_PRIORITY, Body, Endpoint, File
from spoolfarm.server.request_body import prefer_wait, read_job, take_parts
from spoolfarm.spool.job import Job
from spoolfarm.tasks.edit import formats
from spoolfarm.tasks.edit.formats import Suffix

blueprint = Blueprint("edit", __name__, url_prefix="/v1/edit")

#: What the file is called when there are several pictures in it.
SEVERAL = "edited.zip"


@blueprint.route("", methods=["POST", "PUT"])
def edit() -> Response:
    """The edited picture itself, or a ZIP when the operations make several of it."""
    if raw_body.is_raw(request.mimetype):
        asked = read_job("edit")
        job = farm().prepare("edit", asked.pictures, asked.params, field=asked.field)
    else:
        job = _from_form()
    made: Mapping[str, Any] = farm().answer(job, prefer_wait()).files
    if len(made) > 1:
        name, content, mimetype = SEVERAL, _packed(made), "application/zip"
    else:
        [(name, content)] = made.items()
        mimetype = formats.of_path(name, "format").mimetype
    if request.accept_mimetypes.best == OCTETS:
        mimetype = OCTETS
    response = Response(content, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return response


def _from_form() -> Job:
    take_parts(("operations", "operation", "format"), ("image", "file"))
    raw_body.refuse_query("edit")
    form = request.form
    params: dict[str, Any] = {
        "operations": [each for name in ("operations", "operation") for each in form.getlist(name) if each]
    }
    if len(chosen := form.getlist("format")) > 1:
        raise InvalidRequest("format: send one")
    if chosen:
        params["format"] = chosen[0].lower()
    pictures = [file.read() for name in ("image", "file") for file in request.files.getlist(name)]
    return farm().prepare("edit", pictures, params, field=next(iter(request.files), "image"))


def _packed(made: Mapping[str, Any]) -> bytes:
    """A ZIP; pictures are packed already, so they are only stored."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, content in made.items():
            packed.writestr(name, content)
    return file.getvalue()


class EditForm(BaseModel):
    """The parts of the form."""

    image: File
    operations: list[str] = Field(default=[], description="name=value, done in their order")
    format: Suffix | None = Field(default=None, description="the picture's own when not given")


ENDPOINTS = {
    "edit.edit": Endpoint(
        body={MULTIPART: Body(EditForm, {"operations": ["resize=2", "blur=3"], "format": "png"})},
        raw=True,
        responses={200: ("image/*", "application/zip", OCTETS)},
        errors=(413, 415, 422, 501, 503, 504),
        parameters=(PREFER, RAW_PRIORITY),
        task="edit",
    )
}
