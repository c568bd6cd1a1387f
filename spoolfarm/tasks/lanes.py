"""The lanes: the kinds of workers there are, each for some of the tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spoolfarm.config import Settings

#: The lane of a task that names none.
GENERAL = "general"
#: The lane of those that hand the pages of documents to the general workers.
DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Lane:
    """The workers for some of the tasks, by the settings that say how many there are and how long a job may take."""

    #: Fields of Settings.
    workers: str
    timeout: str

    def count(self, settings: Settings) -> int:
        """How many workers it has at the start."""
        return int(getattr(settings, self.workers))

    def seconds(self, settings: Settings) -> float:
        """How long one attempt may run."""
        return float(getattr(settings, self.timeout))

    @property
    def timeout_setting(self) -> str:
        """The name of the setting behind `seconds`."""
        return f"FARM_{self.timeout.upper()}"


#: Every lane by its name, which a task has in `Task.lane`.
LANES: Mapping[str, Lane] = {
    GENERAL: Lane("workers", "job_timeout"),
    #: Reserved so that a long training never starves short jobs.
    "simulate": Lane("simulations", "simulation_timeout"),
    #: They wait for general workers: if they were general themselves, every worker could be waiting.
    DOCUMENT: Lane("documents", "document_timeout"),
}
