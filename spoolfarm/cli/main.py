"""The command line `spoolfarm`: the operator's verbs, found in `commands/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from spoolfarm.cli.arguments import VerbParser
from spoolfarm.cli.commands import batch, cancel, complain, doctor, purge, result, retry, status, submit, top, train
from spoolfarm.errors import FarmError
from spoolfarm.system import streams

#: The verbs, in the order in which the help shows them.
VERBS = {
    "submit": submit,
    "batch": batch,
    "status": status,
    "top": top,
    "result": result,
    "retry": retry,
    "cancel": cancel,
    "purge": purge,
    "train": train,
    "doctor": doctor,
}
#: The exit status of a program that Ctrl-C ended: 128 + SIGINT.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return 0 when all went well, 1 when not, 130 after Ctrl-C. Bad usage exits with 2."""
    streams.prepare()
    options = _parser().parse_args(arguments)
    try:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spoolfarm", description="Work with the farm on this machine.")
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=VerbParser)
    for name, verb in VERBS.items():
        sentence = f"{verb.TEXT[0].upper()}{verb.TEXT[1:]}."
        made = verbs.add_parser(name, help=verb.TEXT, description=sentence, allow_abbrev=False)
        made.set_defaults(run=verb.run, refuse=made.error)
        verb.takes(made)
    return parser
