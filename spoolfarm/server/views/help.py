"""`/help`: the manual for people, with a search over it."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Literal

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field

from spoolfarm.errors import UnknownFile
from spoolfarm.server import manual
from spoolfarm.server.current import address, json_response
from spoolfarm.server.endpoint import PAGE, Endpoint, Parameter
from spoolfarm.server.page import is_wanted, render
from spoolfarm.server.request_body import checked

blueprint = Blueprint("help", __name__, static_folder="../docs", static_url_path="/help/files")


@blueprint.get("/help")
def page() -> Response:
    """Help for people: what goes wrong and what to do, the words, and all other pages of the manual."""
    return render("help", shown="help", manual=manual, lost=False)


@blueprint.get("/help/<chapter>")
def chapter(chapter: str) -> Response:
    """One page of the manual."""
    if chapter in manual.names():
        return render("help", shown=chapter, manual=manual, lost=False)
    if (page := lost()) is None:
        raise UnknownFile(f"the manual has no page {chapter!r}")
    return page


def lost() -> Response | None:
    """For a browser where nothing is: the manual, which says so and leads on. None for who wants no page."""
    if request.method not in ("GET", "HEAD") or not is_wanted():
        return None
    response = render("help", shown="help", manual=manual, lost=True)
    if response.status_code == HTTPStatus.OK:
        response.status_code = HTTPStatus.NOT_FOUND
    response.vary.add("Accept")
    return response


@blueprint.get("/help/search")
def search() -> Response:
    """Search the manual for some words; the sections that have all of them, the best first."""
    asked = checked(SearchQuery, request.args, strict=False)
    found = manual.search(asked.q, asked.lang)
    return json_response({"sections": [_told(each, asked.lang) for each in found]})


def _told(found: manual.Found, language: str) -> dict[str, str]:
    return {
        "page": found.title,
        "title": found.section.title,
        "excerpt": found.excerpt,
        "lang": manual.language_of(found.page, language),
        "address": address(f"/{manual.path(found.page)}#{found.section.anchor}"),
    }


class SearchQuery(BaseModel):
    """What to search for."""

    q: str = Field(default="", max_length=200, description="words, in any case and order", examples=["worker_died"])
    lang: Literal["en", "zh"] = Field(default="en", description="the language of pages that are there in both")


class FoundSection(BaseModel):
    """A section of the manual."""

    page: str = Field(description="the title of its page")
    title: str
    excerpt: str = Field(description="what in it fits best")
    lang: str = Field(description="the language it is in")
    address: str


class FoundSections(BaseModel):
    """The sections that have all of the words."""

    sections: list[FoundSection]


_CHAPTER = Parameter("chapter", "the name of the page", "ocr", "path", {"type": "string", "minLength": 1})
ENDPOINTS = {
    "help.page": PAGE,
    "help.chapter": replace(PAGE, errors=(404,), parameters=(_CHAPTER,)),
    "help.search": Endpoint(responses={200: FoundSections}, errors=(400,), query=SearchQuery, tag=PAGE.tag),
}
