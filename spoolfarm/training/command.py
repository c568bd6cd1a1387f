"""`spoolfarm train segment`: train, or say how good weights are, as the command line asks."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.tasks.segment.engines import DEFAULT
from spoolfarm.tasks.segment.instance import OBJECT
from spoolfarm.training.course import LAST, Course, Say, beside, evaluate, lines
from spoolfarm.training.labelled import Labelled
from spoolfarm.training.mixture import Mixture, fitting
from spoolfarm.training.options import PACKAGED, SCRATCH, SYNTHETIC
from spoolfarm.training.samples import Drawn, Source
from spoolfarm.training.training import Recipe, Training

#: What a folder's recipe has in other ways than that of drawn scenes: weights that are trained already want less.
FOLDER = {"iterations": 2000, "anneal": 800, "warm_up": 100, "rate": 4e-4}
#: The minutes of a folder's training, unless its end is said.
MINUTES = 25.0
#: Iterations in a minute that no machine takes: where only the minutes are said, only they end a training.
EVER = 1000
#: The part of a training over which the rate comes down, where only the minutes are said.
ANNEALED = 0.4
#: The options that are fields of the recipe.
RECIPE = ("iterations", "anneal", "rate", "batch", "side", "seed", "minutes")


def train(options: argparse.Namespace, say: Say) -> int:
    """Do what the command line asks. Raises FarmError or OSError when it cannot."""
    torch.set_num_threads(options.threads)
    source = _source(options.data or [SYNTHETIC], options.keep, say)
    if options.evaluate:
        _evaluate(source, options.evaluate, say)
        return 0
    if not options.out:
        raise FarmError("say where the weights are to be written: --out FILE")
    out = Path(options.out)
    if not out.parent.is_dir() or out.is_dir():
        raise FarmError(f"--out {out} is no file in a folder that there is")
    Course(_begun(options, out, source), out, say).run(options.processes, options.learners)
    return 0


def _source(data: list[str], keep: int, say: Say) -> Source:
    """What is learned from; a folder is checked as a whole, for a training may take hours to come to a bad part."""
    sources: list[tuple[Source, float]] = []
    for each in data:
        name, weight = _weighed(each)
        if name == SYNTHETIC:
            sources.append((Drawn(), weight))
            continue
        labelled = Labelled(Path(name), keep)
        say(f"{name}: {labelled.check()}")
        sources.append((labelled, weight))
    return sources[0][0] if len(sources) == 1 else Mixture(sources)


def _weighed(data: str) -> tuple[str, float]:
    """A source's name and weight, of DIR or DIR:WEIGHT. Raises FarmError for a weight of nothing."""
    found = re.fullmatch(r"(.+):([0-9]+(?:\.[0-9]+)?)", data)
    if not found or Path(data).exists():
        return data, 1.0
    if not float(found[2]):
        raise FarmError(f"--data {data}: a weight of 0 is never learned; leave it away")
    return found[1], float(found[2])


def _evaluate(source: Source, path: str, say: Say) -> None:
    """Say how good the weights in *path* are on each part of *source*.

    Weights that know nothing but objects are compared whatever the categories of the data. Raises FarmError when
    others are told apart.
    """
    model, about = net.load(_weights(path))
    names = {each["id"]: each["name"] for each in about["categories"]}
    named = fitting(names, source.names)
    if not named and list(names.values()) != [OBJECT]:
        known, told_apart = (", ".join(each.values()) for each in (names, source.names))
        raise FarmError(f"{path} tells apart {known}, and the data {told_apart}")
    if not named:
        say(f"{path} knows one category; objects are compared whatever theirs")
    for line in lines(evaluate(model, source, LAST, named=named)):
        say(line)


def _weights(path: str) -> Path:
    return DEFAULT if path == PACKAGED else Path(path)


def _begun(options: argparse.Namespace, out: Path, source: Source) -> Training:
    """A training at its beginning, or where its checkpoint left it."""
    checkpoint = beside(out, ".checkpoint")
    said = {name: getattr(options, name) for name in RECIPE if getattr(options, name) is not None}
    if options.resume:
        training = Training.resume(checkpoint, source, **said)
        if training.hyper.classes != len(source.names):
            raise FarmError(
                f"{checkpoint} is of {training.hyper.classes} categories, and the data of {len(source.names)}"
            )
        return training
    if checkpoint.exists():
        raise FarmError(f"{checkpoint} is there", hint="go on from it with --resume, or remove it to begin again")
    recipe = _recipe(source, said)
    start = options.start or (SCRATCH if isinstance(source, Drawn) else PACKAGED)
    if start == SCRATCH:
        return Training(net.Hyper(classes=len(source.names)), recipe, source)
    hyper = replace(net.Hyper(**net.read(_weights(start))["net"]), classes=len(source.names))
    if "side" not in said:
        recipe = replace(recipe, side=hyper.side)
    training = Training(hyper, recipe, source)
    training.start_from(_weights(start))
    return training


def _recipe(source: Source, said: dict[str, Any]) -> Recipe:
    """The recipe for *source*, with what was *said* of it."""
    folder: dict[str, Any] = {} if isinstance(source, Drawn) else {**FOLDER}
    if folder and "iterations" not in said:
        folder["minutes"] = MINUTES
    if "minutes" in said and "iterations" not in said:
        folder["iterations"] = round(EVER * said["minutes"])
        folder["anneal"] = round(ANNEALED * folder["iterations"])
    recipe = replace(Recipe(), **{**folder, **said})
    return replace(recipe, warm_up=min(recipe.warm_up, recipe.iterations // 10))
