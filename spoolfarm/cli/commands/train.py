"""The verb `train`: the net behind a task, trained on drawn scenes or on your own pictures."""

from __future__ import annotations

import argparse

from spoolfarm.training.options import takes_train as takes

__all__ = ["TEXT", "run", "takes"]

TEXT = "train the net behind a task on drawn scenes or on pictures of your own"


def run(options: argparse.Namespace) -> int:
    """Train a net, or say how good one is."""
    from spoolfarm.tasks import extras

    extras.require("the training", "segment")
    from spoolfarm.training.command import train

    return train(options, lambda line: print(line, flush=True))
