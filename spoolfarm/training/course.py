"""A course: one training from where it is to its end, what it says on the way, and what it leaves on the disk."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.tasks.segment.two_views import MirroringMaskRcnn
from spoolfarm.training import scenes
from spoolfarm.training.curve import svg
from spoolfarm.training.data_parallel import learners
from spoolfarm.training.evaluation import Precision, finder, mean, precision
from spoolfarm.training.mixture import fitting
from spoolfarm.training.options import SYNTHETIC
from spoolfarm.training.samples import Source
from spoolfarm.training.training import Step, Training

#: Held-out samples of the last evaluation, and of those on the way.
LAST, ON_THE_WAY = 300, 60
#: Iterations between two lines and two checkpoints.
LINE, CHECKPOINT = 50, 200
#: Iterations between two evaluations on drawn scenes, and on labelled pictures, of which there are fewer.
EVALUATE, EVALUATE_LABELLED = 2000, 200
#: Evaluations on labelled pictures without a better one that end a training, and what is better.
PATIENCE, BETTER = 5, 0.002

Say = Callable[[str], None]
#: The label of a part of the data, and how good a net is on it.
Found = tuple[str, Precision]


@dataclass
class Course:
    """The *training* and the weights file it writes."""

    training: Training
    out: Path
    say: Say
    _losses: list[float] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)
    #: Evaluations since the best one.
    _worse: int = 0

    @property
    def _labelled(self) -> bool:
        return any(each.label != SYNTHETIC for each in self.training.source.parts)

    def run(self, processes: int, count: int) -> None:
        """Train to the end with *count* learners; whatever ends it before, the checkpoint is written."""
        recipe, training = self.training.recipe, self.training
        limit = f", {recipe.minutes:g} minutes at most" if recipe.minutes else ""
        self.say(f"{recipe.iterations - training.iteration} iterations of {recipe.batch} pictures{limit}")
        checkpoint = beside(self.out, ".checkpoint")
        training.checkpoint(checkpoint)  # where it cannot be written, that is known before anything is learned
        before = self._before()
        try:
            with learners(training, count):
                for step in training.steps(processes if count == 1 else 0):
                    self._note(step)
                    if step.iteration % CHECKPOINT == 0:
                        training.checkpoint(checkpoint)
                    if self._worse >= PATIENCE:
                        self.say(f"no better for {PATIENCE} evaluations: it ends here")
                        break
        finally:
            training.checkpoint(checkpoint)
        self._write(training.averaged)
        self.say(f"{self.out} is written; FARM_SEGMENT_MODEL={self.out} serves it")
        try:
            self._end(before)
        except Exception as error:
            hint = f"try again with --evaluate {self.out}"
            raise FarmError(f"{self.out} is whole, but its evaluation failed: {_reason(error)}", hint=hint) from error
        training.checkpoint(checkpoint)

    def _before(self) -> list[Found]:
        """How good the weights are that a labelled folder's training begins with, whatever their categories."""
        if not self._labelled or not self.training.began:
            return []
        try:
            model, about = net.load(self.training.began)
            named = fitting(self.training.source.names, {each["id"]: each["name"] for each in about["categories"]})
            found = evaluate(model, self.training.source, LAST, named=named)
        except Exception as error:  # noqa: BLE001  # whatever it is, the training is worth more
            self.say(f"the evaluation failed: {_reason(error)}")
            return []
        for label, each in found:
            self.say(f"before, {label}: {told(each)}")
        return found

    def _note(self, step: Step) -> None:
        """A line and a point of the curve now and then."""
        training = self.training
        if math.isfinite(step.loss):  # else the step was left out
            self._losses.append(step.loss)
        if self._losses and (step.iteration % LINE == 0 or training.ended):
            loss = sum(self._losses) / len(self._losses)
            each = (time.monotonic() - self._since) / len(self._losses)
            left = (training.recipe.iterations - step.iteration) * each
            if training.recipe.minutes:
                left = min(left, 60 * training.recipe.minutes - training.seconds)
            training.curve.append({"iteration": step.iteration, "loss": round(loss, 4)})
            self.say(f"iteration {step.iteration}: loss {loss:.3f}, {each:.2f} s each, {_span(left)} to go")
            self._losses.clear()
            self._since = time.monotonic()
        every = EVALUATE_LABELLED if self._labelled else EVALUATE
        if step.iteration % every == 0 and not training.ended:
            try:
                self._compare() if self._labelled else self._evaluate(ON_THE_WAY)
            except Exception as error:  # noqa: BLE001  # whatever it is, the training is worth more
                self.say(f"the evaluation failed: {_reason(error)}")
            self._since = time.monotonic()

    def _evaluate(self, count: int) -> list[Found]:
        """How good the averaged weights are, said and put on the curve."""
        training = self.training
        found = evaluate(training.averaged, training.source, count, stream=int(count != LAST))
        for line in lines(found):
            self.say(line)
        middle = _mean(found)
        training.curve.append({"iteration": training.iteration, **middle.record()})
        title = f"{self.out.name}: {training.iteration * training.recipe.batch} pictures seen"
        beside(self.out, ".svg").write_text(svg(training.curve, title))
        return found

    def _compare(self) -> None:
        """Keep the averaged weights when no evaluation on the way has found better ones."""
        training = self.training
        ap = _mean(self._evaluate(ON_THE_WAY)).ap
        if training.best is None or ap > training.best[0] + BETTER:
            training.best = ap, copy.deepcopy(training.averaged.state_dict())
            self._worse = 0
        else:
            self._worse += 1

    def _end(self, before: list[Found]) -> None:
        """The last evaluation; weights of the way that were better are taken back, and what was gained is said."""
        training = self.training
        if training.best:
            self._compare()
            training.averaged.load_state_dict(training.best[1])
            if self._worse:
                self.say("the weights of an evaluation on the way are no worse, and kept")
        found = self._evaluate(LAST)
        self._write(training.averaged, _mean(found))
        if before:
            names = {each["id"]: each["name"] for each in net.read(training.began)["categories"]}
            named = fitting(training.source.names, names)
            after = found if named else evaluate(training.averaged, training.source, LAST, named=False)
            for (label, was), (_, each) in zip(before, after, strict=True):
                self.say(gained(label, was, each, named))

    def _write(self, model: MirroringMaskRcnn, found: Precision | None = None) -> None:
        """The weights file, complete or not at all, with what an evaluation *found*."""
        training = self.training
        about: dict[str, Any] = {
            "data": training.source.label,
            "sources": training.source.record(),
            "scenes": scenes.VERSION,
            "recipe": asdict(training.recipe),
            "iterations": training.iteration,
            "metrics": found.record() if found else {},
        }
        new = beside(self.out, ".new")
        net.save(new, model.state_dict(), training.hyper, training.source.names, about)
        os.replace(new, self.out)


def evaluate(model: MirroringMaskRcnn, source: Source, count: int, stream: int = 0, named: bool = True) -> list[Found]:
    """How good *model* is on each part of *source*; unless *named*, whatever the categories."""
    names, find = source.names if named else None, finder(model)
    parts = [(each.label, each.held_out(count, stream)) for each in source.parts]
    return [(label, precision(find, samples, names, alike=not named)) for label, samples in parts]


def lines(found: Sequence[Found]) -> list[str]:
    """What an evaluation says: a line for each part, with its label where there are several."""
    return [told(each) if len(found) == 1 else f"{label}: {told(each)}" for label, each in found]


def told(found: Precision) -> str:
    """The figures in one line, but those of which there is nothing, such as of large objects where none is kept."""
    if found.ap < 0:
        return "there is nothing to find in the kept pictures, so nothing can be said of the net"
    return "  ".join(f"{name} {value:.3f}" for name, value in found.record().items() if value >= 0)


def gained(label: str, before: Precision, after: Precision, named: bool) -> str:
    """What a training was worth, in one line."""
    figures = {"AP": "ap", "AP50": "ap50", "recall": "recall", "exact counts": "exact"}
    steps = [f"{name} {getattr(before, key):.2f} -> {getattr(after, key):.2f}" for name, key in figures.items()]
    return f"{label}: {', '.join(steps)}" + ("" if named else ", whatever the category")


def beside(out: Path, suffix: str) -> Path:
    """The file beside *out* whose name ends with *suffix*."""
    return out.with_name(out.name + suffix)


def _mean(found: Sequence[Found]) -> Precision:
    return mean([each for _, each in found])


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, FarmError) else f"{type(error).__name__}: {error}"


def _span(seconds: float) -> str:
    minutes = round(max(0.0, seconds) / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
