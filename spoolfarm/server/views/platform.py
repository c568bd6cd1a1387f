"""`/api/`: the Flower project's models, what they predict for a picture, and how they were trained."""

from __future__ import annotations

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict

from spoolfarm import images
from spoolfarm.errors import InvalidRequest, UnsupportedMedia
from spoolfarm.server.current import farm, json_response, project
from spoolfarm.server.endpoint import JSON, PICTURE, Body, Endpoint, Parameter
from spoolfarm.server.request_body import checked, read_json

blueprint = Blueprint("platform", __name__, url_prefix="/api")


class PredictBody(BaseModel):
    """Which model, and the picture in base64."""

    model_config = ConfigDict(strict=True)

    model_id: str
    image_data: str


@blueprint.get("/models/", strict_slashes=False)
def models() -> Response:
    """Every model that can predict."""
    return json_response(
        {"models": [{"id": each.id, "name": each.id, "description": ""} for each in project().models()]}
    )


@blueprint.post("/predict/", strict_slashes=False)
def predict() -> Response:
    """How likely each class is, the likeliest first. Anything wrong with the request is a 400."""
    farm().tasks.require("classify")
    try:
        body = checked(PredictBody, read_json())
        project().model(body.model_id)
        picture = images.from_base64(body.image_data, "image_data")
        job = farm().prepare("classify", [picture], {"model": body.model_id}, field="image_data")
    except UnsupportedMedia as error:
        raise InvalidRequest(str(error)) from error
    return json_response({"predictions": farm().answer(job).value["predictions"]})


@blueprint.get("/models/<model_id>/training_history/", strict_slashes=False)
def training_history(model_id: str) -> Response:
    """The accuracies and losses of each round."""
    return json_response(project().history(model_id))


class ModelDescription(BaseModel):
    """A model."""

    id: str
    name: str
    description: str


class Models(BaseModel):
    """All models."""

    models: list[ModelDescription]


class Likely(BaseModel):
    """A class, and how likely it is."""

    label: str
    probability: float


class Predictions(BaseModel):
    """The classes, the likeliest first."""

    predictions: list[Likely]


class History(BaseModel):
    """A training, round by round."""

    rounds: list[float | None]
    accuracies: list[float | None]
    losses: list[float | None]


_MODEL_ID = Parameter("model_id", "the id of a model", "Net", "path", {"type": "string", "minLength": 1})
ENDPOINTS = {
    "platform.models": Endpoint(responses={200: Models}),
    "platform.predict": Endpoint(
        body={JSON: Body(PredictBody, {"model_id": "Net", "image_data": PICTURE})},
        responses={200: Predictions},
        errors=(404, 413, 501, 503, 504),
        task="classify",
    ),
    "platform.training_history": Endpoint(responses={200: History}, errors=(404, 501), parameters=(_MODEL_ID,)),
}
