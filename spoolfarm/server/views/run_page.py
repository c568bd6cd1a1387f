"""`/federated/<run>`: the page of one run: its log and curves live, its settings, its model."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE, RUN_ID
from spoolfarm.server.page import render

blueprint = Blueprint("run_page", __name__)


@blueprint.get("/federated/<run_id>")
def page(run_id: str) -> Response:
    """The page for people of one run: its log and curves while it runs and after, its settings and its model."""
    return render("run", run_id=run_id)


ENDPOINTS = {"run_page.page": replace(PAGE, parameters=(RUN_ID,), task="simulate")}
