"""The verb `batch`: many files through one task."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoolfarm import config
from spoolfarm.cli.arguments import number
from spoolfarm.cli.commands import checked_params, complain, takes_params
from spoolfarm.errors import InvalidParams, InvalidRequest, UnknownTask
from spoolfarm.spool.job import FIRST, LAST

if TYPE_CHECKING:
    from spoolfarm.batch.inputs import Inputs
    from spoolfarm.batch.ledger import Beginning, Ledger
    from spoolfarm.batch.private_farm import PrivateFarm
    from spoolfarm.batch.run import Batch, Summary
    from spoolfarm.batch.workers import RunningFarm
    from spoolfarm.tasks import Task

TEXT = "do many files: folders in, answers out, and go on after an interruption"

#: Jobs that are under way at once, and at least for each worker.
IN_FLIGHT, FOR_EACH = 64, 4
#: The signals of Ctrl-C, of kill, and of a closed terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Errors that make the whole command invalid, and end it with status 2.
USAGE = (InvalidRequest, InvalidParams, UnknownTask)


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("task", metavar="TASK", help="ocr, segment, ...; a wrong name is answered with the right ones")
    text = "a file, a folder with all its pictures, a glob in quotes, or - for a list on standard input"
    parser.add_argument("paths", metavar="PATH", nargs="*", help=text)
    takes_params(parser)
    parser.add_argument("--out", metavar="DIR", help="a folder of their own for the results (default: TASK-results)")
    text = "csv: all results in a table too (default: %(default)s)"
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help=text)
    parser.add_argument("--resume", action="store_true", help="go on with the batch in DIR; what failed is tried again")
    text = "work with N workers of one's own (default: those of the running farm, else as many as cores)"
    parser.add_argument("--workers", metavar="N", type=number, help=text)
    text = "in a running farm, 0 is done first (default: %(default)s, after all others)"
    parser.add_argument("--priority", metavar="0..9", type=int, choices=range(FIRST, LAST + 1), default=LAST, help=text)
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def run(options: argparse.Namespace) -> int:
    """Do the files; return 0 when all succeeded, 1 when not, 2 for bad usage, 128 + signal when stopped."""
    if not options.paths:
        options.refuse("name files, folders or globs, or - for a list on standard input")
    from spoolfarm.batch.ledger import LINES, Ledger

    settings = config.load()
    try:
        task, inputs, beginning = _plan(options, settings)
        out = options.out or f"{options.task}-results"
        ledger = Ledger(out, beginning, resume=options.resume, table=options.format == "csv")
    except USAGE as error:
        complain(error)
        return 2
    with closing(ledger):
        summary, stopped_by = _work(options, settings, inputs, ledger)
        tables = task.summarise(task.validate(beginning.params), ledger.answers(), Path(ledger.root))
    if passed_over := inputs.said():
        print(f"spoolfarm: passed over, as no picture by its name: {passed_over}", file=sys.stderr)
    _tell(summary, *(os.path.join(out, name) for name in (LINES, *tables)))
    if stopped_by:
        print(f"spoolfarm: interrupted; --resume goes on with {out}", file=sys.stderr)
        return 128 + stopped_by
    return int(summary.failed > 0)


def _plan(options: argparse.Namespace, settings: config.Settings) -> tuple[Task, Inputs, Beginning]:
    """Which task is to be done with which inputs. Raises one of USAGE."""
    from spoolfarm.batch.inputs import find, listed, suffixes
    from spoolfarm.batch.ledger import Beginning
    from spoolfarm.tasks.registry import Registry

    registry = Registry(settings.tasks, settings.enable, settings.by_name())
    name, params = checked_params(options, registry)
    task = registry.get(name)
    if not task.min_images <= 1 <= task.max_images:
        raise InvalidRequest(f"task {options.task} does not work on one picture at a time")
    words: list[str] = []
    for word in options.paths:
        words += listed(sys.stdin.buffer.read()) if word == "-" else [word]
    inputs = find(words, suffixes(documents=task.pdf or not task.pictures))
    # Else a typing error would use up the folder of results.
    if inputs.paths and not options.resume and not any(map(os.path.lexists, inputs.paths)):
        raise InvalidRequest(f"{words[0]}: there is no such file or folder")
    return task, inputs, Beginning(options.task, params, inputs.base)


def _work(
    options: argparse.Namespace, settings: config.Settings, inputs: Inputs, ledger: Ledger
) -> tuple[Summary, int]:
    """Run the batch; return how it ended, and the signal that ended it, or 0."""
    from spoolfarm.batch.progress import BatchProgress
    from spoolfarm.batch.run import Batch, Summary

    earlier = sum(inputs.name(path) in ledger.done for path in inputs.paths)
    progress = BatchProgress(len(inputs.paths), earlier=earlier, quiet=options.quiet)
    if earlier == len(inputs.paths):
        return Summary(earlier=earlier), 0
    with Signals() as signals, progress, _workers(options, settings) as workers:
        in_flight = max(IN_FLIGHT, FOR_EACH * max(settings.workers, options.workers or 0))
        room = workers.farm.settings.max_queued // 2  # the other half is for clients with higher priority
        batch = Batch(workers, ledger, progress, options.priority, min(in_flight, max(1, room)))
        summary = signals.run(batch, inputs)
    return summary, signals.came[0] if signals.came else 0


def _workers(options: argparse.Namespace, settings: config.Settings) -> RunningFarm | PrivateFarm:
    """Those of the running farm, or the batch's own."""
    from spoolfarm.batch.private_farm import PrivateFarm
    from spoolfarm.batch.workers import RunningFarm, running

    if options.workers is None and running(settings, options.task):
        return RunningFarm(settings)
    return PrivateFarm(settings, options.workers or settings.workers or config.cores())


class Signals:
    """The signals that end a program: the first one stops the batch cleanly, the second at once."""

    def __init__(self) -> None:
        self.came: list[int] = []
        #: The batch while it runs: before and after, nothing is to be stopped that takes long.
        self._batch: Batch | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        wanted = [ending for ending in ENDING if signal.getsignal(ending) != signal.SIG_IGN]  # else nohup says no
        self._before = {ending: signal.signal(ending, self._note) for ending in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for ending, handler in self._before.items():
            signal.signal(ending, handler)

    def run(self, batch: Batch, inputs: Inputs) -> Summary:
        """Run *batch* until it ends or is stopped. Raises KeyboardInterrupt on an immediate stop."""
        self._batch = batch
        if self.came:
            batch.stop()
        try:
            return batch.run(inputs)
        finally:
            self._batch = None

    def _note(self, came: int, _: object) -> None:
        self.came.append(came)
        batch = self._batch
        if batch is None:
            return
        if len(self.came) > 1:
            self._batch = None
            raise KeyboardInterrupt
        batch.stop()


def _tell(summary: Summary, results: str, *tables: str) -> None:
    """Name the first failures, and print how many inputs succeeded and failed, and where it all is."""
    for name, reason in summary.failures:
        print(f"spoolfarm: {name}: {reason}", file=sys.stderr)
    if more := summary.failed - len(summary.failures):
        print(f"spoolfarm: and {more} more; see {results}", file=sys.stderr)
    earlier = f", {summary.earlier} done before" if summary.earlier else ""
    print(f"{summary.succeeded} succeeded, {summary.failed} failed{earlier}: {', '.join([results, *tables])}")
