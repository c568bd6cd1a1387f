"""The front's process: Gunicorn with one worker process and many threads, most of which wait for results."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import select
import socket
import struct
import time
import warnings
from collections.abc import Sequence
from typing import Any

from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.http import parser, unreader, wsgi
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from spoolfarm import config
from spoolfarm.server import unread_body
from spoolfarm.server.app import REQUEST_DEADLINE, SLOWEST, create_app, malformed
from spoolfarm.server.current import LIVE
from spoolfarm.server.views.uploads import UPLOADS
from spoolfarm.system import process

#: Seconds a client may pause while it sends a request or reads the answer.
READ_DEADLINE = 30.0
#: Seconds an idle connection is kept for the client's next request.
KEEP_ALIVE = 30
#: Seconds for which a thread waits for the next request of the client it has just answered.
NEXT_REQUEST = 0.02
#: Connections beyond those that are being served.
SPARE_CONNECTIONS = 1500


class Unreader(unreader.SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's reader of requests, whose patience ends: the kernel's deadline is for a pause, this is for a request.

    A client that sends a byte now and then would hold a thread for as long as it likes.
    """

    def __init__(self, *of_gunicorn: Any) -> None:
        super().__init__(*of_gunicorn)
        self.begin()

    def begin(self) -> None:
        """The next request comes."""
        self._end = time.monotonic() + REQUEST_DEADLINE

    def end_by(self, end: float) -> None:
        """What still comes of it has to come by *end*, a time of time.monotonic()."""
        self._end = min(self._end, end)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Read some bytes; raises what the kernel's deadline raises."""
        if time.monotonic() > self._end:
            raise BlockingIOError(errno.EAGAIN, "the request takes too long")
        data: bytes = super().chunk(size_hint)
        self._end += len(data) / SLOWEST
        return data


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's response, whose head leaves together with the body's first part: one packet for most answers."""

    def default_headers(self) -> list[str]:
        """The head's first lines; they say whether the connection goes on."""
        if unread_body.withheld(self.req):
            self.force_close()
        made: list[str] = super().default_headers()
        return made

    def write(self, part: bytes) -> None:
        """Send *part*, and before the first one the head."""
        if self.headers_sent:
            super().write(part)
            return
        held = Held()
        sock, self.sock = self.sock, held  # type: ignore[has-type]
        try:
            super().write(part)
        finally:
            self.sock = sock
        sock.sendall(b"".join(held.parts))


class Held:
    """In place of a socket, for what shall leave at once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.sendall = self.parts.append


class FrontWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's thread worker, made safe against clients that linger, and deaf once it is told to stop."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections, or not; a front that stops gives up listening.

        Gunicorn keeps the listening sockets open until the last request is answered: until then the kernel would go on
        accepting clients whom nobody will serve.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()
            self.wsgi.extensions[LIVE].close()

    def handle(self, conn: Any) -> Any:
        """Serve one request in a thread of the pool.

        A connection that ends is closed here: Gunicorn would do it in its only accepting thread, and wait there up to
        2 s for the client to hang up. The second close, which Gunicorn does all the same, must then do nothing.
        """
        if not conn.initialized:
            # The kernel's timeout: Python's own would cost a poll() before each read and write.
            timeval = struct.pack("ll", int(READ_DEADLINE), int(READ_DEADLINE % 1 * 1e6))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                conn.sock.setsockopt(socket.SOL_SOCKET, option, timeval)
        keep = self._serve(conn)
        while keep is True and self.alive and self._asks_again(conn):
            keep = self._serve(conn)
        if keep is False:
            unread_body.close(conn.sock)
            conn.close = lambda graceful=False: None
        return keep

    def handle_request(self, request: Any, conn: Any) -> Any:
        """Have the application answer one request."""
        unread_body.await_body(request, conn.sock)
        return super().handle_request(request, conn)

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        """Whether the connection is good for another request; Gunicorn's own patience with a body ends at 64 KiB."""
        return bool(keepalive) and unread_body.finish(conn)

    def _serve(self, conn: Any) -> Any:
        if conn.parser is not None:
            conn.parser.unreader.begin()
        return super().handle(conn)

    def _asks_again(self, conn: Any) -> bool:
        """Whether the next request comes at once: then this thread serves it, without a detour by the accepting one."""
        if self.tpool._work_queue.qsize():
            return False  # others wait for a thread
        ready = select.poll()
        ready.register(conn.sock, select.POLLIN)
        return bool(ready.poll(NEXT_REQUEST * 1000))


class Front(BaseApplication):  # type: ignore[misc]
    """Gunicorn, set up from the farm's settings."""

    def load_config(self) -> None:
        """Called at the start and at every reload."""
        for name, value in options(config.load()).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called in the worker process."""
        return create_app()


def options(settings: config.Settings) -> dict[str, Any]:
    """What the front wants of Gunicorn, by the names of Gunicorn's settings."""
    return {
        "bind": [str(address) for address in settings.bind],
        "workers": 1,
        "worker_class": FrontWorker,
        "threads": settings.front_threads,
        "worker_connections": settings.front_threads + SPARE_CONNECTIONS,
        "keepalive": KEEP_ALIVE,
        "graceful_timeout": max(1, int(settings.grace)),
        "timeout": 60,
        "loglevel": "warning",
        "control_socket_disable": True,
        "forwarder_headers": "",  # else a client on this machine may name any path in a header
        "post_fork": _post_fork,
        "post_worker_init": _post_worker_init,
    }


def _post_fork(_server: Any, worker: Any) -> None:
    process.die_with_parent(worker.ppid)
    process.stay_on_one_core()
    util.write_error = _write_error  # Gunicorn has no setting for it, nor for the next two
    wsgi.Response = Response
    parser.SocketUnreader = Unreader
    logging.getLogger("gunicorn.error").addFilter(_worth_a_line)
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is told to its sender


def _post_worker_init(worker: Any) -> None:
    worker.wsgi.register_error_handler(ParseException, malformed)
    worker.wsgi.extensions[UPLOADS].keep_settling()
    process.calm_collector()


def _write_error(sock: Any, status: int, reason: str, message: str) -> None:
    """Answer a request that Gunicorn cannot read: in JSON, as the farm answers everything, instead of in HTML."""
    code = "invalid_request" if status < 500 else "internal_error"
    body = json.dumps({"error": message or reason, "code": code}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    util.write_nonblock(sock, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Whether Gunicorn says something of a fault of ours, and not that a client paused longer than the deadline."""
    return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the front; see `python server.py --help`."""
    command = argparse.ArgumentParser(prog="server.py", description="The farm's HTTP front alone, on FARM_BIND.")
    command.add_argument("--launcher", type=int, metavar="PID", help=argparse.SUPPRESS)
    options = command.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if options.launcher:
        process.die_with_parent(options.launcher)
    os.environ.pop("GUNICORN_CMD_ARGS", None)
    Front().run()
    return 0
