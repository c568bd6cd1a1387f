"""A page for people: a template in the reader's language; it loads nothing from other hosts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flask import Response, current_app, render_template, request

from spoolfarm.server.current import address, farm
from spoolfarm.server.words import LANGUAGES, words

#: What a page may load.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: The pages in the order of the navigation, each by its word; those that no view serves are left out.
NAVIGATION = {
    "try": "/",
    "jobs": "/jobs",
    "batch": "/batch",
    "inbox": "/inbox",
    "farm": "/farm",
    "federated": "/federated",
    "docs": "/docs",
    "help": "/help",
}
#: The cookies that keep the reader's choice of language and theme, and for how long, in seconds.
LANGUAGE, THEME, KEPT = "spoolfarm-language", "spoolfarm-theme", 365 * 86400
#: The themes that may be chosen instead of the system's.
THEMES = ("light", "dark")


def is_wanted() -> bool:
    """Whether the client would rather have a page than JSON, as a browser does that was led here."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def render(name: str, **given: Any) -> Response:
    """The page of `templates/<name>.html`, with the words of `templates/<name>.json` and what is *given*.

    The language is that of the address (`?lang=zh`), which is kept, or the one chosen before, or the browser's.
    """
    if moved := _moved():
        return moved
    asked = request.args.get("lang", "")
    chosen = asked if asked in LANGUAGES else request.cookies.get(LANGUAGE, "")
    language = chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
    theme = request.cookies.get(THEME, "")
    said = words(name, language)
    html = render_template(
        f"{name}.html",
        page=name,
        text=SimpleNamespace(**said),
        texts=said,
        language=language,
        theme=theme if theme in THEMES else "",
        root=_root(),
        navigation={word: path for word, path in NAVIGATION.items() if _is_there(path)},
        keyed=bool(farm().settings.api_key),
        **given,
    )
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Content-Language"] = language
    response.headers["Cache-Control"] = "no-cache"
    response.vary.update(("Accept-Language", "Cookie"))
    if asked in LANGUAGES:
        response.set_cookie(LANGUAGE, asked, max_age=KEPT, path=address("/"), samesite="Lax")
    return response


def _moved() -> Response | None:
    """Where the page is, if not here: links are relative to an address without a slash at its end, or to the root."""
    path = request.environ["PATH_INFO"]
    if path and (path == "/" or not path.endswith("/")):
        return None
    return Response(status=308, headers={"Location": address(request.path.rstrip("/") or "/")})


def _root() -> str:
    """The way from the page to the farm's root: relative, so that it leads through whatever proxy there is."""
    return "../" * (request.environ["PATH_INFO"].count("/") - 1) or "./"


def _is_there(path: str) -> bool:
    return any(rule.rule == path for rule in current_app.url_map.iter_rules())
