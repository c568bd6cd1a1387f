"""Bulk: one act on every job that a query means, so many at a time, or the count of those it would be done to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from spoolfarm.errors import FarmError, InvalidRequest, SpoolFull
from spoolfarm.farm.query import Query
from spoolfarm.spool.deadletters import BURIAL
from spoolfarm.spool.job import State
from spoolfarm.spool.record import ENDED

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm

#: Seconds after which one call ends, with more to do.
SECONDS = 5.0
#: Jobs that one page of the listing brings.
PAGE = 200
#: Ids that are named of those an act is refused to, for each reason.
NAMED = 10


class Act(StrEnum):
    """What is done to each job."""

    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"


#: The states of the jobs that each act is for.
MEANT: Mapping[Act, frozenset[State]] = {
    Act.RETRY: frozenset({State.FAILED}),
    Act.CANCEL: frozenset({State.QUEUED, State.RUNNING}),
    Act.DELETE: ENDED,
}


@dataclass(slots=True)
class Tally:
    """What came of it."""

    #: Jobs that were meant, and those of them that it was, or would be, done to.
    matched: int = 0
    done: int = 0
    #: By the reason: how many it was refused to, and some of their ids.
    refused: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    #: Where to go on: at the jobs with an id below this one. None when there is no more.
    next: str | None = None

    def refuse(self, job_id: str, reason: str) -> None:
        """Note that it cannot be done to one."""
        number, ids = self.refused.get(reason, (0, []))
        self.refused[reason] = number + 1, [*ids, job_id] if number < NAMED else ids


class Bulk:
    """Acts on the jobs of *farm*."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._do: Mapping[Act, Callable[[str], Any]] = {
            Act.RETRY: farm.retry,
            Act.CANCEL: farm.cancel,
            Act.DELETE: self._delete,
        }

    def act(self, act: Act, query: Query, before: str, limit: int, *, dry_run: bool) -> Tally:
        """Do *act* to at most *limit* of the jobs with an id below *before* that *query* means, the newest first.

        With *dry_run* they are only counted. Raises InvalidRequest when *query* means only jobs that *act* is not for.
        """
        if query.status is not None and query.status not in MEANT[act]:
            states = " and ".join(sorted(MEANT[act]))
            raise InvalidRequest(f"status: {act} is for jobs that are {states}, and not {query.status}")
        if act is Act.RETRY:
            query = replace(query, status=State.FAILED)
        tally, end = Tally(next=before), time.monotonic() + SECONDS
        refusal = self._refusals() if act is Act.RETRY else _none
        while tally.next is not None and tally.matched < limit and time.monotonic() < end:
            page = self._farm.page(query, tally.next, min(PAGE, limit - tally.matched))
            tally.next = page.next
            for record in (each for each in page.records if each["status"] in MEANT[act]):
                tally.matched += 1
                if reason := refusal(record):
                    tally.refuse(record["id"], reason)
                elif dry_run or self._done(act, record["id"], tally):
                    tally.done += 1
        return tally

    def _refusals(self) -> Callable[[Mapping[str, Any]], str]:
        """What says of the record of a failed job why it cannot run again; nothing when it can."""
        tasks, letters = {*self._farm.tasks.usable()}, {*self._farm.spool.dead.ids()}

        def reason(record: Mapping[str, Any]) -> str:
            if record["task"] not in tasks:
                return f"task {record['task']!r} is gone"
            kept = record["id"] in letters or time.time() - record["finished"] < BURIAL
            return "" if kept else "it is no dead letter: nothing is left of it that could run again"

        return reason

    def _done(self, act: Act, job_id: str, tally: Tally) -> bool:
        try:
            if act is Act.RETRY:
                self._farm.admission.take()
            if self._do[act](job_id) is False:
                tally.refuse(job_id, "it has ended meanwhile")
                return False
        except SpoolFull:
            tally.refuse(job_id, "the queue is full")
        except FarmError as error:
            tally.refuse(job_id, str(error).replace(job_id, "..."))
        except OSError as error:
            tally.refuse(job_id, f"the disk refuses: {error.strerror}")
        else:
            return True
        return False

    def _delete(self, job_id: str) -> None:
        self._farm.remove_dead_letter(job_id)
        self._farm.remove_result(job_id)


def _none(record: Mapping[str, Any]) -> str:
    return ""
