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
from spoolfarm.training.curve import svg
from spoolfarm.training.data_parallel import learners
from spoolfarm.training.evaluation import Precision, finder, precision
from spoolfarm.training.labelled import Labelled
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
    source = _source(options.data, say)
    if options.evaluate:
        model, about = net.load(options.evaluate)
        _agree(source, options.evaluate, _names(about))
        _show(say, precision(finder(model), source.held_out(LAST), _names(about)))
        return 0
    if not options.out:
        raise FarmError("say where the weights are to be written: --out FILE")
    out = Path(options.out)
    if not out.parent.is_dir() or out.is_dir():
        raise FarmError(f"--out {out} is no file in a folder that there is")
    training = _begun(options, out, source)
    Course(training, out, options.data, say).run(options.processes, options.learners)
    return 0


def _source(data: str, say: Say) -> Drawn | Labelled:
    """What is learned from; a folder is checked as a whole, for a training may take hours to come to a bad part."""
    if data == SYNTHETIC:
        return Drawn()
    source = Labelled(Path(data))
    say(f"{data}: {source.check()}")
    return source


def _agree(source: Drawn | Labelled, path: str | Path, names: dict[int, str]) -> None:
    """Raise FarmError when the weights in *path* tell other classes apart than *source*; a single one always fits."""
    same = len(source.names) == len(names) and (len(names) == 1 or list(source.names.values()) == list(names.values()))
    if not same:
        known, told = (", ".join(each.values()) for each in (names, source.names))
        raise FarmError(f"{path} tells apart {known}, and the data {told}")


def _begun(options: argparse.Namespace, out: Path, source: Drawn | Labelled) -> Training:
    """A training at its beginning, or where its checkpoint left it."""
    checkpoint = _beside(out, ".checkpoint")
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
    if found.ap < 0:
        say("there is nothing to find in the kept pictures, so nothing can be said of the net")
        return
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
        self.training.checkpoint(checkpoint)  # where it cannot be written, that is known before anything is learned
        try:
            with learners(self.training, count):
                for step in self.training.steps(processes if count == 1 else 0):
                    self._note(step)
                    if step.iteration % CHECKPOINT == 0:
                        self.training.checkpoint(checkpoint)
        finally:
            self.training.checkpoint(checkpoint)
        self._write()
        self.say(f"{self.out} is written; FARM_SEGMENT_MODEL={self.out} serves it")
        try:
            found = self._evaluate(LAST)
        except Exception as error:
            hint = f"try again with --evaluate {self.out}"
            raise FarmError(f"{self.out} is whole, but its evaluation failed: {_reason(error)}", hint=hint) from error
        self._write(found)
        self.training.checkpoint(checkpoint)

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
            try:
                self._evaluate(ON_THE_WAY)
            except Exception as error:  # noqa: BLE001  # whatever it is, the training is worth more
                self.say(f"the evaluation failed: {_reason(error)}")
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

    def _write(self, found: Precision | None = None) -> None:
        """The weights file, complete or not at all, with what an evaluation *found*."""
        training = self.training
        about = {
            "data": self.data if self.data == SYNTHETIC else Path(self.data).name,
            "scenes": scenes.VERSION,
            "recipe": asdict(training.recipe),
            "iterations": training.iteration,
            "metrics": found.record() if found else {},
        }
        new = _beside(self.out, ".new")
        net.save(new, training.averaged.state_dict(), training.hyper, training.source.names, about)
        os.replace(new, self.out)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, FarmError) else f"{type(error).__name__}: {error}"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
