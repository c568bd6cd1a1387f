"""`/federated`: a page to train, to follow the training, and to have the models predict."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.server.endpoint import Endpoint

blueprint = Blueprint("federated", __name__, static_folder="../web/federated", static_url_path="/federated")

#: What the page may load: only what the farm itself serves.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/federated")
def page() -> Response:
    """The page for people: start a simulation, watch it, look at the models, draw a digit."""
    response = blueprint.send_static_file("index.html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


ENDPOINTS = {"federated.page": Endpoint(responses={200: "text/html"}, task="simulate")}
