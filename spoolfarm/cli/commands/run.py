"""The verb `run`: the farm itself, in the foreground."""

from __future__ import annotations

import argparse
import os

from spoolfarm import config
from spoolfarm.config import takes_settings as takes

__all__ = ["TEXT", "run", "takes"]

TEXT = "run a farm here, or in --home, until Ctrl-C"


def run(options: argparse.Namespace) -> int:
    """Become the launcher; returns nothing."""
    from spoolfarm.launcher.commands import become_launcher

    given = {row["name"]: vars(options)[row["name"]] for row in config.rows() if row["name"] in options}
    here = config.load(given)
    os.makedirs(here.home, exist_ok=True)
    os.chdir(here.home)  # custom tasks may be modules there
    become_launcher({**given, config.HOME: here.home})
