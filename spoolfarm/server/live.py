"""Socket.IO: a client starts a simulation and receives its output, line by line, and no other client does."""

from __future__ import annotations

import functools
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from flask import Flask, request

from spoolfarm.errors import FarmError, InvalidRequest, TooManyClients, Unauthorized, UnknownJob
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import State

log = logging.getLogger("spoolfarm.live")

#: The address of the protocol, as its clients expect it.
PATH = "/socket.io/"
#: The task.
SIMULATE = "simulate"
#: Bytes of one message of a client.
LARGEST = 65536
#: Packets that may wait for a client: one that polls drops a response of more than 16, pings included.
POLLING_ROOM, WEBSOCKET_ROOM = 10, 256
#: Seconds between checks whether a client has taken what waits for it.
PACE = 0.01
#: How many simulations one client may follow at once.
FOLLOWED = 16
#: Seconds without a sign of life, its pongs included, after which a WebSocket's client is dead.
DEAD = 60
#: Seconds between the goodbye of a front that stops and the end of the connection.
GOODBYE = 1.0
#: Seconds within which a client must identify itself.
SILENCE = 10.0
#: The same when another client wants the place.
MOMENT = 1.0

Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Guard(Protocol):
    """Who may connect."""

    def check_place(self, environ: Mapping[str, Any], *, navigable: bool = True) -> None:
        """Raise Forbidden for a foreign host name or a foreign page, also one that leads here unless *navigable*."""

    def check_key(self, given: str) -> None:
        """Raise Unauthorized for a wrong key."""

    def given_key(self, environ: Mapping[str, Any]) -> str:
        """The key in the headers."""


class Client:
    """One connection."""

    def __init__(self, sid: str, transport: str) -> None:
        self.sid = sid
        #: The id of its connection in the protocol below.
        self.transport = transport
        self.gone = threading.Event()
        #: Held while a packet is added for it, so that threads that follow several jobs for it agree on the room left.
        self.turn = threading.Lock()
        self.follows = 0


class Live:
    """The WSGI application beside Flask's. Nothing of the protocol is loaded before a client speaks it."""

    def __init__(self, app: Flask, farm: Farm, guard: Guard, threads: int) -> None:
        self._app = app
        self._http: Application = app.wsgi_app
        self._farm = farm
        self._guard = guard
        self._clients: dict[str, Client] = {}
        #: When each connection below was first seen, to find those that never identify themselves.
        self._seen: dict[str, float] = {}
        #: A client holds a thread of the front all the time; the rest are for all other requests.
        self._most = max(1, threads // 4)
        self._websockets: set[Any] = set()
        self._places = threading.BoundedSemaphore(max(2, threads // 2))

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Serve one request of either kind."""
        if not environ["PATH_INFO"].startswith(PATH):
            return self._http(environ, start)
        if not self._places.acquire(blocking=False):
            return self._refuse(environ, start, TooManyClients())
        try:
            try:
                with self._app.request_context(environ):
                    self._guard.check_place(environ, navigable=False)
                    if "j" in request.args:
                        raise InvalidRequest("j: no answer comes as a script (JSONP), for any page could load that")
                    if "sid" not in request.args:
                        self._make_room()
            except FarmError as error:
                return self._refuse(environ, start, error)
            if (sock := environ.get("gunicorn.socket")) and "HTTP_UPGRADE" in environ:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", DEAD, 0))
                self._websockets.add(sock)
            response: Iterable[bytes] = self._server.handle_request(environ, start)
            return response
        finally:
            self._websockets.discard(environ.get("gunicorn.socket"))
            self._places.release()

    def _refuse(self, environ: dict[str, Any], start: Start, error: FarmError) -> Iterable[bytes]:
        with self._app.request_context(environ):
            return self._app.make_response(self._app.handle_user_exception(error))(environ, start)

    def close(self) -> None:
        """Say goodbye to all, also those who follow event streams, and hang up: the front stops."""
        self._farm.changes.close()
        if "_server" in self.__dict__:
            for connection in list(self._server.eio.sockets.values()):
                connection.close(wait=False)
            self._pings.close()
            threading.Timer(GOODBYE, self._hang_up).start()

    def _hang_up(self) -> None:
        for each in list(self._websockets):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has done so itself

    @functools.cached_property
    def _server(self) -> Any:
        import socketio  # type: ignore[import-untyped]

        from spoolfarm.server.patches import patch_engineio

        quiet = logging.getLogger("spoolfarm.live.protocol")
        quiet.setLevel(logging.CRITICAL)  # a client's mistakes are reported to the client
        made = socketio.Server(
            async_mode="threading",
            async_handlers=False,  # a client's events come one after the other, in its own thread
            cors_allowed_origins="*",  # the guard has checked the origin
            cors_credentials=False,
            max_http_buffer_size=LARGEST,
            logger=quiet,
            engineio_logger=quiet,
        )
        self._pings = patch_engineio(made.eio, LARGEST, DEAD)
        made.on("connect", self._connect)
        made.on("disconnect", self._disconnect)
        made.on("start_simulation", functools.partial(self._obey, self._start))
        made.on("follow_simulation", functools.partial(self._obey, self._resume))
        return made

    # Who may come in.

    def _make_room(self) -> None:
        """Drop clients that never identified themselves. Raises TooManyClients when there is still no room."""
        connections = self._server.eio.sockets
        now = time.monotonic()
        for each in [name for name, connection in list(connections.items()) if connection.closed]:
            connections.pop(each, None)  # a WebSocket that has ended is left to a sweep, which comes late
        known = {client.transport for client in list(self._clients.values())}
        self._seen = {each: self._seen.get(each, now) for each in list(connections) if each not in known}
        for each, since in self._seen.items():
            if now - since > SILENCE:
                self._server.eio.disconnect(each)
        if len(connections) < self._most:
            return
        oldest = min(self._seen, key=self._seen.__getitem__, default=None)
        if oldest is None or now - self._seen[oldest] < MOMENT:
            raise TooManyClients()
        self._server.eio.disconnect(oldest)

    def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        from socketio.exceptions import ConnectionRefusedError  # type: ignore[import-untyped]

        given = auth.get("api_key") if isinstance(auth, dict) else None
        try:
            self._guard.check_key(given if isinstance(given, str) else self._guard.given_key(environ))
        except Unauthorized as error:
            raise ConnectionRefusedError(f"{error}; send it as auth {{'api_key': KEY}}, or as over HTTP") from error
        self._clients[sid] = Client(sid, self._server.manager.eio_sid_from_sid(sid, "/"))

    def _disconnect(self, sid: str, reason: str) -> None:
        if client := self._clients.pop(sid, None):
            client.gone.set()

    # What it may ask.

    def _obey(self, act: Callable[[Client, Mapping[str, Any]], str], sid: str, *sent: Any) -> dict[str, Any]:
        """Do what an event requests; anything wrong with it is a `simulation_error`."""
        client = self._clients[sid]
        try:
            if len(sent) != 1 or not isinstance(sent[0], dict):
                raise InvalidRequest("send one object")
            return {"job": act(client, sent[0])}
        except FarmError as error:
            body = {"message": str(error), "exit_code": -1}
        except Exception as error:  # the client has to hear of it
            log.error("an event failed", exc_info=error)
            body = {"message": "the farm failed; its log says how", "exit_code": -1}
        self._server.emit("simulation_error", body, to=sid)
        return body

    def _start(self, client: Client, params: Mapping[str, Any]) -> str:
        self._check_follows(client)
        job = self._farm.put(self._farm.prepare(SIMULATE, [], params, durable=True))
        self._server.emit("simulation_started", {"job": job.id}, to=client.sid)
        self._follow_in_background(client, job.id, 0)
        return job.id

    def _resume(self, client: Client, asked: Mapping[str, Any]) -> str:
        """Follow a job from the first line the client has not seen: `start` says how many it has."""
        job_id = asked.get("job")
        start = asked.get("start", 0)
        if not isinstance(job_id, str) or set(asked) - {"job", "start"}:
            raise InvalidRequest("job: must be the id of a simulation; beside it there may be start")
        if not isinstance(start, int) or isinstance(start, bool) or start < 0:
            raise InvalidRequest("start: must be the number of output lines that were received")
        if self._farm.record(job_id)["task"] != SIMULATE:
            raise UnknownJob(f"job {job_id} is no simulation")
        self._check_follows(client)
        self._follow_in_background(client, job_id, start)
        return job_id

    def _check_follows(self, client: Client) -> None:
        if client.follows >= FOLLOWED:
            raise TooManyClients(f"one client may follow {FOLLOWED} simulations at once")

    # What it hears.

    def _follow_in_background(self, client: Client, job_id: str, seen: int) -> None:
        client.follows += 1
        threading.Thread(target=self._follow, args=(client, job_id, seen), name=f"follow {job_id}", daemon=True).start()

    def _follow(self, client: Client, job_id: str, seen: int) -> None:
        """Tell *client* what happens to the job, less the first *seen* lines."""
        try:
            for event in self._farm.follow(job_id):
                if client.gone.is_set():
                    return
                if event and "log" in event and seen:
                    seen -= 1
                elif event:
                    for name, body in _said(job_id, event):
                        self._tell(client, name, body)
        except UnknownJob as error:
            self._tell(client, "simulation_error", {"message": str(error), "exit_code": -1})
        except Exception as error:  # the client has to hear of it
            log.error("job %s cannot be followed", job_id, exc_info=error)
            self._tell(client, "simulation_error", {"message": "the farm failed; its log says how", "exit_code": -1})
        finally:
            client.follows -= 1

    def _tell(self, client: Client, name: str, body: Mapping[str, Any]) -> None:
        """Send one event, once the client has taken enough of those before it; drop it when the client is gone."""
        while not client.gone.is_set():
            with client.turn:
                connection = self._server.eio.sockets.get(client.transport)
                if connection is None:
                    return
                room = WEBSOCKET_ROOM if connection.upgraded else POLLING_ROOM
                if connection.queue.qsize() < room:
                    self._server.emit(name, body, to=client.sid)
                    return
            client.gone.wait(PACE)


def _said(job_id: str, event: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What the client is sent for an event: names and bodies."""
    if "log" in event:
        return [("simulation_log", {"message": event["log"]})]
    if "progress" in event:
        return [("simulation_progress", {"job": job_id, "progress": event["progress"]})]
    if "record" not in event:
        waits = {"message": "The simulation waits for those before it.", "status": event["status"]}
        return [("simulation_log", waits)] if event["status"] == State.QUEUED else []
    record = event["record"]
    if record["status"] == State.SUCCEEDED:
        done = {"message": "模拟成功完成。", "exit_code": 0}
        return [("simulation_log", done), ("simulation_complete", done)]
    code = record.get("details", {}).get("exit_code", -1)
    message = f"模拟失败，退出码 {code}。" if code > 0 else record["error"]
    return [("simulation_error", {"message": message, "exit_code": code})]
