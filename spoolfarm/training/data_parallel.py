"""Learners: processes that take the steps of one training together, each with its part of every batch.

Synchronous data parallelism: all begin alike, every step follows the mean of their gradients, so they stay alike.
torch.distributed carries the gradients, by gloo.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, distributed

from spoolfarm.errors import FarmError
from spoolfarm.training.samples import Source
from spoolfarm.training.training import Training

#: How long one learner waits for another before it takes it for lost.
PATIENCE = timedelta(minutes=5)


@contextmanager
def learners(training: Training, count: int) -> Iterator[None]:
    """Let *count* processes take the steps of *training*, this one and copies of it, until the context ends.

    Each draws its own samples. Raises FarmError when a batch has no equal parts for them.
    """
    if count == 1:
        yield
        return
    if training.recipe.batch % count:
        raise FarmError(f"{count} learners cannot share a batch of {training.recipe.batch} pictures equally")
    with TemporaryDirectory(prefix="spoolfarm-learners-") as place:
        begin = Path(place) / "checkpoint"
        training.checkpoint(begin)
        spawn = multiprocessing.get_context("spawn")  # a fork after torch has run may hang
        told = (begin, training.source, count, torch.get_num_threads())
        copies = [spawn.Process(target=_copy, args=(rank, *told), daemon=True) for rank in range(1, count)]
        for copy in copies:
            copy.start()
        try:
            _meet(training, begin, 0, count)
            yield
        finally:
            for copy in copies:
                copy.terminate()
                copy.join()
            training.part, training.agree = slice(None), None
            if distributed.is_initialized():
                distributed.destroy_process_group()


def _copy(rank: int, begin: Path, source: Source, count: int, threads: int) -> None:
    """Take all the steps that the first learner takes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first
    torch.set_num_threads(threads)
    training = Training.resume(begin, source)
    _meet(training, begin, rank, count)
    for _ in training.steps(processes=0):
        pass


def _meet(training: Training, begin: Path, rank: int, count: int) -> None:
    meeting = begin.with_name("meeting").as_uri()
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count, timeout=PATIENCE)
    training.part, training.agree = slice(rank, None, count), _average


def _average(gradients: Sequence[Tensor]) -> None:
    """Replace each gradient by its mean over all learners. Raises FarmError when one of them is gone."""
    flat = torch.cat([each.flatten() for each in gradients])
    try:
        distributed.all_reduce(flat)
    except RuntimeError as error:
        raise FarmError(f"a learner is gone: {error}", hint="go on from the checkpoint with --resume") from error
    flat /= distributed.get_world_size()
    means = torch.split(flat, [each.numel() for each in gradients])
    for each, mean in zip(gradients, means, strict=True):
        each.copy_(mean.view_as(each))
