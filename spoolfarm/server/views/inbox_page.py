"""`/inbox`: the page that shows the hot folders, and where files are put back."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import render

blueprint = Blueprint("inbox_page", __name__)


@blueprint.get("/inbox")
def page() -> Response:
    """The page for people: what waits in each hot folder, what is done, what failed and why."""
    return render("inbox")


ENDPOINTS = {"inbox_page.page": PAGE}
