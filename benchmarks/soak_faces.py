"""The faces of the soak: how each client asks, and what it takes for a promise."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.measure import ROOT
from benchmarks.soak_ledger import DIED, MANNERS, Item, Ledger, Promise
from benchmarks.soak_tasks import GOOD, SLOW
from spoolfarm.errors import JobFailed, NoWorker, SpoolUnavailable, UnknownJob
from spoolfarm.farm.farm import Farm

#: Seconds that one answer may take, that a client insists, and between two of its tries.
ANSWER, INSIST, AGAIN = 30.0, 90.0, 0.1
#: Items of one map, and files of one batch.
MAPPED, BATCHED = 20, 30
#: The command of the farm's operator, and a page for tasks that read one.
COMMAND = str(Path(sys.executable).parent / "spoolfarm")
PAGE = ROOT / "docs" / "sample.png"


@dataclass(frozen=True)
class Site:
    """The farm that is soaked, as its clients know it."""

    address: tuple[str, int]
    environment: Mapping[str, str]
    path: Path
    farm: Farm
    ledger: Ledger
    #: Tasks of the farm itself that work beside the stand-ins.
    own: Sequence[str] = ()

    @property
    def url(self) -> str:
        """Where the front listens."""
        return f"http://{self.address[0]}:{self.address[1]}"


@dataclass(frozen=True)
class Reply:
    """A whole answer of the front."""

    status: int
    headers: Mapping[str, str]
    body: Any


def ask(site: Site, method: str, path: str, body: bytes = b"", **headers: str) -> Reply | None:
    """One request on a connection of its own; None when it was refused or cut, so that nobody was told anything."""
    connection = HTTPConnection(*site.address, timeout=ANSWER)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        data = answer.read()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(data))
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def insist(site: Site, item: Item, method: str, path: str, body: bytes = b"", **headers: str) -> Reply | None:
    """Ask until there is an answer other than "later"; an answer of the kind "our fault" is a violation."""
    end = time.monotonic() + INSIST
    while time.monotonic() < end:
        reply = ask(site, method, path, body, **headers)
        if reply is not None and reply.status < 500:
            return reply
        if reply is not None and reply.status not in (503, 504):
            site.ledger.violate("wrong", f"{item.name}: {method} {path} was answered {reply.status} {reply.body}")
            return reply
        time.sleep(AGAIN)
    site.ledger.violate("lost", f"{item.name} was not accepted within {INSIST:g} s")
    return None


def _as_json(item: Item) -> bytes:
    return json.dumps({"task": "soak", "image": base64.b64encode(item.data).decode()}).encode()


def submitted(site: Site, random: Random) -> None:
    """`POST /v1/jobs` under a key, until it is accepted; sometimes twice, sometimes cancelled."""
    item = site.ledger.item("jobs", random)
    headers = {"Content_Type": "application/json", "Idempotency_Key": item.name}
    if random.random() < 0.2:
        headers["Prefer"] = "wait=5"
    reply = insist(site, item, "POST", "/v1/jobs", _as_json(item), **headers)
    if reply is None or reply.status not in (200, 202):
        return
    promise = site.ledger.promise(item, reply.body["id"])
    if random.random() < 0.2 and (again := insist(site, item, "POST", "/v1/jobs", _as_json(item), **headers)):
        site.ledger.promise(item, again.body.get("id", ""))
    if random.random() < 0.1:
        promise.cancelled = True
        ask(site, "DELETE", f"/v1/jobs/{promise.job_id}")
    look(site, random)


def look(site: Site, random: Random) -> None:
    """Ask after one of the promised jobs: it must be known whatever has happened."""
    promised = [promise for promise in site.ledger.open_promises() if promise.job_id]
    if not promised:
        return
    promise = random.choice(promised)
    reply = ask(site, "GET", f"/v1/jobs/{promise.job_id}")
    if reply is not None and reply.status == 404:
        site.ledger.violate("lost", f"{promise.item.name}, job {promise.job_id}, is unknown")
    elif reply is not None and reply.status == 200 and reply.body.get("finished"):
        site.ledger.see(promise, reply.body)


def called(site: Site, random: Random) -> None:
    """`POST /v1/run`: the answer, or a place where it will be, or nothing."""
    item = site.ledger.item("run", random)
    reply = ask(site, "POST", "/v1/run/soak", item.data, Content_Type="application/octet-stream")
    if reply is None:
        site.ledger.refuse(item, unanswered=True)
    elif reply.status == 200:
        site.ledger.answer(item, "succeeded", reply.body["digest"])
    elif reply.status == 504:
        site.ledger.promise(item, reply.headers["location"].rpartition("/")[2])
    elif reply.status == 503:
        site.ledger.refuse(item, unanswered=True)
    else:
        site.ledger.answer(item, reply.body["code"])


def read(site: Site, random: Random) -> None:
    """`/tyocr`: the text, or nothing."""
    item = site.ledger.item("tyocr", random, {GOOD: 9, SLOW: 1})
    form = urlencode({"imgbase64": base64.b64encode(item.data).decode()}).encode()
    reply = ask(site, "POST", "/tyocr", form, Content_Type="application/x-www-form-urlencoded")
    if reply is None or reply.status == 503 or reply.body.get("text") == "time out":
        site.ledger.refuse(item, unanswered=True)
    elif reply.status == 200:
        site.ledger.answer(item, "succeeded", reply.body["text"].rstrip("\n"))
    else:
        site.ledger.answer(item, reply.body["code"])


def simulated(site: Site, random: Random) -> None:
    """Socket.IO: the job is promised by `simulation_started`, and the client hears its end if it can."""
    import socketio  # type: ignore[import-untyped]

    item = site.ledger.item("socket", random, {GOOD: 7, SLOW: 3})
    client, started, over = socketio.Client(reconnection=False), threading.Event(), threading.Event()

    def begin(body: Mapping[str, str]) -> None:
        site.ledger.promise(item, body["job"])
        started.set()

    client.on("simulation_started", begin)
    client.on("simulation_complete", lambda _: over.set())
    client.on("simulation_error", lambda _: over.set())
    client.on("disconnect", lambda *_: over.set())
    try:
        client.connect(site.url, transports=["polling"], wait_timeout=5)
        client.emit("start_simulation", {"data": item.data.decode()})
        over.wait(ANSWER if random.random() < 0.7 else 0.05)
    except socketio.exceptions.SocketIOError:
        pass
    finally:
        client.disconnect()
        client.shutdown()
    if not started.is_set():
        site.ledger.refuse(item, unanswered=True)


def commanded(site: Site, random: Random) -> None:
    """`spoolfarm submit`: the id that it prints is the promise, or with `--wait` the record."""
    item = site.ledger.item("cli", random)
    given = [COMMAND, "submit", "soak", "-", "--json", *(["--wait", "60"] if random.random() < 0.3 else [])]
    done = subprocess.run(
        given, input=item.data, env=dict(site.environment), cwd=site.path, capture_output=True, check=False
    )
    if not done.stdout:
        site.ledger.refuse(item, unanswered=True)
        return
    record = json.loads(done.stdout)
    promise = site.ledger.promise(item, record["id"])
    if record.get("finished"):
        site.ledger.see(promise, record)


def dropped(site: Site, random: Random) -> None:
    """A file in the hot folder, written as `cp` does: once it is closed it will be answered."""
    item = site.ledger.item("inbox", random)
    half = len(item.data) // 2
    with open(f"{site.farm.inbox}/soak/{item.name}", "wb", buffering=0) as file:
        file.write(item.data[:half])
        file.write(item.data[half:])
        site.ledger.promise(item)


def mapped(site: Site, random: Random) -> None:
    """`Farm.map`: one answer for each item, unless it says that no farm runs and takes them all back."""
    items = {item.data: item for item in (site.ledger.item("map", random) for _ in range(MAPPED))}
    try:
        for data, result in site.farm.map("soak", items, return_exceptions=True):
            item = items.pop(data)
            if isinstance(result, JobFailed):
                site.ledger.answer(item, result.code)
            else:
                site.ledger.answer(item, "succeeded", result["digest"])
    except (NoWorker, SpoolUnavailable):
        pass
    for item in items.values():
        site.ledger.refuse(item, unanswered=True)


def batched(site: Site, random: Random) -> None:
    """`spoolfarm batch`, resumed whenever it was killed: one line for each file."""
    items = [site.ledger.item("batch", random, {**MANNERS, GOOD: 98}) for _ in range(BATCHED)]
    begun = site.path / f"batch-{items[0].name}"
    (begun / "in").mkdir(parents=True)
    for item in items:
        (begun / "in" / f"{item.name}.png").write_bytes(item.data)
        site.ledger.promise(item)
    command = [COMMAND, "batch", "soak", "in", "--out", "out", "--resume", "--quiet"]
    with open(begun / "log", "ab") as log:
        while subprocess.run(command, env=dict(site.environment), cwd=begun, stdout=log, stderr=log).returncode < 0:
            continue  # it was killed
    records = [json.loads(line) for line in (begun / "out" / "results.jsonl").read_bytes().splitlines()]
    by_file = {record["file"]: record for record in records}
    for item in items:
        record = by_file.pop(f"{item.name}.png", None)
        if record is not None:
            how = record["status"] if record["status"] == "succeeded" else record["code"]
            site.ledger.answer(item, how, (record.get("result") or {}).get("digest"))
    if by_file or len(records) != len(items):
        site.ledger.violate("doubled", f"{begun.name} has {len(records)} lines for {len(items)} files")


#: Requests that nobody may send: method, address, body and headers.
HOSTILE: tuple[tuple[str, str, bytes, Mapping[str, str]], ...] = (
    ("POST", "/v1/jobs", b'{"task": ', {"Content_Type": "application/json"}),
    ("POST", "/v1/jobs", b'{"task": "none"}', {"Content_Type": "application/json"}),
    ("POST", "/v1/jobs", b'{"task": "soak", "image": "!!"}', {"Content_Type": "application/json"}),
    ("POST", "/v1/jobs", b"[" * 50_000, {"Content_Type": "application/json"}),
    ("POST", "/v1/run/soak", b"--x", {"Content_Type": "multipart/form-data; boundary=x"}),
    ("POST", "/tyocr", b"a=" + b"&" * 10_000, {"Content_Type": "application/x-www-form-urlencoded"}),
    ("GET", f"/v1/jobs/{quote('../../etc/passwd', safe='')}", b"", {}),
    ("GET", "/status/%00", b"", {}),
    ("DELETE", "/v1/jobs/ffffffffffffffffffffffff", b"", {}),
    ("TRACE", "/", b"", {}),
)
#: Bytes that are no request at all, or the beginning of one that never comes.
GARBAGE = (b"\0" * 64, b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{")


def attacked(site: Site, random: Random) -> None:
    """Something hostile: it is refused as the sender's fault, or not answered at all."""
    site.ledger.counts["hostile", "asked"] += 1
    if random.random() < 0.3:
        try:
            with socket.create_connection(site.address, timeout=1) as connection:
                connection.sendall(random.choice(GARBAGE))
        except OSError:
            pass  # the front is down
        return
    method, path, body, headers = random.choice(HOSTILE)
    reply = ask(site, method, path, body, **headers)
    if reply is not None and not (400 <= reply.status < 500 or reply.status == 503):
        site.ledger.violate("wrong", f"hostile {method} {path} was answered {reply.status} {reply.body}")
    elif reply is not None:
        site.ledger.counts["hostile", "refused"] += 1


def worked(site: Site, random: Random) -> None:
    """A page for a task of the farm itself: it is answered, or the front was killed."""
    task = random.choice(site.own)
    site.ledger.counts["own", "asked"] += 1
    reply = ask(site, "POST", f"/v1/run/{task}", PAGE.read_bytes(), Content_Type="image/png")
    if reply is not None and reply.status == 200:
        site.ledger.counts["own", "ended"] += 1
    elif reply is not None and reply.status not in (503, 504) and reply.body.get("code") != DIED:
        site.ledger.violate("wrong", f"{task} answered {reply.status} {reply.body}")


#: What each client does, and the mean of its pauses in seconds.
FACES: Mapping[str, tuple[Callable[[Site, Random], None], float]] = {
    "jobs": (submitted, 0.05),
    "run": (called, 0.1),
    "tyocr": (read, 0.2),
    "socket": (simulated, 1.0),
    "cli": (commanded, 4.0),
    "inbox": (dropped, 0.2),
    "map": (mapped, 1.0),
    "batch": (batched, 3.0),
    "hostile": (attacked, 0.3),
    "own": (worked, 1.0),
}


def faces(site: Site) -> list[str]:
    """The faces that this farm has: `/tyocr` is asked for a page only of the stand-in."""
    absent = {"tyocr"} if "ocr" in site.own else set()
    return [face for face in FACES if face not in (absent if site.own else {"own"})]


def still_open(site: Site) -> list[Promise]:
    """The promises that have not ended, once each job and each dropped file has been asked after."""
    out = f"{site.farm.results.root}/inbox/soak"
    for promise in site.ledger.open_promises():
        try:
            if promise.job_id:
                record = site.farm.record(promise.job_id)
            elif promise.item.face == "inbox":
                record = json.loads(Path(f"{out}/{promise.item.name}.json").read_bytes())
            else:
                continue
        except (UnknownJob, FileNotFoundError):
            continue
        if record.get("finished"):
            site.ledger.see(promise, record)
    return site.ledger.open_promises()
