"""The WebSocket below Socket.IO: how it ends."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI

from spoolfarm.server.patches import bounded


def test_goodbye_to_one_who_leaves_at_that_moment_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    answered = []

    def talk(connection: Any) -> None:
        answered.append(theirs.recv(1000))
        ours.close()  # as the thread that reads does when the client has gone
        assert connection.ws.connected  # which is noticed a little later
        connection.close()

    environ = {
        "gunicorn.socket": ours,
        "QUERY_STRING": "",
        "PATH_INFO": "/",
        "HTTP_HOST": "localhost",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_UPGRADE": "websocket",
        "HTTP_SEC_WEBSOCKET_KEY": "c3Bvb2xmYXJtIHRlc3Rpbg==",
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
    }
    with theirs, pytest.raises(StopIteration):  # which tells Gunicorn that the connection is not its own any more
        bounded(SimpleWebSocketWSGI, 1000, 10)(talk, None)(environ, lambda *_: None)
    assert answered[0].startswith(b"HTTP/1.1 101")
