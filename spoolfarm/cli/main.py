"""The command line `spoolfarm`: the operator's verbs, found in `commands/`."""
# PYTHON_ARGCOMPLETE_OK: this word tells a shell with global completion that it may ask this program.

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from spoolfarm import config
from spoolfarm.cli.arguments import VerbParser, Version
from spoolfarm.cli.commands import (
    batch,
    cancel,
    complain,
    doctor,
    jobs,
    logs,
    pause,
    purge,
    result,
    resume,
    retry,
    run,
    status,
    submit,
    tasks,
    top,
    train,
)
from spoolfarm.errors import FarmError
from spoolfarm.system import process, streams

#: The verbs, in the order in which the help shows them.
VERBS = {
    "run": run,
    "submit": submit,
    "batch": batch,
    "status": status,
    "top": top,
    "jobs": jobs,
    "logs": logs,
    "tasks": tasks,
    "result": result,
    "retry": retry,
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
    "purge": purge,
    "train": train,
    "doctor": doctor,
}
#: The exit status of a program that Ctrl-C ended: 128 + SIGINT.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return 0 when all went well, 1 when not, 130 after Ctrl-C. Bad usage exits with 2."""
    streams.prepare()
    process.end_at_once()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks; nobody else shall pay for the answer
        from spoolfarm.cli import completion

        completion.answer(_parser(argparse.ArgumentParser))
    options = _parser().parse_args(arguments)
    try:
        config.use_home(vars(options).get(config.HOME))
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        streams.flush()
        return 1
    except (FarmError, OSError, ImportError) as error:
        complain(error)
        streams.flush()
        return 1


def _parser(of_verb: type[argparse.ArgumentParser] = VerbParser) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spoolfarm", description="Work with the farm on this machine.")
    parser.add_argument("--version", action=Version, help="print the version")
    _takes_home(parser)
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=of_verb)
    for name, verb in VERBS.items():
        sentence = f"{verb.TEXT[0].upper()}{verb.TEXT[1:]}."
        made = verbs.add_parser(name, help=verb.TEXT, description=sentence, allow_abbrev=False)
        made.set_defaults(run=verb.run, refuse=made.error)
        verb.takes(made)
        if verb is not run:  # which takes every setting
            _takes_home(made)
    return parser


def _takes_home(parser: argparse.ArgumentParser) -> None:
    text = "where the farm lies: .env, and spool and results unless settings say otherwise (FARM_HOME)"
    parser.add_argument("--home", dest=config.HOME, metavar="DIR", default=argparse.SUPPRESS, help=text)
