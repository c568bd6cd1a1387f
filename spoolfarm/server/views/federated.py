"""`/federated`: the page to start runs, to compare them, and to have models predict."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import render

blueprint = Blueprint("federated", __name__)


@blueprint.get("/federated")
def page() -> Response:
    """The page for people: start a run, find and compare all there are, and have the models predict."""
    return render("federated")


ENDPOINTS = {"federated.page": replace(PAGE, task="simulate")}
