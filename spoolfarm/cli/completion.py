"""Completion: what the shell offers at the next Tab, by way of argcomplete."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import argcomplete
from argcomplete.completers import BaseCompleter, DirectoriesCompleter, FilesCompleter

from spoolfarm import config
from spoolfarm.errors import FarmError
from spoolfarm.spool import ids


def answer(parser: argparse.ArgumentParser) -> None:
    """Tell the shell what may stand at the cursor, and exit. The shell's question is in the environment."""
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=Values())


class Values(BaseCompleter):
    """The values for one argument that begin with *prefix*, by the word that the help has for it."""

    def __call__(
        self, *, prefix: str, action: argparse.Action, parser: argparse.ArgumentParser, parsed_args: argparse.Namespace
    ) -> Iterable[str]:
        match action.metavar:
            case "FILE" | "PATH":
                return FilesCompleter()(prefix)
            case "DIR":
                return DirectoriesCompleter()(prefix)
            case "TASK" | "ID" as kind:
                given = getattr(parsed_args, "ids", None) or ()
                found = _tasks() if kind == "TASK" else _jobs(parser.prog.rpartition(" ")[2])
                return sorted(each for each in found if each.startswith(prefix) and each not in given)
        return ()


def _tasks() -> list[str]:
    from spoolfarm.tasks.registry import Registry  # loads pydantic, for which no other Tab shall wait

    try:
        settings = config.load()
        return Registry(settings.tasks, settings.enable, settings.by_name()).names()
    except FarmError:
        return []  # the command itself will report what is wrong with a setting


def _jobs(verb: str) -> set[str]:
    """The ids for which *verb* makes sense, read from the directories, of which completion must create none."""
    try:
        settings = config.load()
    except FarmError:
        return set()
    root = str(settings.spool_dir)
    match verb:
        case "retry":
            return {*ids.dead(root)}
        case "cancel":
            return {*ids.unfinished(root)}
    return {*ids.unfinished(root), *ids.dead(root), *ids.ended(str(settings.results_dir))}
