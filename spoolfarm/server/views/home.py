"""`/`: the page Try for people, and where everything is as JSON for programs."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

from flask import Blueprint, Response, current_app
from pydantic import BaseModel, Field

from spoolfarm.server.current import address, json_response
from spoolfarm.server.endpoint import PAGE
from spoolfarm.server.page import is_wanted, render

blueprint = Blueprint("home", __name__)

#: The methods that every address takes, of which nobody needs to be told.
UNTOLD = {"HEAD", "OPTIONS"}


@blueprint.get("/")
def home() -> Response:
    """Try the tasks: a page for browsers, in English or Chinese; and for programs where everything is, as JSON."""
    response = render("try") if is_wanted() else json_response(_told())
    response.vary.add("Accept")
    return response


def _told() -> dict[str, object]:
    methods: dict[str, set[str]] = {}
    for rule in current_app.url_map.iter_rules():
        if not rule.endpoint.endswith("static"):
            methods.setdefault(address(rule.rule), set()).update((rule.methods or set()) - UNTOLD)
    return {
        "name": "spoolfarm",
        "version": version("spoolfarm"),
        "docs": address("/docs"),
        "openapi": address("/openapi.json"),
        "endpoints": {path: sorted(found) for path, found in sorted(methods.items())},
    }


class Home(BaseModel):
    """The farm, and its addresses."""

    name: str
    version: str
    docs: str = Field(description="the address of the documentation for people")
    openapi: str = Field(description="the address of the documentation for programs")
    endpoints: dict[str, list[str]] = Field(description="the methods that each address takes")


ENDPOINTS = {"home.home": replace(PAGE, responses={200: (Home, "text/html")})}
