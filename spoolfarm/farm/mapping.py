"""The mapping: jobs put while there is room, some under way at a time, and what came of each as soon as it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from spoolfarm.errors import JobFailed, SpoolFull
from spoolfarm.farm.in_flight import InFlight
from spoolfarm.farm.staff import FIRST_LOOK, NEXT_LOOK, Staff
from spoolfarm.spool.job import Job
from spoolfarm.spool.record import outcome
from spoolfarm.spool.spool import Spool

Item = TypeVar("Item")

#: Seconds until a full spool is tried again.
FULL_RETRY = 0.2


def mapped(
    items: Iterator[Item],
    make: Callable[[Item], Job],
    most: int,
    spool: Spool,
    staff: Staff,
    put: Callable[[Job], object],
    *,
    return_exceptions: bool,
) -> Iterator[tuple[Item, Any]]:
    """Queue by *put* what *make* makes of *items*, *most* jobs under way at most; yield each item with its result.

    Of one that fails it raises, or with *return_exceptions* yields, a JobFailed, or what *make* raised. Raises NoWorker
    where nobody does them.
    """
    tasks: set[str] = set()
    refused: deque[tuple[Item, Exception]] = deque()

    def made() -> Iterator[tuple[Job, Item] | None]:
        """The jobs that could be made; None when so many could not that these are to be handed out first."""
        for item in items:
            try:
                job = make(item)
            except Exception as error:
                if not return_exceptions:
                    raise
                refused.append((item, error))
                if len(refused) >= most:
                    yield None
            else:
                yield job, item

    def put_when_room(job: Job) -> None:
        tasks.add(job.task)
        look = time.monotonic() + FIRST_LOOK
        while True:
            try:
                put(job)
                return
            except SpoolFull:
                if time.monotonic() > look:
                    staff.check({job.task})
                time.sleep(FULL_RETRY)

    look = time.monotonic() + FIRST_LOOK
    with InFlight[Item](spool, put_when_room) as under_way:
        sound = made()
        while under_way.fill(sound, most) or refused:
            while refused:
                yield refused.popleft()
            if not under_way:
                continue
            if time.monotonic() > look:
                staff.check(tasks)
                look = time.monotonic() + NEXT_LOOK
            for item, record in under_way.finished():
                look = time.monotonic() + NEXT_LOOK
                try:
                    yield item, outcome(record)
                except JobFailed as error:
                    if not return_exceptions:
                        raise
                    yield item, error
