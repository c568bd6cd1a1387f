"""The runner of `flwr run`: follows the run to its end, and ends as the run did.

    python flwr_run.py FLWR run ARGUMENTS...

FLWR is the program's full path. By itself it ends when the run has begun or, with --stream, when its log has ended,
and with status 0 even if the run failed. So the SuperLink is asked how that ended, which `flwr ls` does.

A SuperLink that `flwr` starts for this run alone gets ports and a state of its own, so that runs at once do not meet.

It is run by its path, without the farm's packages, so that FLWR may be of another environment.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

#: How `flwr run` says which run it has started.
STARTED = re.compile(rb"started run (\d+)")
#: The options of `flwr run` that are followed by a value.
VALUED = ("-c", "--run-config", "--federation", "--federation-config", "--format")
#: The variables that name the ports of the SuperLink that it starts.
PORTS = ("FLWR_LOCAL_SUPERLINK_HTTP_API_PORT", "FLWR_LOCAL_CONTROL_API_PORT")
#: What of Flower's home belongs to one SuperLink.
STATE = "local-superlink"
#: Seconds in which a run whose log has ended has to end itself, and between questions whether it has.
LAST, LOOK = 60.0, 0.5
#: How a run ended that did what it should, and how any run that is over ends.
COMPLETED, FINISHED = "finished:completed", "finished:"


def run(flwr: str, arguments: Sequence[str]) -> int:
    """Run it to its end; return the exit status: 1 for a run that failed."""
    environment = alone(flwr)
    streaming = [] if "--stream" in arguments else ["--stream"]
    process = subprocess.Popen(
        [flwr, *arguments, *streaming], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    number = passed_on(process)
    status = process.wait()
    if status or number is None:
        return status if status >= 0 else 128 - status
    ended = outcome(flwr, superlink(arguments), number, environment)
    if ended is None or ended.get("status") == COMPLETED:
        return 0
    told = f"{ended.get('status')} {ended.get('status-details') or ''}".strip()
    print(f"run {number} ended as {told}", flush=True)  # noqa: T201
    return 1


def passed_on(process: subprocess.Popen[bytes]) -> str | None:
    """Pass on what *process* prints, as it comes; return the number of the run that it says it has started."""
    assert process.stdout is not None
    number, seen = None, b""
    while data := os.read(process.stdout.fileno(), 65536):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if number is None:
            seen = seen[-4096:] + data
            found = re.search(STARTED.pattern + rb"\D", seen)
            number = found[1].decode() if found else None
    return number


def outcome(flwr: str, superlink: Sequence[str], number: str, environment: dict[str, str]) -> dict[str, Any] | None:
    """What the SuperLink says of the run once that is over; None when it says nothing."""
    ask = [flwr, "ls", *superlink, "--run-id", number, "--format", "json"]
    deadline = time.monotonic() + LAST
    while True:
        answer = subprocess.run(ask, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        try:
            [told] = json.loads(answer.stdout)["runs"]
        except (ValueError, KeyError, TypeError):
            return None
        if str(told.get("status")).startswith(FINISHED) or time.monotonic() > deadline:
            return dict(told)
        time.sleep(LOOK)


def superlink(arguments: Sequence[str]) -> list[str]:
    """The name of the SuperLink in the *arguments* of `flwr run`: its second word that is no option."""
    words, valued = [], False
    for word in arguments[1:]:
        if not valued and not word.startswith("-"):
            words.append(word)
        valued = not valued and word in VALUED
    return words[1:2]


def alone(flwr: str) -> dict[str, str]:
    """The environment in which *flwr* finds its own programs, and no SuperLink but those that its owner has named."""
    environment = {**os.environ, "PATH": f"{os.path.dirname(flwr)}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    environment |= {name: str(free_port()) for name in PORTS if name not in os.environ}
    home = os.environ.get("FLWR_HOME") or os.path.expanduser("~/.flwr")
    own = tempfile.mkdtemp(prefix="flwr-")  # below the directory that goes with the simulation
    try:
        if home.startswith("~"):
            raise OSError("this user has no home")
        os.makedirs(os.path.join(home, "apps"), exist_ok=True)  # what an app leaves beside its code stays
        for name in set(os.listdir(home)) - {STATE}:
            os.symlink(os.path.join(os.path.abspath(home), name), os.path.join(own, name))
    except OSError:
        pass  # a home that cannot be written to, or none
    return environment | {"FLWR_HOME": own}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
