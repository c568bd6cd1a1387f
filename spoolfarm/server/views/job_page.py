"""`/jobs/<id>`: the page of one job."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response

from spoolfarm.server.endpoint import JOB_ID, PAGE
from spoolfarm.server.page import render

blueprint = Blueprint("job_page", __name__)


@blueprint.get("/jobs/<job_id>")
def page(job_id: str) -> Response:
    """One job for people: what it was asked to do, what became of it, and its log as it is written."""
    return render("job", job_id=job_id)


ENDPOINTS = {"job_page.page": replace(PAGE, parameters=(JOB_ID,))}
