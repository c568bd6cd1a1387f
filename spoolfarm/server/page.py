"""A page for people: static files that load nothing but what the farm itself serves."""

from __future__ import annotations

from flask import Blueprint, Response

#: What a page may load.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_of(blueprint: Blueprint) -> Response:
    """The page in the static folder of *blueprint*."""
    response = blueprint.send_static_file("index.html")
    response.headers["Content-Security-Policy"] = POLICY
    return response
