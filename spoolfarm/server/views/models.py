"""`/v1/models`: the models of the Flower project, taken away, renamed and removed."""

from __future__ import annotations

from flask import Blueprint, Response, send_file
from pydantic import BaseModel, ConfigDict, Field

from spoolfarm.errors import UnknownModel
from spoolfarm.server.current import json_response, project
from spoolfarm.server.endpoint import JSON, Body, Endpoint, Parameter
from spoolfarm.server.request_body import checked, read_json
from spoolfarm.server.views.platform import ModelDescription
from spoolfarm.server.views.runs import Removed, all_runs
from spoolfarm.tasks.flower.model_files import beginning

blueprint = Blueprint("models", __name__, url_prefix="/v1/models")


class RenameBody(BaseModel):
    """What a model is to be called."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(max_length=200)


class NamedModel(ModelDescription):
    """A model, and what its name begins with."""

    beginning: str = Field(description="what another name of it has to begin with: its class is known by that")


@blueprint.get("/<model_id>")
def show(model_id: str) -> Response:
    """A model that can predict, and what another name of it has to begin with."""
    return json_response(_told(model_id))


@blueprint.get("/<model_id>/weights")
def weights(model_id: str) -> Response:
    """The weights of a model, as `torch.load(..., weights_only=True)` reads them."""
    model = project().model(model_id)
    try:
        return send_file(model.weights, "application/octet-stream", as_attachment=True, download_name=f"{model.id}.pth")
    except FileNotFoundError as error:
        raise UnknownModel(f"the weights of {model_id!r} are gone") from error


@blueprint.post("/<model_id>/rename")
def rename(model_id: str) -> Response:
    """Give a model another id; a run that made it has that id too. What predicts by the old one finds it no longer."""
    model = project().model(model_id)
    return json_response(_told(all_runs().rename(model, checked(RenameBody, read_json()).name).id))


@blueprint.delete("/<model_id>")
def remove(model_id: str) -> Response:
    """Remove a model and its history; one that a run has made goes with the whole run."""
    all_runs().remove_model(project().model(model_id))
    return json_response({"id": model_id})


def _told(model_id: str) -> dict[str, str]:
    model = project().model(model_id)
    return {"id": model.id, "name": model.id, "description": "", "beginning": beginning(model)}


_MODEL_ID = Parameter("model_id", "the id of a model", "Net", "path", {"type": "string", "minLength": 1})
ENDPOINTS = {
    "models.show": Endpoint(responses={200: NamedModel}, errors=(404,), parameters=(_MODEL_ID,), tag="platform"),
    "models.weights": Endpoint(
        responses={200: "application/octet-stream"}, errors=(404,), parameters=(_MODEL_ID,), tag="platform"
    ),
    "models.rename": Endpoint(
        body={JSON: Body(RenameBody, {"name": "Net_best"})},
        responses={200: NamedModel},
        errors=(404, 409, 415, 422),
        parameters=(_MODEL_ID,),
        tag="platform",
    ),
    "models.remove": Endpoint(responses={200: Removed}, errors=(404, 409), parameters=(_MODEL_ID,), tag="platform"),
}
