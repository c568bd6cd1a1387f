"""Workers forked from the zygote find what a process of its own finds."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.launcher.commands import command as command_of
from spoolfarm.launcher.zygote_child import Fork, ZygoteChild
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import new_worker_id
from spoolfarm.system import orphans, threads
from spoolfarm.tasks.segment.task import Segment
from tests.support.drawn_scenes import ellipses, png
from tests.support.running_farm import ROOT, until
from tests.support.silent_context import Silence


class Parent:
    """A zygote of this process with segment in it, and the workers it forks."""

    def __init__(self, farm: Farm) -> None:
        self._selector = selectors.DefaultSelector()
        self._farm = farm
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **farm.settings.environment()}
        command = [*command_of("launcher.zygote"), "--tasks", "segment"]
        alone = self._environment | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._zygote = ZygoteChild(command, alone, self._selector, wanted=True)
        self._zygote.start()
        until(self._is_ready, 60)

    def _is_ready(self) -> bool:
        self._zygote.pass_on()
        assert self._zygote.reap() is None, self._zygote.last_words()
        return self._zygote.ready

    @contextmanager
    def worker(self, budget: int) -> Iterator[Fork]:
        """A worker with so many threads, ready, until the block ends."""
        arguments = ["--id", new_worker_id(), "--launcher", str(os.getpid()), "--tasks", "segment"]
        forked = self._zygote.fork(arguments, {**self._environment, threads.VARIABLE: str(budget)})
        try:
            until(lambda: forked.pid in [worker["pid"] for worker in self._farm.workers()])
            yield forked
        finally:
            os.kill(forked.pid, signal.SIGKILL)
            assert forked.wait() == -signal.SIGKILL
            assert forked.stdout is not None
            forked.stdout.close()

    def close(self) -> None:
        self._zygote.kill()
        until(self._zygote.reap)
        self._selector.close()


@pytest.fixture
def parent(farm: Farm) -> Iterator[Parent]:
    assert orphans.adopt_orphans()
    made = Parent(farm)
    yield made
    made.close()
    ctypes.CDLL(None).prctl(orphans.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def test_forked_workers_find_the_same_masks_to_the_byte_with_one_thread_and_with_two(
    parent: Parent, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    before = torch.get_num_threads()
    alone, picture = Segment(), png(ellipses(4)[0])
    alone.settings = {"FARM_SEGMENT_MODEL": "default", "FARM_SEGMENT_PRECISION": "fp32"}
    for budget in (1, 2):
        monkeypatch.setenv(threads.VARIABLE, str(budget))
        alone.setup()
        [known] = alone.run([Job("segment", alone.validate({}), [picture])], Silence())
        with parent.worker(budget) as worker:
            found = farm.call("segment", picture, timeout=60)
            assert (len(os.listdir(f"/proc/{worker.pid}/task")) > 1) == (budget > 1)
        assert found["engine"] == "mask-rcnn"
        assert len(found["masks"]) == 4
        assert found["masks"] == known["masks"]
    torch.set_num_threads(before)
