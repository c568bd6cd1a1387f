"""The transport: one HTTP exchange with a farm, by the standard library alone, whose errors come back as our own."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from spoolfarm import errors
from spoolfarm.errors import (
    FarmError,
    InvalidRequest,
    JobCancelled,
    TooLarge,
    Unauthorized,
    Unreachable,
    WaitTimeout,
)
from spoolfarm.spool.job import State
from spoolfarm.spool.record import failure

#: Seconds to wait where a Retry-After is not a number.
RETRY_AFTER = 1.0
#: What a reply that is no JSON means, by its status: no farm has sent it, but a proxy in front of one.
OF_A_PROXY: Mapping[int, tuple[type[FarmError], str]] = {
    401: (Unauthorized, "wants a name and a password of its own"),
    413: (TooLarge, "takes no body of this length; raise its limit, which is client_max_body_size in nginx"),
    **dict.fromkeys((502, 503, 504), (Unreachable, "hears nothing from the farm; is that running?")),
}

#: The class of every error, by the code that a reply carries.
BY_CODE: Mapping[str, type[FarmError]] = {
    each.code: each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, FarmError)
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said: the status, the headers, and the body's JSON."""

    status: int
    headers: http.client.HTTPMessage
    body: Any

    def checked(self) -> Any:
        """The body. Raises the error that the farm names, if it is one."""
        if self.status >= 400:
            raise self.error()
        return self.body

    def error(self) -> FarmError:
        """The error that the farm names, as the Farm itself would raise it."""
        body = self.body if isinstance(self.body, dict) else {}
        sentence = str(body.get("error") or f"HTTP status {self.status}")
        code = str(body.get("code") or "")
        kind = BY_CODE.get(code, FarmError)
        if kind is WaitTimeout:
            return WaitTimeout(sentence, job_id=str(body.get("id") or ""))
        if "id" in body:  # the job failed, not the request
            return failure({"status": State.CANCELLED if kind is JobCancelled else State.FAILED, **body})
        error = kind(sentence, hint=str(body.get("hint") or ""))
        if kind is FarmError and code:
            error.code = code  # type: ignore[misc]  # an error for which this version has no class
        return error

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to retry, as the server says; None when it does not say."""
        text = self.headers.get("Retry-After")
        if text is None:
            return None
        return float(text) if text.isdecimal() else RETRY_AFTER


class Transport:
    """The connection settings of one farm. Each exchange opens a new connection, so threads may share a Transport."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        parts = urlsplit(url)
        try:
            self._address = (parts.hostname or "", parts.port)
            http.client.HTTPConnection(*self._address)  # which connects to nothing yet
        except (ValueError, http.client.InvalidURL):
            self._address = ("", None)  # the port is no number, or the host no name
        if parts.scheme not in ("http", "https") or not self._address[0]:
            raise InvalidRequest(f"{url!r} is no address of a farm; write one such as http://127.0.0.1:8090")
        self.url = url.rstrip("/")
        #: Seconds that a reply may take, beyond the requested wait.
        self.timeout = timeout
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key.strip()}"} if api_key else {}

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float | None = None,
    ) -> Reply:
        """One request and its reply, whatever it is. *wait* asks the server to wait that many seconds for the job."""
        sent = {**(headers or {})}
        if wait is not None:
            sent["Prefer"] = f"wait={wait:.3f}"
        with self._open(method, path, body, sent, self.timeout + (wait or 0)) as response:
            return self._reply(response)

    def fetch(self, path: str) -> bytes:
        """The bytes at *path*. Raises the error that the farm names when there are none."""
        with self._open("GET", path, None, {}, self.timeout) as response:
            if response.status != 200:
                raise self._reply(response).error()
            return response.read()

    def events(self, path: str, last_id: str) -> Iterator[tuple[str, Any, str]]:
        """The Server-Sent Events of *path* after *last_id* as (name, data, id); a keep-alive has an empty name.

        https://html.spec.whatwg.org/multipage/server-sent-events.html says how to read them. Raises Unreachable when
        the server stops sending.
        """
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last_id}
        with self._open("GET", path, None, headers, self.timeout) as response:
            if response.status != 200:
                raise self._reply(response).error()
            event, data = "", ""
            for line in response:
                text = line.decode().rstrip("\r\n")
                name, _, value = text.partition(":")
                value = value.removeprefix(" ")
                if name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif name == "id":
                    last_id = value
                elif text:
                    yield "", None, last_id  # a comment: nothing happened
                elif event:
                    yield event, json.loads(data), last_id
                    event = ""
        raise Unreachable(f"{self.url} broke off in the middle of {path}")

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str], timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        """One request on a new connection, which lasts as long as the response is read."""
        sent = {**self._headers, **headers}
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = _json(body)
        connection = self._connection(*self._address, timeout=timeout)
        try:
            try:
                connection.request(method, self._base + path, data, sent)
            except (BrokenPipeError, ConnectionResetError):
                if connection.sock is None:
                    raise
                # The farm has refused before it had read all, and hung up: what it said may have come.
            except ValueError as error:
                raise InvalidRequest(f"that cannot be sent as a header: {error}") from error
            with connection.getresponse() as response:
                yield response
        except ConnectionRefusedError as error:
            raise Unreachable(f"no farm answers at {self.url}: start ./start.sh") from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{self.url} does not answer: {reason}", hint="is the farm running?") from error
        finally:
            connection.close()

    def _reply(self, response: http.client.HTTPResponse) -> Reply:
        data = response.read()
        try:
            return Reply(response.status, response.headers, json.loads(data))
        except ValueError as error:
            raise self._strange(response) from error

    def _strange(self, response: http.client.HTTPResponse) -> FarmError:
        """The error that a *response* without JSON stands for."""
        if response.status in OF_A_PROXY:
            kind, said = OF_A_PROXY[response.status]
            return kind(f"a proxy at {self.url} answered {response.status}: it {said}")
        if response.status // 100 == 3 and (place := response.headers.get("Location")):
            return Unreachable(f"{self.url} leads to {place} ({response.status}); give the client that address")
        return Unreachable(f"{self.url} answered {response.status} with no JSON; is it a farm?")


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the parameters are nothing JSON can say: {error}") from error
