"""The picture of the farm at work."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from spoolfarm.cli.main import main
from spoolfarm.cli.top import picture
from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.lease import Lease, new_worker_id
from tests.support.running_farm import until

COMMAND = str(Path(sys.executable).parent / "spoolfarm")


def seen(tasks: int = 1, workers: int = 2, running: int = 1) -> dict[str, Any]:
    """An overview of a farm."""
    names = [f"task{number}" for number in range(tasks)]
    return {
        "queued": dict.fromkeys(names, 1180),
        "running": [
            {"id": f"{number:024x}", "task": names[0], "worker": f"w{number}", "seconds": 10.0 * number + 1}
            for number in range(running)
        ],
        "paused": [],
        "dead": 3,
        "workers": [
            {"worker": f"w{number}", "pid": 9000 + number, "tasks": names, "done": {"a": {"ended": 5, "failed": 1}}}
            for number in range(workers)
        ],
        "rates": {"gone": {"ten": 0.0, "minute": 0.0, "failed": 0}, "busy": {"ten": 412, "minute": 1.853, "failed": 2}},
        "disk": {"path": "/srv/spool", "free_bytes": 72 * 2**30, "total_bytes": 100 * 2**30},
    }


def drawn(overview: dict[str, Any], height: int = 24) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=80, color_system=None).print(picture(overview, height))
    return file.getvalue().splitlines()


def test_a_picture_says_what_waits_what_runs_how_fast_and_what_failed() -> None:
    lines = drawn(seen())
    assert lines[0].startswith("spoolfarm /srv/spool")
    rows = [line.split() for line in lines]
    assert ["task", "queued", "running", "/s", "in", "10", "s", "/s", "in", "1", "min", "failed/min"] in rows
    assert ["busy", "0", "0", "412", "1.85", "2"] in rows
    assert ["task0", "1180", "1", "0.00", "0.00", "0"] in rows
    assert ["9000", "task0", "0" * 24, "1.0", "s", "5", "1"] in rows
    assert ["9001", "idle", "5", "1"] in rows
    assert rows[-1] == ["3", "dead", "letters", "72.0", "of", "100.0", "GiB", "free"]
    assert not any(row[:1] == ["gone"] for row in rows)


def test_on_a_cluster_a_picture_says_where_each_job_runs() -> None:
    overview = seen()
    for worker, node in zip(overview["workers"], ("10.0.0.2", "10.0.0.3"), strict=True):
        worker["node"] = node
    lines = drawn(overview)
    assert ["9000", "task0", "0" * 24, "1.0", "s", "5", "10.0.0.2"] in [line.split() for line in lines]
    assert ["9001", "idle", "5", "10.0.0.3"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("tasks", "workers"), [(1, 2), (1, 64), (30, 64), (30, 0)])
@pytest.mark.parametrize("height", [24, 50])
def test_a_picture_fits_the_terminal(tasks: int, workers: int, height: int) -> None:
    lines = drawn(seen(tasks, workers, running=min(2, workers)), height)
    assert len(lines) < height
    assert max(map(len, lines)) <= 80
    assert "dead letters" in lines[-1]
    if workers > height:
        assert any(line.startswith("and ") and line.endswith(" more") for line in lines)


def test_of_too_many_workers_those_with_the_longest_jobs_are_seen() -> None:
    rows = [line.split() for line in drawn(seen(workers=64, running=64))]
    assert ["9063", "task0"] in [row[:2] for row in rows]


def test_an_idle_farm_says_so() -> None:
    lines = drawn({**seen(tasks=0, workers=0, running=0), "rates": {}})
    assert "nothing to do" in lines
    assert "no worker is ready" in lines


@pytest.fixture
def _here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_here")
def test_in_a_pipe_there_is_one_picture(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    now = int(time.time()) - 5
    done = {"echo": {"ended": 50, "failed": 4, "seconds": [[now, 30, 4]]}}
    lease.announce({"pid": 4711, "tasks": ["echo"], "done": done})
    farm.submit("echo")
    assert main(["top"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["echo", "1", "0", "3.00", "0.50", "4"] in rows
    assert ["4711", "idle", "50", "4"] in rows
    lease.end()


@pytest.mark.usefixtures("_here", "farm")
@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_on_a_terminal_that_cannot_clear_its_screen_there_is_one_picture(term: str) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": term}
    with subprocess.Popen([COMMAND, "top"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as top:
        os.close(theirs)
        said = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:
                break  # the other end is closed
        assert top.wait(20) == 0
    os.close(ours)
    assert b"dead letters" in said
    assert b"\x1b[?1049h" not in said


@pytest.mark.usefixtures("_here", "farm")
def test_colour_that_is_asked_for_makes_no_terminal_of_a_pipe() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "FORCE_COLOR": "1"}
    done = subprocess.run(
        [COMMAND, "top"], stdin=theirs, stdout=subprocess.PIPE, env=environment, timeout=60, check=True
    )
    assert b"dead letters" in done.stdout
    os.close(ours)
    os.close(theirs)


@pytest.mark.usefixtures("_here", "farm")
@pytest.mark.parametrize("key", [b"xq", b"\x03"])
def test_on_a_terminal_q_and_ctrl_c_end_it_and_leave_the_terminal_as_it_was(key: bytes) -> None:
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    opened = f"exec <{name} >{name} 2>&1 {COMMAND} top"  # whoever leads a session gets the first terminal it opens
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(["sh", "-c", opened], start_new_session=True, env=environment) as top:
        said = b""

        def read(what: bytes) -> bool:
            nonlocal said
            if select.select([ours], [], [], 0)[0]:
                said += os.read(ours, 65536)
            return what in said

        until(lambda: read(b"dead letters"), what="a picture")
        os.write(ours, key)
        until(lambda: read(b"\x1b[?1049l"), what="the end of the picture")
        assert top.wait(20) == 0
    os.close(ours)
    os.close(theirs)
