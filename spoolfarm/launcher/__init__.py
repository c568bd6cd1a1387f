"""Supervision: front, hot folder and workers are started, watched, replaced and stopped."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the farm; see `python launcher.py --help`."""
    from spoolfarm.launcher import launcher  # now: a batch has a pool of workers without one

    return launcher.main(arguments)
