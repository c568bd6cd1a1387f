"""An unread body: what a client still sends, or waits to send, when its request has been answered early.

A connection that is closed while its client sends is reset, and a client that is reset may never see the answer. So the
front reads on for a while and throws away what it reads (RFC 9112, section 9.6).
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import ParseException

#: Seconds for which an answered client may go on sending, and those it may pause meanwhile.
LINGER, PAUSE = 10.0, 2.0
#: The seconds that it may pause when others wait for its thread.
HURRIED = 0.1
#: Bytes it may send in that time.
LINGER_BYTES = 2**28
#: Bytes read at once.
PIECE = 2**16


class Awaited:
    """In the place of Gunicorn's reader of a body: the client sends it once it is told to, by the first who reads.

    Gunicorn tells each client to send before anybody has looked at its request (RFC 9110, section 10.1.1).
    """

    def __init__(self, reader: Any, sock: socket.socket) -> None:
        self._reader = reader
        self._sock = sock
        self.begun = False

    def read(self, size: int) -> bytes:
        """Read *size* bytes of the body."""
        if not self.begun:
            self.begun = True
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        data: bytes = self._reader.read(size)
        return data


def await_body(request: Any, sock: socket.socket) -> None:
    """Have a *request* of Gunicorn whose client waits be told to send its body when that is read, and not before."""
    if request._expected_100_continue:
        request._expected_100_continue = False
        request.body.reader = Awaited(request.body.reader, sock)


def withheld(request: Any) -> bool:
    """Whether the client of this *request* still waits: then nobody knows whether its body comes after the answer."""
    reader = getattr(request.body, "reader", None)
    return isinstance(reader, Awaited) and not reader.begun


def finish(conn: Any) -> bool:
    """Read the rest of the body on a connection of Gunicorn, so that the next request follows. False when it is not
    all there within the bounds: then the connection is to be closed."""
    body = conn.parser.mesg.body
    end, left = time.monotonic() + LINGER, LINGER_BYTES
    waits = conn.sock.gettimeout()
    conn.parser.unreader.end_by(end)
    try:
        conn.sock.settimeout(PAUSE)
        while left > 0 and time.monotonic() < end and not body.failed:
            data = body.read(PIECE)
            if not data:
                return True
            left -= len(data)
    except (OSError, ParseException):
        return False
    finally:
        conn.sock.settimeout(waits)
    return False


def close(sock: socket.socket, hurried: Callable[[], bool] = lambda: False) -> None:
    """Close a connection whose client has been sent all, once it hangs up, pauses, or comes to the bounds.

    Who is *hurried* waits no longer than HURRIED for it.
    """
    with sock:
        end, left, ready = time.monotonic() + LINGER, LINGER_BYTES, select.poll()
        try:
            sock.shutdown(socket.SHUT_WR)
            ready.register(sock, select.POLLIN)
            while left > 0 and time.monotonic() < end and _comes(ready, hurried):
                data = sock.recv(PIECE)
                if not data:
                    return
                left -= len(data)
        except (OSError, ValueError):
            return  # it has hung up, or been closed before


def _comes(ready: select.poll, hurried: Callable[[], bool]) -> bool:
    """Whether something comes before the client pauses for too long."""
    for _ in range(int(PAUSE / HURRIED)):
        if ready.poll(HURRIED * 1000):
            return True
        if hurried():
            break
    return False
