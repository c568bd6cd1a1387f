"""The client: the Farm's verbs over HTTP, with nothing but the standard library.

A Client keeps no connection and no state, so any number of threads may share one.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from spoolfarm.client.transport import Transport
from spoolfarm.errors import FarmError, Unreachable, WaitTimeout
from spoolfarm.images import encoded
from spoolfarm.spool.job import NORMAL
from spoolfarm.spool.record import FOREVER, ended, outcome

if TYPE_CHECKING:
    from spoolfarm.images import Picture

Item = TypeVar("Item")

#: Seconds that a farm may take to reply.
TIMEOUT = 30.0
#: Seconds that one request waits for a job at most; a longer wait is several requests.
SLICE = 30.0
#: Seconds until a broken stream of events is requested again.
PAUSE = 0.05
#: Requests that `map` has under way at once.
IN_FLIGHT = 16


class ClientJob:
    """A submitted job: query it, wait for it, cancel it."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self.id = job_id

    def __repr__(self) -> str:
        return f"<ClientJob {self.id}>"

    def status(self) -> str:
        """`queued`, `running`, `succeeded`, `failed` or `cancelled`."""
        return str(self.record()["status"])

    def record(self) -> dict[str, Any]:
        """All that is known of the job. Raises UnknownJob once it has expired."""
        return self._client.record(self.id)

    def wait(self, timeout: float | None = None) -> Any:
        """Return the result. Raises JobFailed, JobCancelled, or WaitTimeout after *timeout* seconds (None: never)."""
        return self._client.wait(self.id, timeout)

    def file(self, name: str) -> bytes:
        """One of the files that the record names in `files`. Raises UnknownJob or UnknownFile."""
        return self._client.file(self.id, name)

    def cancel(self) -> bool:
        """Cancel the job: at once when queued, within seconds when running. False when it has ended."""
        return self._client.cancel(self.id)


class Client:
    """A farm on the network. Methods raise Unreachable without a reply, otherwise the error that the farm names."""

    def __init__(
        self, url: str = "http://127.0.0.1:8090", api_key: str | None = None, timeout: float = TIMEOUT
    ) -> None:
        """*timeout* is how long a reply may take, beyond the requested wait, and `call`'s own wait."""
        self.timeout = timeout
        self._transport = Transport(url, api_key, timeout)

    def __repr__(self) -> str:
        return f"<Client {self._transport.url}>"

    # Submit.

    def submit(
        self, task: str, image: Picture | None = None, *, priority: int = NORMAL, key: str | None = None, **params: Any
    ) -> ClientJob:
        """Submit a job: once accepted, it will be done even after a power cut. A full farm is retried for a while.

        With an idempotency *key*, a repeat returns the job that the key started first.
        """
        body = {"task": task, "priority": priority, **_body(image, params)}
        headers = {} if key is None else {"Idempotency-Key": key}
        end = time.monotonic() + self.timeout
        return ClientJob(self, self._ask_for_room("/v1/jobs", body, end, headers)["id"])

    def call(self, task: str, image: Picture | None = None, *, timeout: float | None = None, **params: Any) -> Any:
        """Run a job and return its result. Raises JobFailed, or WaitTimeout after *timeout* seconds: it then goes on,
        and can be collected by the error's `job_id`."""
        return self._call(task, _body(image, params), self.timeout if timeout is None else timeout, threading.Event())

    def map(
        self,
        task: str,
        items: Iterable[Item],
        *,
        in_flight: int = IN_FLIGHT,
        return_exceptions: bool = False,
        **params: Any,
    ) -> Iterator[tuple[Item, Any]]:
        """Yield (item, result) in order of completion, with at most *in_flight* jobs under way.

        An item that fails raises, or with *return_exceptions* yields its exception in place of the result. A caller
        that leaves early waits for the jobs under way, SLICE seconds at most. Raises ValueError at once when
        *in_flight* is below 1.
        """
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, not {in_flight}")
        return self._map(task, iter(items), in_flight, return_exceptions, params)

    def _map(
        self, task: str, source: Iterator[Item], in_flight: int, return_exceptions: bool, params: Mapping[str, Any]
    ) -> Iterator[tuple[Item, Any]]:
        stop = threading.Event()
        waiting: dict[Future[Any], Item] = {}

        def one(item: Any) -> Any:
            return self._call(task, _body(item, params), FOREVER, stop)

        with ThreadPoolExecutor(in_flight, "spoolfarm-map") as pool:
            try:
                while True:
                    waiting |= {pool.submit(one, item): item for item in islice(source, in_flight - len(waiting))}
                    if not waiting:
                        return
                    for future in wait_for(waiting, return_when=FIRST_COMPLETED).done:
                        item = waiting.pop(future)
                        try:
                            result = future.result()
                        except (FarmError, OSError) as error:
                            if not return_exceptions:
                                raise
                            result = error
                        yield item, result
            finally:
                stop.set()
                for future in waiting:
                    future.cancel()

    # Ask.

    def record(self, job_id: str) -> dict[str, Any]:
        """All that is known of a job. Raises UnknownJob."""
        record: dict[str, Any] = self._ask("GET", _path(job_id))
        return record

    def wait(self, job_id: str, timeout: float | None = None) -> Any:
        """The result of a job. Raises UnknownJob, JobFailed, JobCancelled or WaitTimeout."""
        return self._wait(job_id, FOREVER if timeout is None else timeout)

    def file(self, job_id: str, name: str) -> bytes:
        """One of the files that a record names in `files`. Raises UnknownJob or UnknownFile."""
        return self._transport.fetch(f"{_path(job_id)}/files/{quote(name, safe='')}")

    def jobs(
        self,
        status: str | None = None,
        task: str | None = None,
        limit: int = 100,
        before: str | None = None,
        **query: str | float,
    ) -> list[dict[str, Any]]:
        """The records of at most *limit* jobs with an id below *before*, the newest first.

        *query* is what else `GET /v1/jobs` takes: `source`, parts of `name`, `error` and `id`, `since`, `until`.
        """
        found: list[dict[str, Any]] = []
        asked = {"status": status, "task": task, "before": before, "limit": limit, **query}
        while True:
            words = urlencode({name: value for name, value in asked.items() if value is not None})
            page = self._ask("GET", f"/v1/jobs?{words}")
            found += page["jobs"]
            asked |= {"before": page["next"], "limit": limit - len(found)}
            if page["next"] is None or len(found) >= limit:
                return found

    def tasks(self) -> list[dict[str, Any]]:
        """What the farm can do: each task's `name`, the JSON schema of its `params`, `min_images`, `max_images`."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/tasks")["tasks"]
        return found

    def ready(self) -> dict[str, Any]:
        """The farm's figures; `status` is "ready" when it can take work, otherwise `error` says what is missing."""
        reply = self._transport.send("GET", "/ready")
        if not isinstance(reply.body, dict) or "status" not in reply.body:
            raise reply.error()
        return reply.body

    def follow(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yield what happens to a job until it has ended. Raises UnknownJob. `event` says which of these it is:

        {"event": "status", "status": ...}, {"event": "progress", "progress": 0 to 1},
        {"event": "log", "line": ..., "at": ...}, and at last {"event": "end", "record": ...}.
        """
        last_id = "0"
        end = time.monotonic() + self.timeout
        while True:
            try:
                for event, data, now_id in self._transport.events(f"{_path(job_id)}/events", last_id):
                    last_id = now_id
                    end = time.monotonic() + self.timeout
                    if event:
                        yield {"event": event, **({"record": data} if event == "end" else data)}
                    if event == "end":
                        return
            except Unreachable:
                if time.monotonic() > end:
                    raise
                time.sleep(PAUSE)  # and resume where the stream broke off

    # Change one's mind.

    def cancel(self, job_id: str) -> bool:
        """Cancel a job: at once when queued, within seconds when running. False when ended. Raises UnknownJob."""
        return bool(self._ask("DELETE", _path(job_id))["cancelled"])

    def retry(self, job_id: str) -> ClientJob:
        """Queue a job that failed for good again. Raises UnknownJob when there is no dead letter of it."""
        return ClientJob(self, self._ask("POST", f"{_path(job_id)}/retry")["id"])

    # The protocol.

    def _call(self, task: str, body: Mapping[str, Any], seconds: float, stop: threading.Event) -> Any:
        end = time.monotonic() + seconds
        try:
            return self._ask_for_room(f"/v1/run/{quote(str(task), safe='')}", body, end, waits=True, stop=stop)
        except WaitTimeout as error:
            if not error.job_id:
                raise
            return self._wait(error.job_id, end - time.monotonic(), stop)

    def _wait(self, job_id: str, seconds: float, stop: threading.Event | None = None) -> Any:
        """The result of a job, waiting for it until *seconds* are over, or until *stop* is set, which cancels it."""
        record = self._wait_record(job_id, seconds, stop or threading.Event())
        if ended(record):
            return outcome(record)
        if stop is not None and stop.is_set():
            self.cancel(job_id)
        raise WaitTimeout(f"job {job_id} is still {record['status']}{self._lack()}", job_id=job_id)

    def _lack(self) -> str:
        """What the farm says that it lacks, for a wait that is over; nothing when it lacks nothing, or is gone."""
        try:
            lack = self.ready().get("error")
        except FarmError:
            return ""
        return f"; the farm is not ready: {lack}" if lack else ""

    def _wait_record(self, job_id: str, seconds: float, stop: threading.Event) -> dict[str, Any]:
        """The record of a job, as soon as it has ended, or as it is when *seconds* are over or *stop* is set."""
        end = time.monotonic() + seconds
        while True:
            rest = 0.0 if stop.is_set() else end - time.monotonic()
            record: dict[str, Any] = self._ask("GET", _path(job_id), wait=min(max(rest, 0.0), SLICE))
            if ended(record) or stop.is_set() or time.monotonic() >= end:
                return record

    def _ask_for_room(
        self,
        path: str,
        body: Mapping[str, Any],
        end: float,
        headers: Mapping[str, str] | None = None,
        *,
        waits: bool = False,
        stop: threading.Event | None = None,
    ) -> Any:
        """POST, and retry until *end* while the farm says that it is full; with *waits* it may take until *end*.

        Raises SpoolFull, SpoolUnavailable and what `_ask` raises.
        """
        stop = stop or threading.Event()
        while True:
            rest = max(0.0, end - time.monotonic())
            reply = self._transport.send("POST", path, body, headers, min(rest, SLICE) if waits else None)
            pause = reply.retry_after
            if reply.status != 503 or pause is None or time.monotonic() + pause > end or stop.wait(pause):
                return reply.checked()

    def _ask(self, method: str, path: str, *, wait: float | None = None) -> Any:
        """The body of the reply. Raises the error that the farm names."""
        return self._transport.send(method, path, wait=wait).checked()


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(str(job_id), safe='')}"


def _body(image: Picture | None, params: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"params": params}
    if image is not None:
        body["image"] = base64.b64encode(encoded(image)).decode()
    return body
