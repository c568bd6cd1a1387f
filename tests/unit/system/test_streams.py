"""The standard streams of a process that was started without them, or in a place where they take few letters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.farm.farm import Farm
from tests.support.running_farm import ROOT

PREPARED = "import os, sys; from spoolfarm.system import streams; streams.prepare(); "


def python(code: str, redirect: str = "", **more: str) -> subprocess.CompletedProcess[bytes]:
    """What *code* did in a shell that *redirect*s its streams."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    command = f'"$0" -c "$1" {redirect}'
    return subprocess.run(["sh", "-c", command, sys.executable, code], env=environment, capture_output=True)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_is_opened_in_a_process_without_streams_takes_none_of_their_numbers(closed: str, tmp_path: Path) -> None:
    path = str(tmp_path / "queue")
    code = f"{PREPARED}file = open({path!r}, 'w'); print('out'); print('err', file=sys.stderr); sys.stdin.read()"
    done = python(f"{code}; assert file.fileno() > 2", closed)
    assert done.returncode == 0, done.stderr
    assert Path(path).read_text() == ""
    assert done.stdout == (b"" if ">&-" in closed.split() else b"out\n")
    assert done.stderr == (b"" if "2>&-" in closed else b"err\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_letters_that_cannot_be_said_are_replaced(encoding: str) -> None:
    done = python(PREPARED + "print('纸 \\udcff')", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding) == ("纸 ?\n" if encoding == "utf-8" else "? ?\n")


@pytest.mark.parametrize(
    "odd",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_json_is_json_in_every_encoding(odd: dict[str, str]) -> None:
    said: dict[str, Any] = {"text": "发票 ₽ ü 😀", "path": "b\udce4r.jpg"}
    code = f"{PREPARED}from spoolfarm.cli.commands import say_json; say_json({said!a})"
    done = python(code, **odd)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == said


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-", "2>&-", "<&-"])
@pytest.mark.parametrize("words", ["status", "doctor --json", "submit echo -p x=1", "result nothing"])
def test_no_command_ends_in_a_traceback(words: str, redirect: str, tmp_path: Path) -> None:
    given = {f"FARM_{name}_DIR": str(tmp_path / name.lower()) for name in ("SPOOL", "RESULTS", "DATA", "RUN")}
    Farm(settings=load(given)).close()
    code = f"import sys; from spoolfarm.cli.main import main; sys.exit(main({words.split()!r}))"
    done = python(code, redirect, FARM_MIN_FREE_MB="0", FARM_ENABLE="echo", **given)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.returncode in (0, 1)
    if redirect == ">/dev/full" and words == "status":
        assert (done.returncode, done.stderr) == (1, b"spoolfarm: [Errno 28] No space left on device\n")
