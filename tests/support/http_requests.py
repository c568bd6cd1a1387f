"""How the tests ask: whole requests, raw bytes on a socket, and what every refusal has to look like."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any, TypeAlias

import requests
from werkzeug.test import TestResponse

from tests.support.running_farm import ROOT, RunningFarm, until

#: What no answer may show: where the farm lies on the disk, and how its code looks.
SECRET = ("Traceback", "site-packages", str(ROOT), "/spool", "/results/", ".py")
#: What stands between the parts of a multipart body.
BOUNDARY = "the-next-part"
#: The fields of every job's record.
RECORD = {"id", "task", "status", "attempts", "created", "started", "finished", "progress", "source", "request_id"}


#: An answer of Flask's test client, or of `requests`: both have `status_code`, `text` and `headers`.
Answered: TypeAlias = TestResponse | requests.Response


def refused(answer: Answered, status: int, *words: str) -> dict[str, Any]:
    """Check that *answer* refuses as every face does, and that its sentence holds *words*; return its body."""
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = json.loads(answer.text)
    assert isinstance(body["error"], str)
    assert isinstance(body["code"], str)
    for word in words:
        assert word in body["error"], body
    for secret in SECRET:
        assert secret not in answer.text
    return body


def submit(farm: RunningFarm, body: dict[str, Any], **headers: str) -> requests.Response:
    """POST a job as JSON."""
    return requests.post(f"{farm.url}/v1/jobs", json=body, headers=headers, timeout=60)


def multipart(*parts: tuple[str, Any]) -> dict[str, Any]:
    """What a test client needs to POST *parts*, each a name with a text or with a file's name and bytes."""
    files = [(name, value if isinstance(value, tuple) else (None, value)) for name, value in parts]
    request = requests.Request("POST", "http://localhost", files=files or {"": (None, "")}).prepare()
    kind, _, random = request.headers["Content-Type"].partition("boundary=")
    data = request.body.replace(random.encode(), BOUNDARY.encode())  # tests are called by what they send
    return {"data": data, "content_type": f"{kind}boundary={BOUNDARY}"}


def exchange(port: int, data: bytes, *, finish: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Send *data* as it is, and read one answer: its status, its headers and its body.

    With *finish* the client says before it reads that it will send no more.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(data)
        if finish:
            sock.shutdown(socket.SHUT_WR)
        return read_answer(sock)


def read_answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer with a stated length from *sock*."""
    with sock.makefile("rb") as file:
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, file.read(int(headers["content-length"]))


def at_rest(farm: RunningFarm) -> set[str]:
    """What `files_of` finds as soon as nothing is queued or running: an earlier test may have left a job on its way."""
    spool = Path(farm.farm.spool.root)
    until(lambda: not [*spool.glob("queue/*/*/*"), *spool.glob("active/*/*")], what="the farm to come to rest")
    return files_of(farm)


def files_of(farm: RunningFarm) -> set[str]:
    """Every file that holds a job, a result, a log or a mark."""
    found = set()
    for root in (farm.farm.spool.root, farm.farm.results.root):
        for directory, _, names in os.walk(root):
            found |= {os.path.join(directory, name) for name in names}
    kept = {"workers", "idle", "counts", "index", "launcher.lock", "launcher.json"}
    return {path for path in found if not kept & {*Path(path).parts}}
