"""The zygote: a process that has loaded what workers share, and from which they are forked.

It has one thread and has run nothing, because only such a process can be forked safely. The launcher's end is
`zygote_child.py`.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from spoolfarm import config
from spoolfarm.errors import FarmError
from spoolfarm.launcher.zygote_child import UNFIT
from spoolfarm.system import log_lines, process, threads
from spoolfarm.worker import equipment, worker

log = logging.getLogger("spoolfarm.zygote")


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, then fork a worker whenever the launcher asks for one; in a worker, be that worker."""
    parser = argparse.ArgumentParser(prog="zygote")
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--launcher", required=True, type=int)
    options = parser.parse_args(arguments)
    process.die_with_parent(options.launcher)
    faulthandler.enable()
    log_lines.begin("text", "zygote")
    sys.path[0] = str(config.ROOT)  # where a worker looks for custom tasks
    with socket.socket(fileno=os.dup(0)) as launcher:
        try:
            equipment.prepare(options.tasks.split(","))
            settle()
        except (FarmError, OSError) as error:
            log.error("%s", error)
            return worker.BOOT_FAILED
        if not alone():
            return UNFIT
        launcher.sendall(b"r")
        born = serve(launcher)
    return UNFIT if born is None else worker.main(born)


def settle() -> None:
    """Keep the garbage collector from writing to the pages that workers share."""
    gc.collect()
    gc.freeze()


def alone() -> bool:
    """Whether this process has no second thread, which a fork would lose together with the locks that it holds."""
    if (count := len(os.listdir("/proc/self/task"))) > 1:
        log.warning("%d threads run once the tasks are prepared: workers are started by exec", count)
    return count == 1


def serve(launcher: socket.socket) -> list[str] | None:
    """Fork for the launcher. Returns a worker's arguments in that worker, and None in a zygote that must stop."""
    while alone():
        asked, received, _, _ = socket.recv_fds(launcher, 1, 2)
        if not asked:
            sys.exit("the launcher has hung up")
        caller, output = received
        with socket.socket(fileno=caller) as line, open(output, "wb", buffering=0) as printed:
            if fork():
                return become(line, printed.fileno())
    return None


def fork() -> bool:
    """Fork a child not of this process but of its parent, which adopts orphans. True in the new process."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return False
    between = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        log.error("no worker can be forked: %s", error)
        os._exit(1)
    if child:
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.001)  # until it has exited, which is the next thing it does
    return True


def become(line: socket.socket, output: int) -> list[str]:
    """Make this process the worker that the other end of *line* describes; return its arguments."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    with line.makefile("rb") as reader:
        asked: dict[str, Any] = json.loads(reader.readline())
        line.sendall(str(os.getpid()).encode())
        if not reader.read(1):
            os._exit(0)  # the launcher has given it up
    os.environ.clear()
    os.environ.update(asked["environment"])
    arguments: list[str] = asked["arguments"]
    process.show_as([sys.executable, "worker.py", *arguments])
    threads.limit()
    reseed()
    return arguments


def reseed() -> None:
    """Give this process its own random seeds; Python's `random` reseeds itself."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()


if __name__ == "__main__":
    sys.exit(main())
