"""Patches: everything that the front changes inside third-party libraries where they have no setting.

`upstream.py` has the versions that this was written for, and the names that must exist.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import logging
import select
import selectors
import socket
import struct
import time
from collections import deque
from typing import Any, ClassVar

from gunicorn import util
from gunicorn.http import parser, unreader, wsgi
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from spoolfarm.server import unread_body
from spoolfarm.server.current import LIVE
from spoolfarm.server.pings import Pings
from spoolfarm.server.request_body import REQUEST_DEADLINE, SLOWEST
from spoolfarm.server.thread_pool import ThreadPool

#: Seconds a client may pause while it sends a request or reads the answer.
READ_DEADLINE = 30.0
#: Seconds for which a thread waits for the next request of the client it has just answered.
NEXT_REQUEST = 0.02
#: Seconds between checks whether a WebSocket's connection is still there.
LOOK = 2
#: Seconds for which a request may wait for a thread before those that arrive too slowly give way, and the number of
#: requests that wait with it by which that is halved, as far as the least of these seconds.
PATIENCE, HALVED, LEAST = 0.25, 128, 0.05
#: Bytes of a head that are waited for before a thread reads it.
HEAD = 2**13
#: How a client begins that speaks TLS here: no line of a request will come.
HANDSHAKE = b"\x16"
#: Seconds between attempts to accept when this process or the machine has no descriptor left, and the idle connections
#: that are closed before it: whoever serves a request needs some, too.
NO_DESCRIPTOR, SPARED = 0.02, 16
#: What accept(2) says then.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def patch_gunicorn() -> None:
    """Apply the patches of Gunicorn in this process; `FrontWorker` is named by a setting."""
    util.write_error = _write_error
    wsgi.Response = Response
    parser.SocketUnreader = Unreader
    logging.getLogger("gunicorn.error").addFilter(_worth_a_line)


def patch_engineio(protocol: Any, largest: int, dead: int) -> Pings:
    """Apply the patches of *protocol*, an `engineio.Server`, and return the object that sends its pings.

    *largest* is in bytes, *dead* in seconds: see `bounded`.
    """
    drivers = protocol._async
    protocol._async = {**drivers, "websocket": bounded(drivers["websocket"], largest, dead)}
    pings = Pings(protocol)
    protocol.start_background_task = pings.start
    protocol.disconnect = functools.partial(_drop, protocol)
    return pings


class Unreader(unreader.SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """For `gunicorn.http.parser.SocketUnreader`, because the kernel's deadline is for a pause, and this for a request.

    A client that sends a byte now and then could hold a thread for as long as it likes.
    """

    #: Those that wait for their clients.
    receiving: ClassVar[set[Unreader]] = set()

    def __init__(self, *of_gunicorn: Any) -> None:
        super().__init__(*of_gunicorn)
        self._gives_way = False
        self.begin()

    def begin(self) -> None:
        """The next request comes."""
        self._begun, self._came = time.monotonic(), 0
        self._end = self._begun + REQUEST_DEADLINE

    def end_by(self, end: float) -> None:
        """What still comes of it has to come by *end*, a time of time.monotonic()."""
        self._end = min(self._end, end)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Read some bytes; raises what the kernel's deadline raises."""
        if time.monotonic() > self._end:
            raise BlockingIOError(errno.EAGAIN, "the request takes too long")
        self.receiving.add(self)
        try:
            data: bytes = super().chunk(size_hint)
        finally:
            self.receiving.discard(self)
        if self._gives_way and not data:
            raise BlockingIOError(errno.EAGAIN, "the request takes too long for a front that has no other thread")
        self._came += len(data)
        self._end += len(data) / SLOWEST
        return data

    def give_way(self, patience: float) -> None:
        """End this request if, *patience* seconds after it began, it has come more slowly than it may."""
        took = time.monotonic() - self._begun
        if took > patience and self._came < took * SLOWEST:
            self._gives_way = True
            with contextlib.suppress(OSError):  # it has hung up
                self.sock.shutdown(socket.SHUT_RD)


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """For `gunicorn.http.wsgi.Response`, because its head should leave with the body's first part, in one packet.

    It also says that the connection ends, when nobody knows whether the request's body still comes.
    """

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
    """Takes the place of a socket, to send collected parts at once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.sendall = self.parts.append


class FrontWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """For `gunicorn.workers.gthread.ThreadWorker`, because one client that lingers should not hold up the others."""

    def __init__(self, *of_gunicorn: Any) -> None:
        super().__init__(*of_gunicorn)
        #: Connections that wait for a thread, and since when, by time.monotonic().
        self._waiting: deque[tuple[Any, float]] = deque()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting connections; a front that stops closes its listening sockets.

        Gunicorn keeps the listening sockets open until the last request is answered: until then the kernel would go on
        accepting clients that will never be served.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.wsgi.extensions[LIVE].close()

    def accept(self, listener: Any) -> None:
        """Take a new connection; it gets a thread when the head of its request is there.

        When there are too many connections, or no descriptor is left, those that say nothing make room, the oldest
        first.
        """
        while self.nr_conns + 1 >= self.worker_connections and self._drop_idle():
            pass
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno not in (*EXHAUSTED, errno.EAGAIN, errno.ECONNABORTED):
                raise
            if error.errno in EXHAUSTED and not sum([self._drop_idle() for _ in range(SPARED)]):
                time.sleep(NO_DESCRIPTOR)
            return
        self.nr_conns += 1
        conn = TConn(self.cfg, sock, client, listener.getsockname())
        conn.data_ready = True  # else Gunicorn has a thread wait for the first byte
        if _head_is_there(sock):
            self.enqueue_req(conn)
        else:
            conn.timeout = time.monotonic() + min(READ_DEADLINE, REQUEST_DEADLINE)
            self.pending_conns.append(conn)
            self.poller.register(sock, selectors.EVENT_READ, functools.partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """More has come from a new connection, which may have been dropped at this very turn."""
        if client.fileno() >= 0 and _head_is_there(client):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """The same for a connection that was kept."""
        if client.fileno() >= 0:
            super().on_client_socket_readable(conn, client)

    def _drop_idle(self) -> bool:
        """Close the connection that has said nothing for the longest time. False when there is none."""
        for idle in (self.pending_conns, self.keepalived_conns):
            if idle:
                conn = idle.popleft()
                self.poller.unregister(conn.sock)
                self.nr_conns -= 1
                conn.close()
                return True
        return False

    def get_thread_pool(self) -> ThreadPool:
        """Gunicorn's own pool would end the whole front when no thread can be started for a request."""
        return ThreadPool(self.cfg.threads)

    def enqueue_req(self, conn: Any) -> None:
        """Let a thread of the pool serve the next request of *conn*."""
        self._waiting.append((conn, time.monotonic()))
        super().enqueue_req(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what comes next; when others wait in vain, the requests that arrive too slowly give way."""
        patience = max(LEAST, PATIENCE / (1 + len(self._waiting) / HALVED))
        full = self.alive and not self._accepting
        super().wait_for_and_dispatch_events(min(timeout, patience) if self._waiting or full else timeout)
        if full or self._late(patience):
            for each in list(Unreader.receiving):
                each.give_way(patience)

    def _late(self, patience: float = PATIENCE) -> bool:
        """Whether a request has waited more than *patience* seconds for a thread."""
        try:
            return time.monotonic() - self._waiting[0][1] > patience
        except IndexError:
            return False  # none waits

    def handle(self, conn: Any) -> Any:
        """Serve one request in a thread of the pool.

        A connection that ends is closed here: Gunicorn would do it in its only accepting thread, and wait there up to
        2 s for the client to hang up. The second close, which Gunicorn does all the same, must then do nothing.
        """
        self._waiting.popleft()
        if not conn.initialized:
            # The kernel's timeout: Python's own would cost a poll() before each read and write.
            timeval = struct.pack("ll", int(READ_DEADLINE), int(READ_DEADLINE % 1 * 1e6))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                conn.sock.setsockopt(socket.SOL_SOCKET, option, timeval)
        keep = self._serve(conn)
        while keep is True and self.alive and self._asks_again(conn):
            keep = self._serve(conn)
        if keep is False:
            unread_body.close(conn.sock, self._late)
            conn.close = lambda graceful=False: None
        return keep

    def handle_request(self, request: Any, conn: Any) -> Any:
        """Have the application answer one request; a client that waits until it is told to send the body waits on."""
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
        if self._waiting:
            return False  # others wait for a thread
        ready = select.poll()
        ready.register(conn.sock, select.POLLIN)
        return bool(ready.poll(NEXT_REQUEST * 1000))


def _head_is_there(sock: socket.socket) -> bool:
    """Whether the whole head of a request has come, or so much that it had better be read; else *sock* is not readable
    until more has come."""
    try:
        data = sock.recv(HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True  # whoever reads will see it
    if data.startswith(HANDSHAKE):
        with contextlib.suppress(OSError):  # it has hung up
            sock.shutdown(socket.SHUT_RD)  # a browser that tries https first then tries http at once
        return True
    if not data or len(data) == HEAD or b"\r\n\r\n" in data:
        return True
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(data) + 1)
    return False


def _write_error(sock: Any, status: int, reason: str, message: str) -> None:
    """For `gunicorn.util.write_error`, because even a request that cannot be read is answered in JSON."""
    code = "invalid_request" if status < 500 else "internal_error"
    body = json.dumps({"error": message or reason, "code": code}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    util.write_nonblock(sock, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Whether Gunicorn reports a fault of ours, and not that a client paused longer than the deadline."""
    return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))


def bounded(kind: Any, largest: int, dead: int) -> Any:
    """For *kind*, `engineio.async_drivers.threading._async["websocket"]`, because it waits for its client forever.

    At most *largest* bytes are taken at once, and *dead* seconds of silence end the connection.
    """

    class WebSocket(kind):  # type: ignore[misc]
        def __init__(self, answer: Any, server: Any) -> None:
            super().__init__(answer, server, max_message_size=largest)

        def wait(self) -> str | bytes | None:
            """What the client says next; None when it is gone.

            It also polls: a waiter whose connection is closed just as the client speaks is never woken.
            """
            for _ in range(dead // LOOK):
                try:
                    said: str | bytes | None = self.ws.receive(LOOK)
                except Exception:  # noqa: BLE001  # the connection is closed, however it came to be
                    return None
                if said is not None or not self.ws.connected:
                    return said
            return None

        def close(self) -> None:
            """Say goodbye to a client that may be leaving at this very moment."""
            with contextlib.suppress(Exception):  # the connection is closed, however it came to be
                super().close()

    return WebSocket


def _drop(protocol: Any, transport: str) -> None:
    """For `engineio.Server.disconnect`, because that waits until its client has taken all that is left."""
    if connection := protocol.sockets.pop(transport, None):
        connection.close(wait=False, abort=True)
