"""A page for people: static files that load nothing but what the farm itself serves."""

from __future__ import annotations

from flask import Blueprint, Response, request

from spoolfarm.server.current import address

#: What a page may load, less its styles.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_of(blueprint: Blueprint, name: str = "index.html", *, inline_styles: bool = False) -> Response:
    """The page *name* of *blueprint*, which lies beside its other files.

    Its links are relative to an address without a slash at the end, or to the root with one, so another leads there.
    """
    path = request.environ["PATH_INFO"]
    if (path != "/" and path.endswith("/")) or not path:
        return Response(status=308, headers={"Location": address(request.path.rstrip("/") or "/")})
    response = blueprint.send_static_file(name)
    styles = "'self' 'unsafe-inline'" if inline_styles else "'self'"
    response.headers["Content-Security-Policy"] = POLICY.format(styles=styles)
    return response
