"""A small Python process of its own, for tests that fork thousands of children: each fork copies the tables of memory.

The process of the tests has loaded every library there is, so that a fork there costs four times as much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from spoolfarm.system import process

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "from tests.support import lean_process; lean_process.main()"
#: Seconds that the process gets.
DEADLINE = 110.0


def lean(function: Callable[..., Any], *arguments: Any) -> Any:
    """What *function* of a module returns for *arguments*, all as JSON has it, in a process that loads no more."""
    asked = json.dumps([os.getpid(), function.__module__, function.__name__, *arguments])
    command = [sys.executable, "-c", PROGRAM, asked]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=DEADLINE)
    return json.loads(done.stdout)


def main() -> None:
    """The other side: call the function, and print what it returns."""
    parent, module, name, *arguments = json.loads(sys.argv[1])
    process.die_with_parent(parent)
    sys.stdout.write(json.dumps(getattr(import_module(module), name)(*arguments)))
