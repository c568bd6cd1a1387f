"""The verb `batch`: many files through one task."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from spoolfarm import config
from spoolfarm.arguments import number
from spoolfarm.errors import InvalidParams, InvalidRequest, UnknownTask
from spoolfarm.job import LAST
from spoolfarm.verbs import complain, takes_params

if TYPE_CHECKING:
    from spoolfarm.batch.inputs import Inputs
    from spoolfarm.batch.ledger import Beginning, Ledger
    from spoolfarm.batch.run import Batch, Summary
    from spoolfarm.farm import Farm

TEXT = "do many files: folders in, answers out, and go on after an interruption"

#: Jobs that are under way at once, and at least for each worker.
IN_FLIGHT, FOR_EACH = 64, 4
#: Seconds between two looks at who works in the running farm.
LOOK = 2.0
#: What is sent by Ctrl-C, by kill, and by a terminal that is closed.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What makes no sense as a whole, and is answered with the status 2.
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
    parser.add_argument("--priority", metavar="0..9", type=int, choices=range(10), default=LAST, help=text)
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def run(options: argparse.Namespace) -> int:
    """Do the files; return 0 when all succeeded, 1 when not, 2 for what makes no sense, 128 + signal when stopped."""
    if not options.paths:
        options.refuse("name files, folders or globs, or - for a list on standard input")
    from spoolfarm.batch.ledger import Ledger

    settings = config.load()
    try:
        inputs, beginning = _plan(options, settings)
        out = options.out or f"{options.task}-results"
        ledger = Ledger(out, beginning, resume=options.resume, table=options.format == "csv")
    except USAGE as error:
        complain(error)
        return 2
    with closing(ledger):
        summary, stopped_by = _work(options, settings, inputs, ledger)
    _tell(summary, os.path.join(out, "results.jsonl"))
    if stopped_by:
        print(f"spoolfarm: interrupted; --resume goes on with {out}", file=sys.stderr)
        return 128 + stopped_by
    return int(summary.failed > 0)


def _plan(options: argparse.Namespace, settings: config.Settings) -> tuple[Inputs, Beginning]:
    """What is to be done to what. Raises one of USAGE."""
    from spoolfarm.batch.inputs import DOCUMENTS, PICTURES, find, listed
    from spoolfarm.batch.ledger import Beginning
    from spoolfarm.tasks.registry import Registry

    task = Registry(settings.tasks, settings.enable, settings.by_name()).get(options.task)
    params = dict(options.params)
    task.validate(params)
    if not task.min_images <= 1 <= task.max_images:
        raise InvalidRequest(f"task {options.task} does not work on one picture at a time")
    words: list[str] = []
    for word in options.paths:
        words += listed(sys.stdin.buffer.read()) if word == "-" else [word]
    inputs = find(words, PICTURES if task.pictures else PICTURES | DOCUMENTS)
    return inputs, Beginning(options.task, params, inputs.base)


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
    with Signals() as signals, progress, _workers(options, settings) as (farm, tend):
        in_flight = max(IN_FLIGHT, FOR_EACH * max(settings.workers, options.workers or 0))
        in_flight = min(in_flight, max(1, farm.settings.max_queued // 2))  # the other half is for those who come first
        batch = Batch(farm, ledger, progress, priority=options.priority, in_flight=in_flight, tend=tend)
        summary = signals.run(batch, inputs)
    return summary, signals.came[0] if signals.came else 0


@contextmanager
def _workers(options: argparse.Namespace, settings: config.Settings) -> Iterator[tuple[Farm, Callable[[], str]]]:
    """The running farm, or one of the batch's own, and what is to be called now and then."""
    from spoolfarm.batch.ownfarm import OwnFarm
    from spoolfarm.farm import Farm

    if options.workers is None and _runs(settings, options.task):
        with closing(Farm(settings=settings)) as farm:
            yield farm, _look_at(farm, options.task)
    else:
        with OwnFarm(settings, options.task, options.workers or settings.workers or config.cores()) as own:
            yield own.farm, own.tend


def _runs(settings: config.Settings, task: str) -> bool:
    """Whether a farm runs that does *task*, or will when its workers have started."""
    from spoolfarm import lease

    root = settings.spool_dir
    if not os.path.isdir(f"{root}/workers"):
        return False
    return lease.alive(root, "launcher") or any(task in worker["tasks"] for worker in lease.ready(f"{root}/workers"))


def _look_at(farm: Farm, task: str) -> Callable[[], str]:
    """What says, looking now and then, whether somebody in the running farm takes *task*."""
    due, waiting = 0.0, ""

    def tend() -> str:
        nonlocal due, waiting
        if time.monotonic() >= due:
            due = time.monotonic() + LOOK
            taken = any(task in worker["tasks"] for worker in farm.workers())
            waiting = "" if taken else f"waiting for a worker that takes {task}"
        return waiting

    return tend


class Signals:
    """Those that end a program: the first one stops the batch in order, the second at once."""

    def __init__(self) -> None:
        self.came: list[int] = []
        #: The batch while it runs: before and after, nothing is to be stopped that takes long.
        self._batch: Batch | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        self._before = {ending: signal.signal(ending, self._note) for ending in ENDING}
        return self

    def __exit__(self, *_: object) -> None:
        for ending, handler in self._before.items():
            signal.signal(ending, handler)

    def run(self, batch: Batch, inputs: Inputs) -> Summary:
        """Run *batch* until it ends or is stopped. Raises KeyboardInterrupt when it is stopped at once."""
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


def _tell(summary: Summary, results: str) -> None:
    """Name the first failures, and say how many there were of what."""
    for name, reason in summary.failures:
        print(f"spoolfarm: {name}: {reason}", file=sys.stderr)
    if more := summary.failed - len(summary.failures):
        print(f"spoolfarm: and {more} more; see {results}", file=sys.stderr)
    earlier = f", {summary.earlier} done before" if summary.earlier else ""
    print(f"{summary.succeeded} succeeded, {summary.failed} failed{earlier}: {results}")
