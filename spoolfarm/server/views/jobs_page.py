"""`/jobs`: the page of all jobs."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import render

blueprint = Blueprint("jobs_page", __name__)


@blueprint.get("/jobs")
def page() -> Response:
    """All jobs for people: filters, what changes, and acts on all that fit."""
    return render("jobs")


ENDPOINTS = {"jobs_page.page": PAGE}
