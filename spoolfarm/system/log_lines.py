"""Log lines: what a process of the farm says, as text for people or as one JSON object a line for programs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: What a child's line is as text: the launcher adds the time and the child's name.
CHILD = "%(levelname)s %(name)s: %(message)s"
#: The same of a process that nobody reads but people.
ALONE = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
#: The log of ended jobs, which only programs want to read.
JOBS = "spoolfarm.jobs"
#: How a line begins that is JSON, so that what else a process prints is rarely taken for it.
BEGINNING = b'{"time":'

_NAMED = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:([\w.]+): )?(.*)", re.DOTALL)
_GUNICORN = re.compile(r"\[[^\]]*\] \[\d+\] \[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] (.*)", re.DOTALL)
_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")
_TRACEBACK = "Traceback (most recent call last):"
#: How further lines of a traceback begin: code, and what stands between exceptions.
_GOES_ON = (" ", "\t", "During handling of the above", "The above exception was")

#: What every line says beside its own, while a process does something for somebody.
_about: dict[str, Any] = {}


def time_of(seconds: float) -> str:
    """*seconds* since the epoch as ISO 8601, in local time with its zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """Lines for people."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return time_of(record.created)


class JsonLines(logging.Formatter):
    """Lines for programs. A record may bring `fields` of its own, or be a `line` that another process has made."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: Mapping[str, Any] | None = getattr(record, "line", None)
        if line is None:
            line = {
                "time": time_of(record.created),
                "level": record.levelname,
                "process": self._process,
                "logger": record.name,
                "message": record.getMessage(),
                **_about,
                **getattr(record, "fields", {}),
            }
            if record.exc_info:
                line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def formatter(form: str, process: str, text: str = CHILD) -> logging.Formatter:
    """What makes the lines of *process*, in the *form* that FARM_LOG names."""
    return JsonLines(process) if form == "json" else TextLines(text)


def begin(form: str, process: str, level: int = logging.INFO) -> None:
    """Log on standard error from now on; called again, it changes the form."""
    logging.basicConfig(level=level)
    for handler in logging.root.handlers:
        handler.setFormatter(formatter(form, process))
    tell_jobs(form)


def tell_jobs(form: str) -> None:
    """Have the ends of jobs logged if programs read."""
    logging.getLogger(JOBS).setLevel(logging.INFO if form == "json" else logging.NOTSET)


def about(**fields: Any) -> None:
    """Let every line say what this process does now; without *fields*, nothing special."""
    _about.clear()
    _about.update(fields)


def parsed(line: bytes) -> dict[str, Any] | None:
    """What a process has logged in JSON; None when it is something else that it printed."""
    if not line.startswith(BEGINNING):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = all(isinstance(found.get(name), str) for name in ("time", "level", "logger", "message"))
    return found if whole else None


def level(name: str) -> int:
    """The number of a level, that of information when there is none of this name."""
    return logging.getLevelNamesMapping().get(name, logging.INFO) or logging.INFO


class Printed:
    """Tells what lines mean that one process prints as text, one after the other."""

    def __init__(self) -> None:
        self._traceback = False

    def read(self, text: str) -> tuple[int, str, str]:
        """The level, logger and message of a line.

        One that names no level is information, unless it belongs to a traceback or is a warning of Python's.
        """
        if found := _NAMED.fullmatch(text):
            self._traceback = False
            return level(found[1]), found[2] or "", found[3]
        if found := _GUNICORN.fullmatch(text):
            self._traceback = False
            return level(found[1]), "gunicorn", found[2]
        if _TRACEBACK in text or text.startswith(("Fatal Python error", "During handling of", "The above exception")):
            self._traceback = True
            return logging.ERROR, "", text
        if self._traceback:
            self._traceback = not text or text.startswith(_GOES_ON)  # else it is what the exception says
            return logging.ERROR, "", text
        return logging.WARNING if _WARNING.match(text) else logging.INFO, "", text
