"""`/federated`: a page to train, to follow the training, and to have the models predict."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import page_of

blueprint = Blueprint("federated", __name__, static_folder="../web/federated", static_url_path="/federated")


@blueprint.get("/federated")
def page() -> Response:
    """The page for people: start a simulation, watch it, look at the models, draw a digit."""
    return page_of(blueprint, inline_styles=True)


ENDPOINTS = {"federated.page": replace(PAGE, task="simulate")}
