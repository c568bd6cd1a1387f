"""Processes: what a forked one shows of itself, and how one ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

#: Shows itself as the words that it reads, says so, and waits until its input ends.
SHOWN = """
import json, sys
from spoolfarm.system import process
process.show_as(json.loads(sys.stdin.readline()))
print("shown", flush=True)
sys.stdin.read()
"""


def shown_as(*command: str) -> tuple[list[bytes], list[bytes], str]:
    """The command line and the environment of a process that shows itself as *command*, and what `ps` prints of it."""
    run = subprocess.Popen(
        [sys.executable, "-c", SHOWN],
        env={**os.environ, "MARK": "still here"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with run:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write(json.dumps(command).encode() + b"\n")
        run.stdin.flush()
        assert run.stdout.readline() == b"shown\n"
        words, environment = (Path(f"/proc/{run.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        seen = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(run.pid)], capture_output=True, text=True).stdout
        run.communicate(b"")
    assert run.returncode == 0
    return words.rstrip(b"\0").split(b"\0"), environment.split(b"\0"), seen.strip()


def test_a_process_shows_another_command_line_and_its_environment_as_before() -> None:
    words, environment, seen = shown_as("python", "worker.py", "--id", "7")
    assert words == [b"python", b"worker.py", b"--id", b"7"]
    assert seen == "python worker.py --id 7"
    assert b"MARK=still here" in environment


def test_a_command_line_that_is_too_long_loses_its_end_and_nothing_else() -> None:
    words, environment, _ = shown_as("worker", *["much to say"] * 1000)
    assert words[:3] == [b"worker", b"much to say", b"much to say"]
    assert len(words) < 1000
    assert b"MARK=still here" in environment


#: Is started with SIGTERM blocked and without a working directory, and ends by SIGTERM all the same.
BURDENED = """
import os, signal, sys, tempfile
from spoolfarm.system import process
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD])
with tempfile.TemporaryDirectory() as gone:
    os.chdir(gone)
process.unburden(sys.argv[1])
print(os.getcwd(), flush=True)
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_what_another_program_left_to_a_process_does_not_stay(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", BURDENED, str(tmp_path)], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGTERM, f"{tmp_path}\n", "")


#: Leaves garbage that only the collector finds, which says so when it is found, and an exit handler.
LEFT = """
import atexit
from spoolfarm.system import process
class Garbage:
    def __init__(self): self.itself = self
    def __del__(self): print("found")
atexit.register(print, "handled")
if {at_once}: process.end_at_once()
Garbage()
"""


def test_a_process_that_ends_at_once_searches_for_no_garbage() -> None:
    def said(at_once: bool) -> list[str]:
        command = [sys.executable, "-c", LEFT.format(at_once=at_once)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert said(at_once=False) == ["handled", "found"]
    assert said(at_once=True) == ["handled"]
