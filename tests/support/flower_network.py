"""Flower on several machines, all of them this one: the commands of docs/scale.md, on free ports."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.running_farm import ROOT, free_port, until

#: Where flwr, flower-superlink and the like are, which start each other by their names.
PROGRAMS = Path(sys.executable).parent
#: What the page calls the SuperLink's machine, and its port.
HOST, PORT = "link.example.org", "9095"
NODES = ("clinic-a", "clinic-b")


class FlowerNetwork:
    """A SuperLink, who runs its ServerApps, and two SuperNodes, each with a home of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = str(free_port())
        self.address = f"127.0.0.1:{self.port}"
        self.authorities = path / "flower_keys/ca.crt"
        #: What Flower's own command line needs to reach the SuperLink, which it calls "farm".
        self.home = path / "home-cli"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (path / "deploy").symlink_to(ROOT / "deploy")

    def start(self) -> None:
        """Do what the page says, in its order."""
        page = (ROOT / "docs/scale.md").read_text()
        for line in re.findall(r"^deploy/flower\.sh .+$", page, re.MULTILINE):
            words = shlex.split(re.sub(r"0\.0\.0\.0|" + re.escape(HOST), "127.0.0.1", line.replace(PORT, self.port)))
            if words[1] in ("keys", "register"):
                subprocess.run(words, cwd=self.path, env=self.environment("cli"), check=True, timeout=120)
            else:
                own = ["--port", str(free_port())] if words[1] == "supernode" else []
                self.run(words[3] if own else words[1], [*words, *own])
            if words[1] == "superlink":
                self.wait_for("superlink", "Application startup complete")
        for node in NODES:
            self.wait_for(node, "SuperNode ID")
        self.home.mkdir(exist_ok=True)
        connection = f'[superlink.farm]\naddress = "{self.address}"\nroot-certificates = "{self.authorities}"\n'
        (self.home / "config.toml").write_text(connection)

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Start a command, known by *name*; its process id."""
        with (self.path / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=self.path,
                env={**self.environment(name), **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._running[name].pid

    def wait_for(self, name: str, words: str) -> None:
        """Wait until that has said *words*."""

        def said() -> bool:
            assert self._running[name].poll() is None, self.log(name)
            return words in self.log(name)

        until(said, 120, f"{name} to say {words}")

    def wait(self, name: str, seconds: float) -> int:
        """The exit code of what was started as *name*."""
        return self._running[name].wait(seconds)

    def environment(self, name: str) -> dict[str, str]:
        """The environment of what is started as *name*."""
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "FLWR_HOME": str(self.path / f"home-{name}")}

    def log(self, name: str) -> str:
        """What that has said so far."""
        return (self.path / f"{name}.log").read_text()

    def stop(self) -> None:
        """End all of them, with what they have started."""
        for process in self._running.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself
            process.wait()
