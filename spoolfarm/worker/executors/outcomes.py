"""Outcomes on their way from an actor to its worker: JSON text, bytes and plain values, and no foreign type."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spoolfarm.errors import FarmError, JobCancelled
from spoolfarm.tasks import Answer, Stopping
from spoolfarm.worker.executors.local import text_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job ended, as it travels."""

    #: answer, value, cancelled, refused, failed or stopping.
    kind: str
    #: The value as JSON.
    text: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    #: What an error says, its stable code or the name of its type, its details as JSON, and where it was raised.
    said: str = ""
    code: str = ""
    details: str = "{}"
    trace: str = ""


def packed(outcome: Any) -> Outcome:
    """*outcome*, what a task returned or raised for one job, ready to travel."""
    try:
        if isinstance(outcome, Stopping):
            return Outcome("stopping")
        if isinstance(outcome, FarmError):
            kind = "cancelled" if isinstance(outcome, JobCancelled) else "refused"
            return Outcome(kind, said=text_of(outcome), code=outcome.code, details=_json(dict(outcome.details)))
        if isinstance(outcome, BaseException):
            return _failed(outcome)
        if isinstance(outcome, Answer):
            return Outcome("answer", _json(outcome.value), _contents(outcome.files))
        return Outcome("value", _json(outcome))
    except (TypeError, ValueError, RecursionError, OSError) as error:
        return _failed(error)


def unpacked(outcome: Outcome) -> Any:
    """What the worker's own executor would have returned for that job."""
    match outcome.kind:
        case "value":
            return json.loads(outcome.text)
        case "answer":
            return Answer(json.loads(outcome.text), outcome.files)
        case "cancelled":
            return JobCancelled(outcome.said, details=json.loads(outcome.details))
        case "refused":
            kind = type("Refused", (FarmError,), {"code": outcome.code})
            return kind(outcome.said, details=json.loads(outcome.details))
        case "stopping":
            return Stopping()
    error: BaseException = type(outcome.code, (Exception,), {"__module__": "builtins"})(outcome.said)
    error.add_note(outcome.trace)
    return error


def _failed(error: BaseException) -> Outcome:
    trace = "".join(traceback.format_exception(error)) if error.__traceback__ else ""
    return Outcome("failed", said=text_of(error), code=type(error).__name__, trace=trace)


def _json(value: Any) -> str:
    """*value* as JSON. Raises TypeError that says so when it is none."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the task's result is nothing JSON can say: {error}") from None


def _contents(files: Any) -> dict[str, bytes]:
    """The bytes of an Answer's files. Raises ValueError for what is none."""
    try:
        return {
            name: content.read_bytes() if isinstance(content, Path) else bytes(content)
            for name, content in files.items()
        }
    except (AttributeError, TypeError, OSError) as error:
        raise ValueError(f"the files of the task's answer cannot be published: {error}") from None
