"""Options: what a schedule is made of. All of it follows from the seed, unless it is given."""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Options:
    """One schedule: its seed and what was drawn from it."""

    seed: int
    #: How many workers live at once, and how many launchers look after the dead.
    workers: int
    launchers: int
    #: How many clients there are, and what each does before it ends.
    clients: int
    acts: int
    #: How many jobs there are at most: the fewer, the more often two processes meet at one.
    jobs: int
    #: How many files are dropped into the hot folder; with none there is no hot folder.
    files: int
    #: What clients are bent on: see `roles.MOODS`.
    mood: str
    #: How likely another process goes on at each call.
    switch: float
    #: Seconds of the clock that a call takes: of a fast machine, or of one that is about to stall.
    tick: float
    #: How likely something befalls a process at each call, and how often that is death, an error, or a pause.
    fault: float
    kill_share: float
    error_share: float
    #: How often somebody pauses the queue and resumes it.
    pauses: int

    @property
    def faults(self) -> tuple[float, float, float]:
        """The shares of death, errors and pauses."""
        whole = max(1.0, self.kill_share + self.error_share)
        kills, errors = self.kill_share / whole, self.error_share / whole
        return kills, errors, 1.0 - kills - errors

    def __str__(self) -> str:
        return " ".join(f"--{each.name.replace('_', '-')} {getattr(self, each.name)}" for each in fields(self))


def drawn(seed: int) -> Options:
    """The options of a seed. Schedules differ in kind, not only in order: what one kind cannot find, another may."""
    chance = random.Random(f"options {seed}")
    return Options(
        seed=seed,
        workers=chance.choice((1, 1, 2, 2, 3)),
        launchers=chance.choice((1, 1, 2)),
        clients=chance.choice((1, 2, 2, 3, 4)),
        acts=chance.choice((2, 4, 8)),
        jobs=chance.choice((1, 1, 2, 4)),
        mood=chance.choice(("any", "any", "retry", "forget", "letters")),
        switch=chance.choice((0.9, 0.3, 0.1)),
        tick=chance.choice((2e-5, 2e-5, 0.002, 0.1)),
        files=chance.choice((0, 0, 0, 1, 3)),
        fault=chance.choice((0.0, 0.003, 0.01, 0.03)),
        kill_share=chance.choice((0.0, 0.2, 0.5, 1.0)),
        error_share=chance.choice((0.0, 0.2, 0.5)),
        pauses=chance.choice((0, 0, 0, 1, 3)),
    )


#: How the options are read, by their types.
KINDS = {"int": int, "float": float, "str": str}


def add_to(parser: argparse.ArgumentParser) -> None:
    """Let *parser* take each option, to replace what the seed says."""
    for each in fields(Options):
        if each.name != "seed":
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=KINDS[str(each.type)], help=argparse.SUPPRESS)


def given(seed: int, arguments: argparse.Namespace) -> Options:
    """The options of *seed*, save for those that *arguments* name."""
    named = {each.name: getattr(arguments, each.name, None) for each in fields(Options) if each.name != "seed"}
    return replace(drawn(seed), **{name: value for name, value in named.items() if value is not None})
