"""The front: the Flask application, and the one table from error to HTTP status."""

from __future__ import annotations

import io
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, NoReturn

from flask import Flask, Request, Response, current_app, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask_cors import CORS
from jinja2 import StrictUndefined
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_input_stream

from spoolfarm import config
from spoolfarm.batch.desk import Desk
from spoolfarm.errors import FarmError, JobFailed, NoMemory, WaitTimeout
from spoolfarm.farm.board import Board
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.history import History
from spoolfarm.hotfolder.shelf import Shelf
from spoolfarm.server import openapi
from spoolfarm.server.content_coding import inflated
from spoolfarm.server.current import FARM, LIVE, PROJECT, address, caller, json_response, request_id
from spoolfarm.server.examination import Examination
from spoolfarm.server.form_body import MAX_PARTS, FormRequest
from spoolfarm.server.guard import Guard
from spoolfarm.server.live import PATH, Live
from spoolfarm.server.path_prefix import PathPrefix
from spoolfarm.server.request_body import REQUEST_DEADLINE, SLOWEST
from spoolfarm.server.runs import RunList
from spoolfarm.server.uploads import Uploads
from spoolfarm.server.views import (
    batch_page,
    batches,
    board,
    edit,
    farm_page,
    federated,
    health,
    help,
    home,
    inbox,
    inbox_page,
    inference,
    items,
    job_bulk,
    job_inputs,
    job_page,
    jobs,
    jobs_page,
    masks,
    metrics,
    models,
    pauses,
    platform,
    run,
    run_page,
    runs,
    tasks,
    tyocr,
    uploads,
)
from spoolfarm.tasks.flower.project import Project

log = logging.getLogger("spoolfarm.server.app")

#: The views; `metrics` makes its own for each application.
VIEWS = (
    *(home, masks, uploads, items, edit, tyocr, inference, platform, models, runs, federated, run_page),
    *(run, jobs, job_inputs, job_bulk, jobs_page, job_page, tasks),
    *(pauses, board, inbox, batches, farm_page, inbox_page, batch_page, help, health, openapi),
)
#: The HTTP status of every error, by its code. What is not here is a fault of ours: 500.
STATUS = {
    "invalid_request": 400,
    "broken_image": 400,
    "bad_model": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown_task": 404,
    "unknown_job": 404,
    "unknown_model": 404,
    "unknown_run": 404,
    "no_history": 404,
    "unknown_file": 404,
    "key_conflict": 409,
    "cancelled": 409,
    "run_in_use": 409,
    "name_taken": 409,
    "too_large": 413,
    "unsupported_media": 415,
    "invalid_params": 422,
    "no_object": 422,
    "too_much_memory": 422,
    "not_configured": 501,
    "task_unavailable": 501,
    "not_installed": 501,
    "spool_full": 503,
    "spool_unavailable": 503,
    "too_many_clients": 503,
    "no_memory": 503,
    "wait_timeout": 504,
}
#: Seconds after which a client may try again when the farm is full.
RETRY_AFTER = 2
#: The code and the sentence that Werkzeug's errors get here, by their status.
HTTP_ERRORS = {
    400: ("invalid_request", "the request is malformed, or broke off"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address does not take that method"),
    408: (
        "request_timeout",
        f"the request's body did not come in time: it has {REQUEST_DEADLINE:g} s, and one more for every "
        f"{SLOWEST >> 10} KiB, and may not pause for long",
    ),
    413: ("too_large", f"the body is over the limit (FARM_MAX_BODY_MB), or has more than {MAX_PARTS} parts"),
}
#: The longest error sentence, in characters: some quote what the client sent.
MAX_SENTENCE = 1000


class Sessionless(SessionInterface):
    """No request has a session: cookies keep nothing but the language and the theme of the pages."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return self._none


class Application(Flask):
    """Flask without what would cost every request and is not used here: sessions, coroutines, hosts and subdomains."""

    session_interface = Sessionless()
    request_class = FormRequest

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the view of *request*, whose host is not looked at but by the guard."""
        if request is None:
            return super().create_url_adapter(None)
        return MapAdapter(
            self.url_map, request.host, request.root_path, "", request.scheme, request.path, request.method
        )

    def raise_routing_exception(self, request: Request) -> NoReturn:
        """As Flask does, but an address that lacks only its slash and takes other methods is 405, as with the slash."""
        adapter = self.create_url_adapter(request) if isinstance(request.routing_exception, NotFound) else None
        if adapter and (allowed := adapter.allowed_methods(f"{request.path}/")):
            raise MethodNotAllowed(valid_methods=allowed)
        super().raise_routing_exception(request)


def create_app(settings: config.Settings | None = None) -> Flask:
    """Make the application. Without *settings* they are read from the environment and `.env`."""
    settings = settings or config.load()
    app = Application(
        "spoolfarm", static_folder="server/web", static_url_path="/web", template_folder="server/templates"
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False  # an address is the same with a slash at its end
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_mb * 2**20
    app.config["MAX_FORM_PARTS"] = MAX_PARTS
    app.secret_key = settings.flask_secret_key.encode("utf-8", "surrogateescape") or secrets.token_bytes(32)
    app.extensions[FARM] = Farm(settings=settings, source="http", caller=caller)
    meter = metrics.Meter(app.extensions[FARM])
    app.extensions[board.BOARD] = Board(app.extensions[FARM])
    app.extensions[board.HISTORY] = History(app.extensions[FARM].spool)
    app.extensions[board.EXAMINATION] = Examination(settings)
    app.extensions[batches.DESK] = Desk(app.extensions[FARM])
    app.extensions[inbox.SHELF] = Shelf(app.extensions[FARM])
    app.extensions[uploads.UPLOADS] = Uploads(app.extensions[FARM], settings.data_dir)
    app.extensions[PROJECT] = Project(settings.by_name())
    app.extensions[runs.RUNS] = RunList(app.extensions[FARM], app.extensions[PROJECT])
    _add_views(app, meter)
    guard = Guard(settings)

    @app.before_request
    def begin() -> Response | None:
        environ = request.environ
        environ[metrics.STARTED] = time.perf_counter()
        guard.check(environ)
        if _is_preflight(environ) and isinstance(request.routing_exception, NotFound):
            return Response()  # the page is to see that there is nothing, and not that it may not ask
        _end_body(environ)
        return None

    @app.after_request
    def end(response: Response) -> Response:
        meter.count(response)
        return _headers(response)

    app.extensions[LIVE] = live = Live(app, app.extensions[FARM], guard, settings.front_threads)
    own = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()} | {PATH.strip("/")}
    below = PathPrefix(live, settings.base_path, settings.trusted_proxies, own)
    app.wsgi_app = below  # type: ignore[method-assign, assignment]
    exposed = ["Location", "Retry-After", "X-Request-Id", "X-Skipped"]
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), expose_headers=exposed, always_send=False)
    if not settings.api_key and not all(address.loopback for address in settings.bind):
        log.warning("FARM_BIND is open to other machines and FARM_API_KEY is empty: anybody there can use this farm")
    return app


def _add_views(app: Flask, meter: metrics.Meter) -> None:
    """Add the endpoints, their descriptions, and what an error becomes in each of them."""
    for view in VIEWS:
        app.register_blueprint(view.blueprint)
    app.register_blueprint(meter.blueprint())
    app.extensions[openapi.ENDPOINTS_OF] = openapi.collect((*VIEWS, metrics))
    app.register_error_handler(FarmError, _farm_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)


def _is_preflight(environ: dict[str, Any]) -> bool:
    """Whether a browser asks for a page if that may send a request of its own."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def _end_body(environ: dict[str, Any]) -> None:
    """Make the body end where its sender ends it, so that a truncated body never passes for the whole.

    Werkzeug takes Gunicorn's word that a body ends by itself. Then it neither notices that one of a stated length broke
    off, nor that one sent in chunks goes on after the limit. One that is compressed is inflated here, for all views.
    """
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    if environ.pop("HTTP_TRANSFER_ENCODING", None):
        try:
            body = environ["wsgi.input"].read(limit + 1)
        except OSError as error:
            raise ClientDisconnected() from error
        if len(body) > limit:
            raise RequestEntityTooLarge()
        _put_body(environ, body)
    environ.pop("wsgi.input_terminated", None)
    if coding := environ.pop("HTTP_CONTENT_ENCODING", None):
        body = get_input_stream(environ, max_content_length=limit).read()
        _put_body(environ, inflated(body, coding, limit))


def _put_body(environ: dict[str, Any], body: bytes) -> None:
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _farm_error(error: FarmError) -> Response:
    status = STATUS.get(error.code, 500)
    body: dict[str, Any] = {"error": str(error), "code": error.code}
    if error.hint:
        body["hint"] = error.hint
    if isinstance(error, JobFailed) and error.record:
        body["id"] = error.record["id"]
    if isinstance(error, WaitTimeout):
        body["id"] = error.job_id
        if error.job_ids:
            body["ids"] = list(error.job_ids)
    return _error(status, body, location=f"/v1/jobs/{body['id']}" if isinstance(error, WaitTimeout) else None)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, NotFound) and (page := help.lost()):
        return page
    status = 408 if isinstance(error.__context__, BlockingIOError) else error.code or 500
    code, sentence = HTTP_ERRORS.get(status) or (error.name.lower().replace(" ", "_"), error.description)
    response = _error(status, {"error": sentence, "code": code})
    for header, value in error.get_headers(request.environ):
        if header.lower() == "allow":
            response.headers["Allow"] = value
    return response


def malformed(_: Exception) -> Response:
    """The response to a request that its server finds malformed while the body is read."""
    return _http_error(BadRequest())


def _fault(error: Exception) -> Response:
    asked = {"fields": {"request_id": request_id()}}
    if isinstance(error, MemoryError):
        said = "%s %r (request %s): there is not enough memory"
        log.error(said, request.method, request.path, request_id(), extra=asked)
        return _farm_error(NoMemory())
    log.error("%s %r (request %s) failed", request.method, request.path, request_id(), exc_info=error, extra=asked)
    return _error(500, {"error": "the farm failed; its log says how", "code": "internal_error"})


def _error(status: int, body: dict[str, Any], location: str | None = None) -> Response:
    if len(body["error"]) > MAX_SENTENCE:
        body["error"] = f"{body['error'][:MAX_SENTENCE]}..."
    if request.path.rstrip("/") == tyocr.PATH:
        body = tyocr.refusal(body)
    response = json_response(body, status)
    if location is not None:
        response.headers["Location"] = address(location)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _headers(response: Response) -> Response:
    response.headers.add("X-Content-Type-Options", "nosniff")
    response.headers.add("X-Request-Id", request_id())
    return response
