"""The records of runs: which folder a simulation wrote, and the end of one that could not write its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from spoolfarm.spool import files
from spoolfarm.tasks.flower import reaper
from spoolfarm.tasks.flower.project import BEST, RECORD, Project, read_json

#: Seconds by which a clock and a file's time may differ.
SLACK = 2.0
#: How often a record that is no JSON is read, and the seconds between.
TORN_TRIES, TORN_PAUSE = 5, 0.02


def own(project: Project, job_id: str, since: float, told: Collection[str] = ()) -> str | None:
    """The name of the folder that the run of *job_id*, which is over, has written since *since*, a time.time().

    Its record names the job. Of records that name none, those of living processes are other runs'; of the rest one that
    was *told*, which are names in the run's output, is better than the most recent.
    """
    written = {name: _written(project, name) for name in files.names(project.runs)}
    recent = {name: _record(project, name) for name, when in written.items() if when >= since}
    mine = [name for name, found in recent.items() if found.get("job") == job_id]
    if not mine:
        mine = [
            name
            for name, found in recent.items()
            if not found.get("job") and not lives(project, name, found.get("pid"))
        ]
        mine = [name for name in mine if name in told] or mine
    return max(mine, key=written.__getitem__, default=None)


def settle(project: Project, status: str, since: float = float("inf"), only: str | None = None) -> list[str]:
    """Write *status* into every record that says "running" of a process that is dead; return the folders' names.

    A record without a process counts as dead when it was written after *since*, in the folder *only* if that is given.
    """
    settled = []
    for name in sorted(files.names(project.runs)):
        path = os.path.join(project.runs, name, RECORD)
        try:
            found = read_json(path)
            if not isinstance(found, dict) or found.get("status") != "running":
                continue
            if _dead(found.get("pid"), path, since if only in (None, name) else float("inf")):
                write(path, {**{key: value for key, value in found.items() if key != "pid"}, "status": status})
                settled.append(name)
        except (OSError, ValueError):
            continue  # there is none, or none of ours
    return settled


def lives(project: Project, name: str, pid: Any) -> bool:
    """Whether the process *pid*, which the record in the folder *name* tells, is at it still."""
    try:
        return isinstance(pid, int) and not _dead(pid, f"{project.runs}/{name}/{RECORD}", 0.0)
    except OSError:
        return False


def _record(project: Project, name: str) -> dict[str, Any]:
    """What the record in the folder *name* says; nothing when there is none.

    Scripts of others write in place, so that for a moment half a record is there.
    """
    for _ in range(TORN_TRIES):
        try:
            found = read_json(os.path.join(project.runs, name, RECORD))
            return found if isinstance(found, dict) else {}
        except OSError:
            break
        except ValueError:
            time.sleep(TORN_PAUSE)
    return {}


def _written(project: Project, name: str) -> float:
    found = 0.0
    for each in (RECORD, BEST):
        try:
            found = max(found, os.stat(os.path.join(project.runs, name, each)).st_mtime)
        except OSError:
            continue
    return found


def _dead(pid: Any, path: str, since: float) -> bool:
    written = os.stat(path).st_mtime
    if not isinstance(pid, int):
        return written >= since
    ticks = reaper.started(pid)
    if not ticks:
        return not _exists(pid)
    # A process that started after the record was written is another one of the same number.
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    started = time.time() - uptime + int(ticks) / os.sysconf("SC_CLK_TCK")
    return started > written + SLACK


def _exists(pid: int) -> bool:
    """Whether there is a process of that number and the system has no /proc to tell more."""
    if os.path.isdir("/proc/self"):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def write(path: str, found: dict[str, Any]) -> None:
    """Replace a record in one step, with a line for each key: people read it, too."""
    mode = os.stat(path).st_mode & 0o777
    lines = (f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in found.items())
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"
    files.write_new(temporary, [b"{\n", ",\n".join(lines).encode(errors="replace"), b"\n}\n"])
    os.chmod(temporary, mode)
    os.replace(temporary, path)
