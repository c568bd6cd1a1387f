"""The simulate task: the Flower project's start script, run as a job."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import ConfigDict

from spoolfarm.errors import Forbidden, InvalidParams, JobCancelled, SimulationFailed
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task
from spoolfarm.tasks.flower import faults, parameters, reaper, run_records
from spoolfarm.tasks.flower.output import Lines, Log
from spoolfarm.tasks.flower.project import NEEDS, STAMP, Project
from spoolfarm.tasks.flower.result import SimulateResult
from spoolfarm.tasks.flower.session import Session
from spoolfarm.tasks.flower.start_command import argument

#: The settings that the script finds in its environment, by the same names.
SUPERLINK = ("FLOWER_SUPERLINK", "FLOWER_SUPERLINK_CA")
#: What a parameter may be called.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: How many parameters there may be, how many values a list, and how many letters a name or a value.
MOST, MOST_VALUES, LONGEST = 100, 1000, 4096
#: Exit codes from here on tell of a signal.
SIGNALLED = 128
#: Seconds between checks whether the job was cancelled.
LOOK = 0.2
#: Seconds that a cancelled script gets to end by itself. The launcher waits CANCEL_GRACE for the worker.
GRACE = 3.0
#: What stands around the name of a folder.
NO_NAME = re.compile(r"[^\w.-]+")
#: How a line tells that a round is over, or has begun.
ROUND = re.compile(r"\bround\s+(\d{1,9})\s*(?:/|of)\s*(\d{1,9})\b", re.IGNORECASE)


class SimulateParams(Params):
    """The arguments of the start script: `{"rounds": 10, "verbose": null, "layers": [64, 32]}` is
    `--rounds 10 --verbose --layers 64 32`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "additionalProperties": {
                "type": ["number", "string", "boolean", "null", "array"],
                "items": {"type": ["number", "string", "boolean"]},
                "maxItems": MOST_VALUES,
            },
        },
    )


class Simulate(Task):
    """Runs the Flower project's start script; answers its exit code and the folder of the run; see docs/platform.md."""

    Params = SimulateParams
    results = (SimulateResult,)
    min_images = max_images = 0
    lane = "simulate"
    needs = (*NEEDS, *SUPERLINK)
    tries = 1  # a training that was cut short is not begun again behind its owner's back

    def stays(self, params: Mapping[str, Any]) -> bool:
        return True  # it writes into the project

    def validate(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters, once it is sure that they are plain names and plain values, and lead to no foreign place.

        Raises InvalidParams, Forbidden or BadProject.
        """
        if len(params) > MOST:
            raise InvalidParams(f"params: are {len(params)}; at most {MOST} are taken")
        for name, value in params.items():
            _check_name(name)
            for each in _values(name, value):
                _check(name, each)
                if isinstance(each, str):
                    _confine(name, each, self._project.root, self.settings["FARM_DATA_DIR"])
        self._project.command(params)
        parameters.check(self._project, params)
        return params

    def faults(self) -> Iterable[str]:
        return [*faults.of_simulations(self._project), *faults.of_superlink(*map(self.settings.get, SUPERLINK))]

    def setup(self) -> None:
        """Put away what the simulation of a worker that was killed has left."""
        reaper.kill_orphans()
        run_records.settle(self._project, "failed")

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [self._simulate(job, context) for job in batch]

    @cached_property
    def _project(self) -> Project:
        return Project(self.settings)

    def _simulate(self, job: Job, context: Context) -> dict[str, Any]:
        start, clock = time.time() - run_records.SLACK, time.monotonic()
        folders: set[str] = set()
        command, root = self._project.command(job.params), self._project.root
        given = {name: str(self.settings[name] or "") for name in SUPERLINK}
        with Session(command, root, job.id, job.traceparent, given) as session:
            cancelled, reason = _follow(session, context, folders)
            status = session.wait()
        folder = run_records.own(self._project, job.id, start, folders)
        run_records.settle(self._project, "stopped" if cancelled else "failed", start, folder or "")
        told = {"exit_code": -1 if status is None else status, "folder": folder}
        if cancelled:
            raise JobCancelled("the simulation was cancelled", details=told)
        if status is None:
            raise SimulationFailed("the simulation was killed together with its keeper", details=told)
        if status:
            why = f": {reason}" if reason and status < SIGNALLED else ""  # who was killed does not say why
            raise SimulationFailed(f"the script ended with exit code {status}{why}", details=told)
        return {**told, "seconds": round(time.monotonic() - clock, 3)}


def _follow(session: Session, context: Context, folders: set[str]) -> tuple[bool, str]:
    """Pass the output on until there is no more of it, and note *folders* named there.

    Say whether it was cancelled, and what the output tells of a failure.
    """
    lines, log = Lines(), Log(context.log)
    killed_at = 0.0
    while (data := session.read(LOOK)) is not None:
        now = time.monotonic()
        for line in lines.feed(data, now):
            _tell(line, log, context, folders)
        if killed_at and now >= killed_at:
            session.kill()
            killed_at = math.inf
        elif not killed_at and context.cancelled():
            session.stop()
            killed_at = now + GRACE
    for line in lines.end():
        _tell(line, log, context, folders)
    log.close()
    return bool(killed_at), log.reason


def _tell(line: str, log: Log, context: Context, folders: set[str]) -> None:
    log.add(line)
    if len(folders) < MOST and STAMP.search(line):
        folders |= set(filter(STAMP.search, NO_NAME.split(line)))
    if (found := ROUND.search(line)) and 0 < int(found[1]) <= int(found[2]):
        context.progress(int(found[1]) / int(found[2]))


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > LONGEST:
        raise InvalidParams(f"params: {str(name)[:100]!r} is no plain name: letters, digits, _ and -, a letter first")


def _values(name: str, value: Any) -> Sequence[Any]:
    """The values that stand behind the name: none for null, and those of a list."""
    if isinstance(value, list):
        if len(value) > MOST_VALUES:
            raise InvalidParams(f"params.{name}: has {len(value)} values; at most {MOST_VALUES} are taken")
        return value
    return [] if value is None else [value]


def _check(name: str, value: Any) -> None:
    if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidParams(f"params.{name}: must be a number, a text, true, false or null, or a list of such values")
    text = argument(value)
    if len(text) > LONGEST or "\0" in text or not _sayable(text):
        raise InvalidParams(f"params.{name}: is no text that a script can be given")
    if isinstance(value, str) and text.startswith("-"):
        raise InvalidParams(f"params.{name}: must not begin with '-', or it would be taken for another option")


def _confine(name: str, text: str, project: str, data: str) -> None:
    """Raise Forbidden when *text*, read as a path in the *project*, is in neither it nor the folder *data*.

    Nobody but the script knows which of its parameters are paths, so each text is looked at as if it were one; what is
    none lies in the project then. A link that the owner of the project has put there may lead elsewhere.
    """
    place = os.path.join(project, os.path.expanduser(text))
    climbs = ".." in text.split("/")  # where that leads is only known when the links on the way are followed
    place = os.path.realpath(place) if climbs else os.path.normpath(place)
    for root in (project, data):
        if any(os.path.commonpath((place, top)) == top for top in (os.path.normpath(root), os.path.realpath(root))):
            return
    raise Forbidden(
        f"params.{name}: leads out of the Flower project and the data folder",
        hint="a path lies in FLOWER_PROJECT_DIR, where a relative one begins, or in FARM_DATA_DIR",
    )


def _sayable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
