"""Upstream: the versions of the libraries inside which `patches.py` changes something, and the names it needs there."""

from __future__ import annotations

import dis
import inspect
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pkgutil import resolve_name

log = logging.getLogger("spoolfarm.server.upstream")


@dataclass(frozen=True)
class Known:
    """A library as it is known: its version, and by module or class the attributes that are replaced or read."""

    version: str
    names: Mapping[str, str]


#: The libraries, by the names they are installed by.
KNOWN = {
    "gunicorn": Known(
        "27.0.1",
        {
            "gunicorn.http.body:Body": "failed read reader",
            "gunicorn.http.message:Request": "_expected_100_continue body",
            "gunicorn.http.parser": "SocketUnreader",
            "gunicorn.http.parser:Parser": "mesg unreader",
            "gunicorn.http.unreader:SocketUnreader": "chunk sock",
            "gunicorn.http.wsgi": "Response",
            "gunicorn.http.wsgi:Response": "default_headers force_close headers_sent req sock write",
            "gunicorn.util": "write_error write_nonblock",
            "gunicorn.workers.gthread": "STOP_KEEPALIVE_LINGER",
            "gunicorn.workers.gthread:TConn": "close initialized data_ready parser set_timeout sock",
            "gunicorn.workers.gthread:ThreadWorker": (
                "_accepting _keepalive_after accept alive cfg enqueue_req get_thread_pool handle handle_request "
                "keepalived_conns nr_conns on_client_socket_readable on_pending_socket_readable pending_conns poller "
                "set_accept_enabled sockets wait_for_and_dispatch_events worker_connections wsgi"
            ),
        },
    ),
    "python-engineio": Known(
        "4.15.1",
        {
            "engineio": "Server",
            "engineio.async_drivers._websocket_wsgi:SimpleWebSocketWSGI": "close wait",
            "engineio.async_drivers.threading": "_async",
            "engineio.packet": "PING Packet",
            "engineio.server:Server": "_async disconnect ping_interval sockets start_background_task",
            "engineio.socket:Socket": "_send_ping close closed closing last_ping queue send upgraded",
        },
    ),
    "python-socketio": Known(
        "5.18.1",
        {
            "socketio.manager:Manager": "eio_sid_from_sid",
            "socketio.server:Server": "eio emit handle_request manager",
        },
    ),
}


def check(known: Mapping[str, Known] = KNOWN) -> None:
    """Warn of each library that is installed in another version than the known one.

    Raises ImportError when one of them lacks a name: then its patch would fail, or do nothing.
    """
    for library, each in known.items():
        installed = metadata.version(library)
        if installed == each.version:
            continue
        log.warning(
            "%s %s is installed; what the front changes inside it was written for %s", library, installed, each.version
        )
        for missing in _missing(each.names):
            raise ImportError(
                f"{library} {installed} has no {missing}, which the front needs; install {library}=={each.version}"
            )


def _missing(names: Mapping[str, str]) -> Iterator[str]:
    """The dotted names that are not there."""
    for place, attributes in names.items():
        try:
            owner = resolve_name(place)
        except (ImportError, AttributeError):
            yield place.replace(":", ".")
            continue
        given = _given(owner)
        for attribute in attributes.split():
            if not hasattr(owner, attribute) and attribute not in given:
                yield f"{place.replace(':', '.')}.{attribute}"


def _given(owner: object) -> set[str]:
    """The attributes that the methods of *owner*, if it is a class, give to its objects."""
    classes = inspect.getmro(owner) if inspect.isclass(owner) else ()
    methods = [member for each in classes for member in vars(each).values() if inspect.isfunction(member)]
    return {step.argval for each in methods for step in dis.get_instructions(each) if step.opname == "STORE_ATTR"}
