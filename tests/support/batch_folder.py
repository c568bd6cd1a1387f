"""A folder with inputs for `spoolfarm batch`, and the command in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.running_farm import ROOT

COMMAND = str(Path(sys.executable).parent / "spoolfarm")
RUDE = {"poison": "Poison", "packing": "Packing", "bad": "Unloadable", "deaf": "Deaf"}
TASKS = ",".join(f"{name}=tests.support.rude_tasks:{kind}" for name, kind in RUDE.items())


class Bench:
    """A folder with inputs, and the command in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.out = path / "echo-results"
        (path / "in").mkdir()
        (path / "temporary").mkdir()
        self.settings = {
            "FARM_SPOOL_DIR": str(path / "spool"),
            "FARM_RESULTS_DIR": str(path / "results"),
            "FARM_MIN_FREE_MB": "0",
            "FARM_WORKERS": "2",
            "FARM_TASKS": TASKS,
            "TMPDIR": str(path / "temporary"),
        }

    def inputs(self, count: int) -> list[str]:
        """Make inputs; their names."""
        names = [f"{number % 3}/{number:03}.jpg" for number in range(count)]
        for name in names:
            (self.path / "in" / name).parent.mkdir(exist_ok=True)
            (self.path / "in" / name).write_text(name)
        return names

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `spoolfarm batch` with these words."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.settings}
        return subprocess.Popen(
            [COMMAND, "batch", *words],
            cwd=self.path,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def batch(self, *words: str, list_: str = "") -> tuple[int, str, str]:
        """Run it to its end: status and what it printed."""
        with self.start(*words) as process:
            out, err = process.communicate(list_, timeout=90)
            return process.returncode, out, err

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of results.jsonl."""
        try:
            data = (self.out / "results.jsonl").read_bytes()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in data.split(b"\n")[:-1]]

    def workers(self) -> list[int]:
        """The batch's own workers, by their environment."""
        mark = f"TMPDIR={self.path}/temporary".encode()
        found = []
        for entry in os.listdir("/proc"):
            try:
                if (
                    entry.isdecimal()
                    and b"worker.py" in Path(f"/proc/{entry}/cmdline").read_bytes()
                    and mark in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                ):
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def left(self) -> list[str]:
        """What lies among the temporary files."""
        return [path.name for path in (self.path / "temporary").iterdir()]
