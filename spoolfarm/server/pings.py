"""Pings: one thread sends the pings of all Socket.IO clients."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

#: Seconds between checks for pings that are due.
TICK = 1.0


class Pings:
    """Takes the place of the protocol's `start_background_task`.

    By itself the protocol starts a thread for every ping, which sleeps until the ping is due: one for each client, and
    for each that has been here in the last half minute.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._start_thread: Callable[..., Any] = protocol.start_background_task
        #: The clients to ping, and when by time.monotonic(), the next at the left: all wait equally long.
        self._waiting: deque[tuple[float, Any]] = deque()
        self._come = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run *target* in a new thread, unless it is a ping."""
        if getattr(target, "__name__", "") != "_send_ping":
            return self._start_thread(target, *args, **kwargs)
        with self._lock:
            self._waiting.append((time.monotonic() + self._protocol.ping_interval, target.__self__))  # type: ignore[attr-defined]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pings", daemon=True)
                self._thread.start()
        self._come.set()
        return self._thread

    def close(self) -> None:
        """Send no more."""
        self._over.set()
        self._come.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._come.wait()
            self._come.clear()
            while self._waiting and not self._over.is_set():
                due, connection = self._waiting[0]
                if connection.closing or connection.closed:
                    self._waiting.popleft()
                elif due > time.monotonic():
                    self._over.wait(TICK)
                else:
                    self._waiting.popleft()
                    self._ping(connection)

    def _ping(self, connection: Any) -> None:
        from engineio import packet  # type: ignore[import-untyped]

        try:
            connection.last_ping = time.time()
            connection.send(packet.Packet(packet.PING))
        except Exception:  # noqa: BLE001  # it has gone meanwhile; the others want their pings all the same
            return
