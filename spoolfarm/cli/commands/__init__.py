"""Commands: what the command line can do, one file each, and what they share.

Each file has `TEXT`, a line of help; `takes(parser)`, which adds the arguments; and `run(options)`, which does it and
returns the exit status.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spoolfarm.cli.arguments import Typed, param, params
from spoolfarm.errors import FarmError, JobFailed

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm
    from spoolfarm.tasks.registry import Registry


@contextmanager
def open_farm(*, make: bool | None = False) -> Iterator[Farm]:
    """The farm that the settings name; *make* is that of Farm. Raises NoFarm. Root goes on as the farm's owner."""
    from spoolfarm import config
    from spoolfarm.farm import owner
    from spoolfarm.farm.farm import Farm

    settings = config.load()
    owner.become(settings.spool_dir)
    farm = Farm(make=make, source="cli")
    try:
        yield farm
    finally:
        farm.close()


def complain(error: BaseException, about: str = "") -> None:
    """Print *error* and what to do about it as one line, with what it is *about* if it does not say so itself."""
    sentence = str(error)
    if isinstance(error, OSError) and error.filename:
        files = f"{error.filename} to {error.filename2}" if error.filename2 else error.filename
        sentence = f"{files}: {error.strerror}"
    hint = f" ({error.hint})" if isinstance(error, FarmError) and error.hint else ""
    about = f"{about}: " if about and about not in sentence else ""
    print(f"spoolfarm: {about}{sentence}{hint}", file=sys.stderr)


def say_json(value: Any) -> None:
    """Print *value* as one line of JSON, with what the output's encoding cannot say written as JSON's escapes."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    print(text)


def each(ids: Iterable[str], act: Callable[[str], None]) -> int:
    """Do *act* for each id; report those that fail, and do the rest. Returns the exit status."""
    failed = False
    for job_id in ids:
        try:
            act(job_id)
        except FarmError as error:
            complain(error)
            failed = True
    return int(failed)


def chosen(options: argparse.Namespace, everything: Callable[[], Iterable[str]]) -> list[str]:
    """The ids given, or with --all those that *everything* finds."""
    if bool(options.ids) == options.all:
        options.refuse("give the ids of jobs, or --all")
    return sorted(everything()) if options.all else options.ids


def ended_record(farm: Farm, job_id: str, wait: float) -> dict[str, Any]:
    """The record of a job that has ended. Raises UnknownJob, or FarmError if it has not ended after *wait* seconds."""
    from spoolfarm.spool.record import ended

    record = farm.record(job_id)
    if not ended(record) and wait > 0:
        record = farm.wait_record(job_id, wait)
    if not ended(record):
        hint = f"collect it later: spoolfarm result {job_id} --wait 60"
        raise FarmError(f"job {job_id} is still {record['status']}", hint=hint)
    return record


def outcome(record: dict[str, Any]) -> Any:
    """The result in *record*. Raises JobFailed with the reason."""
    if record["status"] != "succeeded":
        raise JobFailed(f"job {record['id']} {record['status']}: {record.get('error') or 'the reason has expired'}")
    return record["result"]


def text_of(value: Any) -> str | None:
    """The text in a result that has one."""
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def takes_params(parser: argparse.ArgumentParser) -> None:
    """Add the ways to give a task its parameters; `checked_params` combines them."""
    text = (
        "a parameter of the task; the value is JSON when it reads as JSON and the task takes no text there, else text"
    )
    parser.add_argument(
        "-p", "--param", metavar="NAME=VALUE", dest="params", action="append", default=[], type=param, help=text
    )
    parser.add_argument("--params", metavar="JSON", action="extend", type=params, help="the same as a JSON object")


def checked_params(options: argparse.Namespace, tasks: Registry) -> tuple[str, dict[str, Any]]:
    """The task that the command is for as far as its parameters say, and these, which it takes.

    Raises UnknownTask, TaskUnavailable, or InvalidParams.
    """
    typed = dict(options.params)
    name = tasks.meant(options.task, (), typed, "image")
    fields = tasks.get(name).Params.model_fields

    def value(each: str, given: Any) -> Any:
        if not isinstance(given, Typed):
            return given
        return given.text if each in fields and fields[each].annotation is str else given.value

    params = {each: value(each, given) for each, given in typed.items()}
    tasks.checked(name, params)
    return name, params


def takes_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the ids of jobs, and --all."""
    parser.add_argument("ids", metavar="ID", nargs="*")
    parser.add_argument("--all", action="store_true", help="all there are")


def takes_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON value a line")
