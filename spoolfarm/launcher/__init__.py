"""Supervision: front, hot folder and workers are started, watched, replaced and stopped."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the farm; see `python launcher.py --help`."""
    from spoolfarm.launcher import launcher  # here: a batch uses a pool of workers without a launcher

    return launcher.main(arguments)
