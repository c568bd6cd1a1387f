"""A query: which jobs a listing shows, by what their records say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolfarm.errors import InvalidRequest
from spoolfarm.spool.index import Index, field
from spoolfarm.spool.job import State

#: A text after every id.
LAST_ID = "g"
#: What the clock in an id can say, in seconds since the epoch.
LAST_TIME = 1.8e10


@dataclass(frozen=True, slots=True)
class Query:
    """What is None or empty is not asked for."""

    status: str | None = None
    task: str | None = None
    #: Who submitted it: http, cli, python, inbox, batch or part.
    source: str | None = None
    #: Part of the name of its file, and part of the text of its error, in any case.
    name: str = ""
    error: str = ""
    #: The beginning of its id.
    id: str = ""
    #: When it was submitted, in seconds since the epoch: not before *since*, and before *until*.
    since: float | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        """Raises InvalidRequest: a status that there is not would find nothing, as if there were no such job."""
        if self.status and self.status not in list(State):
            raise InvalidRequest(f"status: must be one of {', '.join(State)}, not {self.status!r}")

    @property
    def lowest(self) -> str:
        """No id below this one is meant."""
        return max(self.id, "" if self.since is None else _first_id(self.since))

    def highest(self, before: str) -> str:
        """Every id that is meant is below this one, and below *before*."""
        beginning = self.id + LAST_ID if self.id else LAST_ID
        return min(before, beginning, LAST_ID if self.until is None else _first_id(self.until))

    def fits(self, record: Mapping[str, Any]) -> bool:
        """Whether the job of *record* is meant."""
        return (
            self.status in (None, record["status"])
            and self.task in (None, record["task"])
            and self.source in (None, record.get("source", ""))
            and self.name.lower() in (record.get("name") or "").lower()
            and self.error.lower() in (record.get("error") or "").lower()
        )

    def suggested(self, index: Index, slot: str) -> list[str]:
        """The ids in a slot of *index* that may be meant: none is left out, a few may be among them that are not."""
        whole = [f"\t{field(each)}\t" for each in (self.status, self.task, self.source) if each]
        if not self.name and not self.error:
            return index.ids(slot, whole)
        name, error = field(self.name).lower(), field(self.error).lower()
        lines = index.lines(slot, whole, [name, error])
        return [line[0] for line in lines if name in line[4].lower() and error in line[5].lower()]


def _first_id(seconds: float) -> str:
    """The first id that a job submitted at *seconds* since the epoch may have."""
    return f"{int(min(max(0.0, seconds), LAST_TIME) * 1e9):016x}"
