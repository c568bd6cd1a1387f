"""`/v1/farm`, `/v1/workers` and `/v1/doctor` of a front without a launcher, and of one that says it has one."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.config import Settings
from spoolfarm.errors import FarmError, InvalidParams, NotConfigured
from spoolfarm.farm import board
from spoolfarm.farm.farm import Farm
from spoolfarm.server import staffing
from spoolfarm.server.examination import Examination
from spoolfarm.server.views.board import EXAMINATION
from tests.support.http_requests import refused


def test_the_state_tells_tasks_lanes_and_disk(front: FlaskClient) -> None:
    seen = front.get("/v1/farm").get_json()
    assert {"echo", "edit"} <= {task["name"] for task in seen["tasks"]}
    assert {lane["name"] for lane in seen["lanes"]} >= {"general"}
    assert (seen["workers"], seen["launcher"], seen["limit"]) == ([], None, None)
    assert seen["disk"]["free_bytes"] > 0
    assert front.get("/v1/farm/history").get_json() == {"points": []}
    refused(front.get("/v1/farm/history?since=x"), 400, "since")


def test_where_no_launcher_keeps_the_front_no_worker_is_started(front: FlaskClient) -> None:
    assert refused(front.post("/v1/workers/add"), 501, "no launcher")["code"] == "not_configured"
    assert refused(front.post("/v1/workers/retire"), 501, "no launcher")["code"] == "not_configured"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that would have been sent."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    return found


def launched(monkeypatch: pytest.MonkeyPatch, **about: Any) -> None:
    """A launcher says this of itself, and holds its lock."""
    said = {"pid": os.getppid(), "since": "today", "workers": 2, **about}
    monkeypatch.setattr(staffing, "launcher", lambda root: said)


def test_one_more_and_one_fewer_is_asked_of_the_launcher(
    settings: Settings, sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(monkeypatch)
    assert (staffing.change(settings, 1), staffing.change(settings, -1)) == (3, 1)
    assert sent == [(os.getppid(), signal.SIGTTIN), (os.getppid(), signal.SIGTTOU)]


def test_a_launcher_that_is_no_ancestor_gets_no_signal(
    settings: Settings, sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(monkeypatch, pid=os.getpid())  # in another container that number is another process
    with pytest.raises(NotConfigured):
        staffing.change(settings, 1)
    assert sent == []


def test_the_last_worker_stays_and_there_is_a_most(
    settings: Settings, sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(monkeypatch, workers=1)
    with pytest.raises(InvalidParams, match="pause the queue instead"):
        staffing.change(settings, -1)
    launched(monkeypatch, workers=staffing.limit(settings))
    with pytest.raises(InvalidParams, match="the most that can be added"):
        staffing.change(settings, 1)
    assert sent == []


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"pid": "7", "since": "x"}', b'{"pid": 7}'])
def test_a_launcher_whose_words_are_damaged_is_none(farm: Farm, text: bytes) -> None:
    Path(farm.root, "launcher.json").write_bytes(text)
    assert board.launcher(farm.root) is None


def test_the_doctor_is_asked_once_a_minute_unless_somebody_wants_him_now(
    front: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = {"level": "ok", "check": "python", "what": "3.11", "advice": ""}
    asked: list[int] = []
    examination = front.application.extensions[EXAMINATION]
    for name, value in (("_looked", -math.inf), ("_found", {}), ("_examine", lambda: asked.append(1) or [finding])):
        monkeypatch.setattr(examination, name, value)  # another test may have asked it
    monkeypatch.setattr("spoolfarm.server.examination.SOON", 0.0)
    for path in ("", "", "?again=true", ""):
        assert front.get(f"/v1/doctor{path}").get_json()["findings"] == [finding]
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise RuntimeError('too ill')", "too ill"),
        ("import os; os.kill(os.getpid(), 9)", "status -9"),
        ("print('no finding')", "no end"),
        ("import json; print(json.dumps({'level': 'ok'})); raise SystemExit(1)", "status 1"),
    ],
)
def test_a_doctor_that_comes_to_no_end_has_not_found_that_all_is_well(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda _, **more: run([sys.executable, "-c", program], **more))
    with pytest.raises(FarmError, match=why):
        Examination(settings).findings()
