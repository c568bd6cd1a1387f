"""A finding: what one check of the doctor's has to say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    #: As it should be.
    OK = "ok"
    #: The farm works, but not as well or as safely as it could.
    WARN = "warn"
    #: The farm cannot work like this.
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and for all but OK what to do about it."""

    level: Level
    check: str
    what: str
    advice: str = ""

    def line(self) -> str:
        """The finding for people."""
        return f"{self.level:<4}  {self.check}: {self.what}" + (f"; {self.advice}" if self.advice else "")

    def record(self) -> dict[str, str]:
        """The finding for programs."""
        return asdict(self)
