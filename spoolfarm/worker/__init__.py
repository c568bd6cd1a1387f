"""One worker: claim, run, publish, again and again; what its tasks may use, and where they run."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker; see `python worker.py --help`."""
    from spoolfarm.worker import worker  # here: reading the workers' stats needs none of it

    return worker.main(arguments)
