"""`/batch`: the page where many files are done by one task."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import render

blueprint = Blueprint("batch_page", __name__)


@blueprint.get("/batch")
def page() -> Response:
    """The page for people: drop a folder or name one, watch its progress, and take its results."""
    return render("batch")


ENDPOINTS = {"batch_page.page": PAGE}
