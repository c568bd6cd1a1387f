"""What can be said on the command line about a training; it loads nothing heavy."""

from __future__ import annotations

import argparse

#: The word for drawn scenes where a folder could stand.
SYNTHETIC = "synthetic"
#: The word for random weights where a file could stand.
SCRATCH = "scratch"
#: The word for the weights of the package where a file could stand.
PACKAGED = "default"
#: One picture of a folder in this many is kept for the evaluation, unless said otherwise.
KEPT = 5


def takes_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `spoolfarm train`."""
    parser.add_argument("model", choices=["segment"], help="the small Mask R-CNN behind the segment task")
    text = (
        f"a folder of pictures with their labels in COCO's format, or {SYNTHETIC}: scenes that are drawn; several are "
        "learned together, DIR:2 twice as often as another"
    )
    parser.add_argument("--data", metavar="DIR[:WEIGHT]", action="append", help=text)
    text = f"one picture in N of a folder is kept for the evaluation and never learned; {KEPT} unless said"
    parser.add_argument("--keep", type=_several, metavar="N", default=KEPT, help=text)
    text = "the weights to write; beside them the checkpoint and the curve, with .checkpoint and .svg at the end"
    parser.add_argument("--out", metavar="FILE", help=text)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint; other options may change")
    text = f"weights to begin with: {PACKAGED} for those of the package, as with a folder; {SCRATCH} for random ones"
    parser.add_argument("--start", metavar="FILE", help=text)
    text = f"only say how good these weights are on the data, {PACKAGED} for those of the package"
    parser.add_argument("--evaluate", metavar="FILE", help=text)
    recipe = parser.add_argument_group("the recipe")
    recipe.add_argument("--iterations", type=_count, metavar="N", help="batches in all")
    recipe.add_argument("--anneal", type=_count, metavar="N", help="the last of them, over which the rate goes down")
    text = "when the training ends at the latest; the rate comes down in time. 25 unless --iterations is said"
    recipe.add_argument("--minutes", type=_minutes, metavar="N", help=text)
    recipe.add_argument("--rate", type=_rate, metavar="X", help="the learning rate")
    recipe.add_argument("--batch", type=_count, metavar="N", help="pictures in a batch")
    recipe.add_argument("--side", type=_side, metavar="PIXELS", help="of a training picture, a multiple of 32")
    recipe.add_argument("--seed", type=int, metavar="N", help="the same seed and data give the same net")
    machine = parser.add_argument_group("the machine")
    text = "processes that learn together, each its part of every batch: as many as cores; 1 unless said"
    machine.add_argument("--learners", type=_count, metavar="N", default=1, help=text)
    machine.add_argument("--threads", type=_count, metavar="N", default=1, help="of each learner; 1 unless said")
    text = "that draw or read pictures beside a single learner; 1 unless said"
    machine.add_argument("--processes", type=_natural, metavar="N", default=1, help=text)


def _natural(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return value


def _count(text: str) -> int:
    value = _natural(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return value


def _several(text: str) -> int:
    value = _natural(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 2")
    return value


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes")
    return value


def _side(text: str) -> int:
    value = _natural(text)
    if not 64 <= value <= 1024 or value % 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no multiple of 32 from 64 to 1024")
    return value


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 1")
    return value
