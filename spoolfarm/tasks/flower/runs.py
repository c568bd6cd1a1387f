"""The runs that lie in the project: what the record of each tells, read anew only when it has changed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from spoolfarm.errors import BadHistory
from spoolfarm.spool import files
from spoolfarm.tasks.flower import run_records
from spoolfarm.tasks.flower.project import BEST, CURVES, RECORD, Project, curves, read_json

#: How a run that is over ended; what scripts write for the same.
COMPLETED, STOPPED, FAILED = "completed", "stopped", "failed"
RUNNING, QUEUED = "running", "queued"
#: Seconds without a word after which a run that names no process is taken for dead.
SILENCE = 3600.0
#: The largest record that is read, in bytes.
LARGEST = 64 * 2**20
#: What changes when a file does; None when there is none.
Stamp: TypeAlias = tuple[int, int, int] | None
NEVER: tuple[Stamp, Stamp] = (None, None)


@dataclass(frozen=True, slots=True)
class Run:
    """One folder of a simulation, as far as its record tells."""

    name: str
    state: str
    #: When it began and when it was written last, in seconds since the epoch, and how long its rounds took.
    started: float
    written: float
    seconds: float
    #: The job that made it; empty where a person started it.
    job: str = ""
    #: The process that makes it, while it does.
    pid: int | None = None
    #: The class of its model, and whether there are weights of it.
    model: str = ""
    has_model: bool = False
    #: Rounds that are over, with the figures of each; and how many there are to be, where that is known.
    rounds: Sequence[float | None] = ()
    accuracies: Sequence[float | None] = ()
    losses: Sequence[float | None] = ()
    wanted: int | None = None
    best: int | None = None
    test_accuracy: float | None = None
    classes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class Runs:
    """All runs of *project*. Not to be asked by several threads at once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        #: By folder: what its files looked like when they were read, and what they told.
        self._read: dict[str, tuple[tuple[Stamp, Stamp], Run]] = {}

    def all(self) -> dict[str, Run]:
        """Every run by the name of its folder. A folder without a record and without weights is none."""
        found = {}
        for name in files.names(self._project.runs):
            kept, run = self._read.get(name, (NEVER, None))
            record = _stamp(self._project, name, RECORD)
            # Weights that were there are still there: of a thousand runs, one file each is looked at.
            weights = (record and kept[1]) or _stamp(self._project, name, BEST)
            if not record and not weights:
                continue
            if run is None or kept != (record, weights):
                run = _run(self._project, name)
            self._read[name] = ((record, weights), run)
            found[name] = replace(run, state=FAILED) if run.state == RUNNING and self._is_dead(run) else run
        self._read = {name: self._read[name] for name in found}
        return found

    def _is_dead(self, run: Run) -> bool:
        if run.pid is None:
            return time.time() - run.written > SILENCE
        return not run_records.lives(self._project, run.name, run.pid)


def _stamp(project: Project, name: str, file: str) -> Stamp:
    """What changes when *file* in the folder *name* does; None when there is none."""
    try:
        stat = os.stat(f"{project.runs}/{name}/{file}")
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _run(project: Project, name: str) -> Run:
    folder = os.path.join(project.runs, name)
    path = os.path.join(folder, RECORD)
    try:
        found = read_json(path) if os.path.getsize(path) <= LARGEST else None
    except (OSError, ValueError):
        found = None
    told: Mapping[str, Any] = found if isinstance(found, dict) else {}
    written = max(files.modified(path), 0.0) if os.path.exists(path) else files.modified(os.path.join(folder, BEST))
    try:
        figures = curves(told, name)
    except BadHistory:
        figures = {each: [] for each in CURVES}
    pid = told.get("pid")
    seconds = told.get("seconds")
    took = sum(_number(each) or 0.0 for each in seconds) if isinstance(seconds, list) else 0.0
    settings = told.get("settings")
    plain = {key: each for key, each in settings.items() if _is_plain(each)} if isinstance(settings, dict) else {}
    best = told.get("best_round")
    return Run(
        name,
        state=_state(told.get("status")),
        started=_time(told.get("started"), written - took),
        written=written,
        seconds=round(took, 3),
        job=_text(told.get("job")),
        pid=pid if isinstance(pid, int) and not isinstance(pid, bool) else None,
        model=_text(told.get("model")),
        has_model=os.path.isfile(os.path.join(folder, BEST)),
        **{each: tuple(figures[each]) for each in CURVES},
        wanted=_whole(plain.get("rounds")),
        best=_whole(best),
        test_accuracy=_number(told.get("test_accuracy")),
        classes=tuple(map(str, told["classes"])) if isinstance(told.get("classes"), list) else (),
        settings=plain,
        error=_text(told.get("error")),
    )


def _state(status: Any) -> str:
    return status if status in (RUNNING, STOPPED, FAILED) else COMPLETED


def _time(said: Any, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(said).timestamp()
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""


def _number(said: Any) -> float | None:
    return said if isinstance(said, (int, float)) and not isinstance(said, bool) and math.isfinite(said) else None


def _whole(said: Any) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) else None


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool)) or _number(value) is not None
