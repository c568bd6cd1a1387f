"""`/farm`: the page that shows what the farm does, and where it is paused and resumed."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import render

blueprint = Blueprint("farm_page", __name__)


@blueprint.get("/farm")
def page() -> Response:
    """The page for people: tasks and workers, pauses, curves of the last hours, and the doctor's findings."""
    return render("farm")


ENDPOINTS = {"farm_page.page": PAGE}
