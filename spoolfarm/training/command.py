"""`spoolfarm train segment`: train, show how it goes, evaluate, and write the weights file and the curve."""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.tasks.segment.engines import DEFAULT
from spoolfarm.training import scenes
from spoolfarm.training.coco import Labelled
from spoolfarm.training.curve import svg
from spoolfarm.training.data_parallel import learners
from spoolfarm.training.evaluation import Precision, finder, precision
from spoolfarm.training.options import SCRATCH, SYNTHETIC
from spoolfarm.training.samples import Drawn
from spoolfarm.training.training import Recipe, Step, Training

#: Held-out samples of the last evaluation, and of those on the way.
LAST, ON_THE_WAY = 300, 60
#: Iterations between two lines, two checkpoints and two evaluations.
LINE, CHECKPOINT, EVALUATE = 50, 250, 2000
#: What a folder's recipe has in other ways than that of drawn scenes: weights that are trained already want less.
FOLDER = {"iterations": 2000, "anneal": 800, "warm_up": 100, "rate": 4e-4}
#: The options that are fields of the recipe.
RECIPE = ("iterations", "anneal", "rate", "batch", "side", "seed")

Say = Callable[[str], None]


def train(options: argparse.Namespace, say: Say) -> int:
    """Do what the command line asks. Raises FarmError or OSError when it cannot."""
    torch.set_num_threads(options.threads)
    source = Drawn() if options.data == SYNTHETIC else Labelled(Path(options.data))
    if options.evaluate:
        model, about = net.load(options.evaluate)
        _show(say, precision(finder(model), source.held_out(LAST), _names(about)))
        return 0
    if not options.out:
        raise FarmError("say where the weights are to be written: --out FILE")
    out = Path(options.out)
    training = _begun(options, out, source)
    Course(training, out, options.data, say).run(options.processes, options.learners)
    return 0


def _begun(options: argparse.Namespace, out: Path, source: Drawn | Labelled) -> Training:
    """A training at its beginning, or where its checkpoint left it."""
    checkpoint = _beside(out, ".checkpoint")
    said = {name: getattr(options, name) for name in RECIPE if getattr(options, name) is not None}
    if options.resume:
        return Training.resume(checkpoint, source, **said)
    if checkpoint.exists():
        raise FarmError(f"{checkpoint} is there", hint="go on from it with --resume, or remove it to begin again")
    recipe = replace(Recipe(), **{**(FOLDER if isinstance(source, Labelled) else {}), **said})
    recipe = replace(recipe, warm_up=min(recipe.warm_up, recipe.iterations // 10))
    start = options.start or (SCRATCH if isinstance(source, Drawn) else str(DEFAULT))
    if start == SCRATCH:
        return Training(net.Hyper(classes=len(source.names)), recipe, source)
    hyper = replace(net.Hyper(**net.read(start)["net"]), classes=len(source.names))
    training = Training(hyper, recipe, source)
    training.start_from(start)
    return training


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.name + suffix)


def _names(about: dict[str, Any]) -> dict[int, str]:
    return {each["id"]: each["name"] for each in about["categories"]}


def _show(say: Say, found: Precision) -> None:
    say("  ".join(f"{name} {value:.3f}" for name, value in found.record().items()))


@dataclass
class Course:
    """One training from where it is to its end, with what it leaves on the disk."""

    training: Training
    out: Path
    data: str
    say: Say
    _losses: list[float] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def run(self, processes: int, count: int) -> None:
        """Train to the end with *count* learners; whatever ends it before, the checkpoint is written."""
        recipe = self.training.recipe
        self.say(f"{recipe.iterations - self.training.iteration} iterations of {recipe.batch} pictures")
        checkpoint = _beside(self.out, ".checkpoint")
        try:
            with learners(self.training, count):
                for step in self.training.steps(processes if count == 1 else 0):
                    self._note(step)
                    if step.iteration % CHECKPOINT == 0:
                        self.training.checkpoint(checkpoint)
        finally:
            self.training.checkpoint(checkpoint)
        found = self._evaluate(LAST)
        self._write(found)
        self.training.checkpoint(checkpoint)
        self.say(f"{self.out} is written; FARM_SEGMENT_MODEL={self.out} serves it")

    def _note(self, step: Step) -> None:
        """A line and a point of the curve now and then."""
        if math.isfinite(step.loss):  # else the step was left out
            self._losses.append(step.loss)
        if self._losses and (step.iteration % LINE == 0 or step.iteration == self.training.recipe.iterations):
            loss = sum(self._losses) / len(self._losses)
            each = (time.monotonic() - self._since) / len(self._losses)
            left = (self.training.recipe.iterations - step.iteration) * each
            self.training.curve.append({"iteration": step.iteration, "loss": round(loss, 4)})
            self.say(f"iteration {step.iteration}: loss {loss:.3f}, {each:.2f} s each, {_span(left)} to go")
            self._losses.clear()
            self._since = time.monotonic()
        if step.iteration % EVALUATE == 0 and step.iteration < self.training.recipe.iterations:
            self._evaluate(ON_THE_WAY)
            self._since = time.monotonic()

    def _evaluate(self, count: int) -> Precision:
        """How good the averaged weights are, said and put on the curve."""
        training = self.training
        samples = training.source.held_out(count, stream=int(count != LAST))
        found = precision(finder(training.averaged), samples, training.source.names)
        _show(self.say, found)
        training.curve.append({"iteration": training.iteration, **found.record()})
        title = f"{self.out.name}: {training.iteration * training.recipe.batch} pictures seen"
        _beside(self.out, ".svg").write_text(svg(training.curve, title))
        return found

    def _write(self, found: Precision) -> None:
        """The weights file, complete or not at all."""
        training = self.training
        about = {
            "data": self.data if self.data == SYNTHETIC else Path(self.data).name,
            "scenes": scenes.VERSION,
            "recipe": asdict(training.recipe),
            "iterations": training.iteration,
            "metrics": found.record(),
        }
        new = _beside(self.out, ".new")
        net.save(new, training.averaged.state_dict(), training.hyper, training.source.names, about)
        os.replace(new, self.out)


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
