"""The operator's verbs: `spoolfarm submit`, `status`, `result`, `retry`, `cancel`, `purge` and `doctor`."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from spoolfarm.errors import (
    BrokenImage,
    FarmError,
    InvalidRequest,
    JobFailed,
    TooLarge,
    UnsupportedMedia,
)
from spoolfarm.overview import count, line, lines, overview

if TYPE_CHECKING:
    from spoolfarm.farm import Farm

#: What can be wrong with one file while the next may be fine.
PICTURE_ERRORS = (OSError, BrokenImage, InvalidRequest, TooLarge, UnsupportedMedia)
#: The exit status of a program that Ctrl-C ended: 128 + SIGINT.
INTERRUPTED = 130
#: Seconds in the units of --older-than.
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return 0 when all went well, 1 when not, 130 after Ctrl-C. Bad usage exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.verb(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit shall not fail again
        return 1
    except (FarmError, OSError, ImportError) as error:
        _complain(error)
        return 1


# The verbs.


def submit(options: argparse.Namespace) -> int:
    """One job for each file; print the ids, or with --wait the results."""
    with _farm() as farm:
        params = dict(options.params)
        farm.tasks.get(options.task).validate(params)  # what is wrong with every file is said once
        failed = False
        jobs: list[tuple[str, str]] = []
        for name in options.files or [""]:
            try:
                pictures = [_read(name)] if name else []
                job = farm.job(options.task, pictures, params, priority=options.priority, durable=True)
            except PICTURE_ERRORS as error:
                _complain(error, name)
                failed = True
                continue
            jobs.append((name, farm.put(job).id))
            if options.wait is None:
                queued = {"id": job.id, "task": job.task, "status": "queued", **_file(name)}
                print(json.dumps(queued, ensure_ascii=False) if options.json else job.id)
        if options.wait is not None:
            failed |= not _show_all(farm, jobs, options)
    return int(failed)


def status(options: argparse.Namespace) -> int:
    """An overview, or the records of some jobs."""
    with _farm() as farm:
        if not options.ids:
            seen = overview(farm)
            print(json.dumps(seen, ensure_ascii=False) if options.json else "\n".join(lines(seen)))
            return 0

        def one(job_id: str) -> None:
            record = farm.record(job_id)
            print(json.dumps(record, ensure_ascii=False) if options.json else line(record))

        return _each(options.ids, one)


def result(options: argparse.Namespace) -> int:
    """The result of one job."""
    with _farm() as farm:
        record = _ended_record(farm, options.id, options.wait or 0)
    value = _outcome(record)
    if not options.text:
        print(json.dumps(value, ensure_ascii=False))
    elif (text := _text(value)) is not None:
        print(text)
    else:
        raise FarmError(f"the result of task {record['task']} has no text", hint="leave --text away")
    return 0


def retry(options: argparse.Namespace) -> int:
    """Queue dead letters again."""
    with _farm() as farm:

        def one(job_id: str) -> None:
            print(f"{farm.retry(job_id).id} queued")

        return _each(_chosen(options, farm.spool.dead.ids), one)


def cancel(options: argparse.Namespace) -> int:
    """Cancel queued and running jobs."""
    with _farm() as farm:

        def one(job_id: str) -> None:
            if farm.cancel(job_id):
                now = farm.record(job_id)["status"]
                print(f"{job_id} {'cancelled' if now == 'cancelled' else 'will stop within seconds'}")
            elif not options.all:
                raise FarmError(f"job {job_id} has ended already")

        return _each(_chosen(options, lambda: _unfinished(farm)), one)


def purge(options: argparse.Namespace) -> int:
    """Remove ended results and dead letters."""
    if not (options.results or options.dead or options.older_than is not None):
        options.refuse("say what to remove: --results, --dead, or --older-than AGE for both")
    both = not (options.results or options.dead)
    with _farm() as farm:
        results = _past(options, farm.results.ids(), lambda each: _ended(farm, each)) if options.results or both else []
        dead = _past(options, farm.spool.dead.ids(), lambda each: _buried(farm, each)) if options.dead or both else []
        if not options.dry_run:
            results = [job_id for job_id in results if farm.results.remove(job_id)]
            for job_id in dead:
                farm.spool.dead.remove(job_id)
    verb = "would remove" if options.dry_run else "removed"
    print(f"{verb} {count(len(results), 'result')} and {count(len(dead), 'dead letter')}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Check the machine, the settings and the farm."""
    from spoolfarm.doctor import examine
    from spoolfarm.finding import Level

    failed = False
    for finding in examine():
        print(json.dumps(finding.record()) if options.json else finding.line())
        failed |= finding.level is Level.FAIL
    return int(failed)


# What the verbs share.


@contextmanager
def _farm() -> Iterator[Farm]:
    from spoolfarm.farm import Farm

    farm = Farm()
    try:
        yield farm
    finally:
        farm.close()


def _complain(error: BaseException, about: str = "") -> None:
    sentence = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    hint = f" ({error.hint})" if isinstance(error, FarmError) and error.hint else ""
    about = f"{about}: " if about and about not in sentence else ""
    print(f"spoolfarm: {about}{sentence}{hint}", file=sys.stderr)


def _each(ids: Iterable[str], act: Callable[[str], None]) -> int:
    """Do *act* for each id; one that fails is named, and the rest are done. Returns the exit status."""
    failed = False
    for job_id in ids:
        try:
            act(job_id)
        except FarmError as error:
            _complain(error)
            failed = True
    return int(failed)


def _chosen(options: argparse.Namespace, everything: Callable[[], list[str]]) -> list[str]:
    """The ids given, or with --all those that *everything* finds."""
    if bool(options.ids) == options.all:
        options.refuse("give the ids of jobs, or --all")
    return sorted(everything()) if options.all else options.ids


def _unfinished(farm: Farm) -> list[str]:
    running = (entry.id for entries in farm.spool.running().values() for entry in entries)
    return [*(entry.id for entry, _ in farm.spool.queued()), *running]


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    with open(name, "rb") as file:
        return file.read()


def _file(name: str) -> dict[str, str]:
    return {"file": name} if name else {}


def _ended_record(farm: Farm, job_id: str, seconds: float) -> dict[str, Any]:
    """The record of a job that has ended. Raises UnknownJob, or FarmError when it has not after *seconds*."""
    from spoolfarm.results import ended

    record = farm.record(job_id)
    if not ended(record) and seconds > 0:
        record = farm.wait_record(job_id, seconds)
    if not ended(record):
        hint = f"collect it later: spoolfarm result {job_id} --wait 60"
        raise FarmError(f"job {job_id} is still {record['status']}", hint=hint)
    return record


def _outcome(record: dict[str, Any]) -> Any:
    """The result in *record*. Raises JobFailed with the reason."""
    if record["status"] != "succeeded":
        raise JobFailed(f"job {record['id']} {record['status']}: {record.get('error') or 'the reason has expired'}")
    return record["result"]


def _text(value: Any) -> str | None:
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _show_all(farm: Farm, jobs: Sequence[tuple[str, str]], options: argparse.Namespace) -> bool:
    """Wait for each job and print how it ended, in the order of the files; say whether all succeeded."""
    end = time.monotonic() + options.wait
    good = True
    for name, job_id in jobs:
        try:
            record = _ended_record(farm, job_id, end - time.monotonic())
            if options.json:
                print(json.dumps({**record, **_file(name)}, ensure_ascii=False))
                good &= record["status"] == "succeeded"
                continue
            value = _outcome(record)
        except FarmError as error:
            _complain(error, name)
            good = False
            continue
        if len(jobs) > 1:
            print(f"==> {name} <==")
        text = _text(value)
        print(json.dumps(value, ensure_ascii=False) if text is None else text)
    return good


def _past(options: argparse.Namespace, ids: Sequence[str], when: Callable[[str], float]) -> list[str]:
    """Those of *ids* that are older than --older-than says, by what *when* says of each."""
    latest = time.time() - (options.older_than or 0)
    return [job_id for job_id in ids if when(job_id) <= latest]


def _ended(farm: Farm, job_id: str) -> float:
    """When a job ended: no earlier than its id says it began, whatever a clock or a copy did to the file's time."""
    from spoolfarm import files, spool

    return max(files.modified(f"{farm.results.root}/{job_id}.json"), spool.born(job_id))


def _buried(farm: Farm, job_id: str) -> float:
    from spoolfarm import files

    return files.modified(farm.spool.dead.path(job_id))


# The command line.


class _Verb(argparse.ArgumentParser):
    """Takes options between the files as well as before and behind them."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spoolfarm", description="Work with the farm on this machine.")
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=_Verb)

    def verb(act: Callable[[argparse.Namespace], int], text: str, *, as_json: bool = False) -> argparse.ArgumentParser:
        sentence = f"{text[0].upper()}{text[1:]}."
        made = verbs.add_parser(act.__name__, help=text, description=sentence, allow_abbrev=False)
        made.set_defaults(verb=act, refuse=made.error)
        if as_json:
            made.add_argument("--json", action="store_true", help="print one JSON value a line")
        return made

    made = verb(submit, "queue one job for each file and print the ids, or wait and print the results", as_json=True)
    made.add_argument("task", metavar="TASK", help="ocr, segment, ...; a wrong name is answered with the right ones")
    made.add_argument("files", metavar="FILE", nargs="*", help="a picture; - reads standard input")
    made.add_argument("-p", "--param", metavar="NAME=VALUE", dest="params", action="append", default=[], type=_param,
                      help="a parameter of the task; the value is JSON when it can be read as JSON, else text")
    made.add_argument("--priority", metavar="0..9", type=int, choices=range(10), default=5, help="0 is done first")
    made.add_argument("--wait", metavar="SECONDS", nargs="?", type=_seconds, const=10 * 365 * 86400.0,
                      help="print the results, waiting so long at most, without SECONDS until they are there")
    made = verb(status, "show what the farm does, or what is known of some jobs", as_json=True)
    made.add_argument("ids", metavar="ID", nargs="*")
    made = verb(result, "print the result of a job")
    made.add_argument("id", metavar="ID")
    made.add_argument("--wait", metavar="SECONDS", type=_seconds, help="wait so long for its end")
    made.add_argument("--text", action="store_true", help="print only the text in the result")
    for act, text, everything in (
        (retry, "queue jobs that failed for good again", "every dead letter"),
        (cancel, "cancel jobs that are queued or running", "every queued and running job"),
    ):
        made = verb(act, text)
        made.add_argument("ids", metavar="ID", nargs="*")
        made.add_argument("--all", action="store_true", help=everything)
    made = verb(purge, "remove ended results and dead letters")
    made.add_argument("--results", action="store_true", help="only results")
    made.add_argument("--dead", action="store_true", help="only dead letters")
    made.add_argument("--older-than", metavar="AGE", type=_age, help="only what ended before: seconds, or 30m, 2h, 7d")
    made.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    verb(doctor, "check this machine, the settings and the farm", as_json=True)
    return parser


def _param(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value, parse_constant=_no_number)
    except ValueError:
        return name, value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; files go before --wait")
    return value


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)([smhd]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write seconds, or 30m, 2h, 7d")
    return float(match[1]) * UNITS[match[2]]


if __name__ == "__main__":
    sys.exit(main())
