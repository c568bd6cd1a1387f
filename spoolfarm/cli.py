"""The operator's verbs: `spoolfarm submit`, `status`, `result`, `retry`, `cancel`, `purge`, `train`, `doctor`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spoolfarm.arguments import VerbParser, age, param, seconds
from spoolfarm.errors import FarmError, JobFailed, SpoolFull, SpoolUnavailable, UnknownJob
from spoolfarm.overview import count, line, lines, overview
from spoolfarm.segment.options import takes_train

if TYPE_CHECKING:
    from spoolfarm.farm import Farm

#: What is wrong with the next file as well.
NO_ROOM = (SpoolFull, SpoolUnavailable)
#: The exit status of a program that Ctrl-C ended: 128 + SIGINT.
INTERRUPTED = 130
#: What stands for "no limit" where a wait must have an end.
FOREVER = 10 * 365 * 86400.0


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
                jobs.append((name, farm.put(job).id))
            except (FarmError, OSError) as error:
                _complain(error, name)
                failed = True
                if isinstance(error, NO_ROOM):
                    break
                continue
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
        record = _ended_record(farm, options.id, options.wait)
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
                print(f"{job_id} {'will stop within seconds' if _runs(farm, job_id) else 'cancelled'}")
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


def train(options: argparse.Namespace) -> int:
    """Train a net."""
    from spoolfarm.segment.command import train

    return train(options, lambda line: print(line, flush=True))


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


def _runs(farm: Farm, job_id: str) -> bool:
    try:
        return bool(farm.record(job_id)["status"] == "running")
    except UnknownJob:
        return False  # who waited for it has seen that it is over


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


def _ended_record(farm: Farm, job_id: str, wait: float) -> dict[str, Any]:
    """The record of a job that has ended. Raises UnknownJob, or FarmError when it has not after *wait* seconds."""
    from spoolfarm.results import ended

    record = farm.record(job_id)
    if not ended(record) and wait > 0:
        record = farm.wait_record(job_id, wait)
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
    from spoolfarm import files
    from spoolfarm.entry import born

    return max(files.modified(f"{farm.results.root}/{job_id}.json"), born(job_id))


def _buried(farm: Farm, job_id: str) -> float:
    from spoolfarm import files

    return files.modified(farm.spool.dead.path(job_id))


# The command line.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spoolfarm", description="Work with the farm on this machine.")
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=VerbParser)
    for verb, text, takes in VERBS:
        sentence = f"{text[0].upper()}{text[1:]}."
        made = verbs.add_parser(verb.__name__, help=text, description=sentence, allow_abbrev=False)
        made.set_defaults(verb=verb, refuse=made.error)
        takes(made)
    return parser


def _takes_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="ocr, segment, ...; a wrong name is answered with the right ones")
    parser.add_argument("files", metavar="FILE", nargs="*", help="a picture; - reads standard input")
    text = "a parameter of the task; the value is JSON when it reads as JSON, else text"
    parser.add_argument(
        "-p", "--param", metavar="NAME=VALUE", dest="params", action="append", default=[], type=param, help=text
    )
    parser.add_argument("--priority", metavar="0..9", type=int, choices=range(10), default=5, help="0 is done first")
    text = "print the results, waiting so long at most, without SECONDS until they are there"
    parser.add_argument("--wait", metavar="SECONDS", nargs="?", type=seconds, const=FOREVER, help=text)
    _takes_json(parser)


def _takes_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*")
    _takes_json(parser)


def _takes_result(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--wait", metavar="SECONDS", type=seconds, default=0.0, help="wait so long for its end")
    parser.add_argument("--text", action="store_true", help="print only the text in the result")


def _takes_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*")
    parser.add_argument("--all", action="store_true", help="all there are")


def _takes_purge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", action="store_true", help="only results")
    parser.add_argument("--dead", action="store_true", help="only dead letters")
    parser.add_argument("--older-than", metavar="AGE", type=age, help="only what is older: seconds, or 30m, 2h, 7d")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def _takes_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value a line")


#: Every verb, what it does, and what adds its arguments.
VERBS = (
    (submit, "queue one job for each file and print the ids, or wait and print the results", _takes_submit),
    (status, "show what the farm does, or what is known of some jobs", _takes_status),
    (result, "print the result of a job", _takes_result),
    (retry, "queue jobs that failed for good again", _takes_jobs),
    (cancel, "cancel jobs that are queued or running", _takes_jobs),
    (purge, "remove ended results and dead letters", _takes_purge),
    (train, "train the net behind a task on drawn scenes or on pictures of your own", takes_train),
    (doctor, "check this machine, the settings and the farm", _takes_json),
)


if __name__ == "__main__":
    sys.exit(main())
