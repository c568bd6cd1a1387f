"""Training: warm up, stay, and come to rest; resumed from its checkpoint, it goes on as if it had never stopped."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.tasks.segment.roi_align import align
from spoolfarm.tasks.segment.two_views import MirroringMaskRcnn
from spoolfarm.training.losses import losses, prepare
from spoolfarm.training.samples import Sample, Source, batches

#: How far the averaged weights follow the trained ones at each iteration: over about 500.
FOLLOW = 0.002
#: The same times the iterations of a training so short that this would be most of it.
SHORT = 5
#: This many steps in a row whose gradient is not a number end a training.
SKIPPED = 10


@dataclass(frozen=True)
class Recipe:
    """How a net is trained."""

    iterations: int = 20_000
    #: Iterations at the end over which the learning rate comes down to nothing.
    anneal: int = 4_000
    #: Iterations at the start over which it comes up.
    warm_up: int = 300
    rate: float = 1.5e-3
    decay: float = 0.03
    batch: int = 4
    #: Pixels of a training picture's side.
    side: int = 256
    seed: int = 1
    #: The longest step, as the norm of the gradient.
    clip: float = 5.0
    #: When it ends at the latest, having come down over as large a part of them as of the iterations; 0 is never.
    minutes: float = 0.0

    def rate_at(self, iteration: int, seconds: float = 0.0) -> float:
        """The learning rate of *iteration*, from 0, that many *seconds* after the start."""
        up = (iteration + 1) / max(1, self.warm_up)
        down = (self.iterations - iteration) / max(1, self.anneal)
        if self.minutes:
            left = 1 - seconds / (60 * self.minutes)
            down = min(down, max(0.0, left) * self.iterations / max(1, self.anneal))
        return self.rate * min(1.0, up, down)

    def follow_at(self, iteration: int, seconds: float = 0.0) -> float:
        """How far the averaged weights follow the trained ones after *iteration*: faster at the start."""
        last = float(self.iterations)
        if self.minutes and seconds:
            last = min(last, (iteration + 1) * 60 * self.minutes / seconds)
        return max(FOLLOW, SHORT / max(SHORT, last), 1 / (iteration + 1))


@dataclass(frozen=True)
class Step:
    """One iteration's loss by part, and its seconds."""

    iteration: int
    losses: dict[str, float]
    seconds: float

    @property
    def loss(self) -> float:
        """The sum of the parts."""
        return sum(self.losses.values())


@dataclass
class Training:
    """A net in training: its weights, their average, the optimizer's memory and the curve so far."""

    hyper: net.Hyper
    recipe: Recipe
    source: Source
    model: MirroringMaskRcnn = field(init=False)
    averaged: MirroringMaskRcnn = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    iteration: int = 0
    #: How long it has taken so far.
    seconds: float = 0.0
    #: Points of the curve: {"iteration", "loss"} and, where it was evaluated, the figures.
    curve: list[dict[str, float]] = field(default_factory=list)
    #: The weights file that it began with, if any.
    began: str = ""
    #: The best mean AP that an evaluation has found, and the weights that have it.
    best: tuple[float, dict[str, Tensor]] | None = None
    #: Where several learn together: this one's part of each batch, and what makes their gradients one.
    part: slice = field(default_factory=lambda: slice(None))
    agree: Callable[[Sequence[Tensor]], None] | None = None
    #: Steps left out since the last one that was taken.
    skipped: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.model = net.build(**asdict(self.hyper))
        self.averaged = copy.deepcopy(self.model).requires_grad_(False).eval()
        align(self.model.roi_heads)
        prepare(self.model)
        self.model.rpn.head.register_forward_hook(_exact)
        flat = [each for each in self.model.parameters() if each.ndim < 2]
        deep = [each for each in self.model.parameters() if each.ndim >= 2]
        groups = [{"params": deep, "weight_decay": self.recipe.decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.rate, fused=True)

    def start_from(self, path: Path | str) -> None:
        """Take the weights of a weights file; each class begins as what the file's classes have in common."""
        begun, own = net.read(path), self.model.state_dict()
        self.began = str(path)
        kinds = 1 + net.Hyper(**begun["net"]).classes
        weights = {name: each for name, each in begun["state_dict"].items() if name in own}
        fitting = {name: _for_classes(each.float(), kinds, own[name]) for name, each in weights.items()}
        for model in (self.model, self.averaged):
            model.load_state_dict({**own, **fitting})

    def steps(self, processes: int = 1) -> Iterator[Step]:
        """Train until the recipe's end, a step at a time; *processes* draw the samples."""
        self.model.train()
        recipe = self.recipe
        data = batches(self.source, recipe.seed, self.iteration, recipe.batch, recipe.side, processes, self.part)
        start = time.monotonic() - self.seconds
        while not self.ended:
            begin = time.monotonic()
            parts = self._learn(next(data), start)
            self.iteration += 1
            yield Step(self.iteration, parts, time.monotonic() - begin)

    @property
    def ended(self) -> bool:
        """Whether the recipe's iterations or its minutes are over."""
        over = self.recipe.minutes and self.seconds >= 60 * self.recipe.minutes
        return bool(over) or self.iteration >= self.recipe.iterations

    def _learn(self, samples: Sequence[Sample], start: float) -> dict[str, float]:
        """Take one step of a training that would have begun at *start*, had it never stopped."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.iteration)  # a resumed training draws the same regions
        before = [each.clone() for each in self.model.buffers()]
        with torch.autocast("cpu", torch.bfloat16):
            parts = losses(self.model, samples)
        total = sum(parts.values(), torch.zeros(()))
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        clock = torch.tensor([time.monotonic() - start])
        if self.agree:
            self.agree([clock, *(each.grad for each in self.model.parameters() if each.grad is not None)])
        self.seconds = float(clock)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.iteration, self.seconds)
        length = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        if torch.isfinite(length):
            self.optimizer.step()
            self._average()
            self.skipped = 0
        else:
            self._skip(before)
        return {name: float(loss.detach()) for name, loss in parts.items()}

    def _skip(self, before: Sequence[Tensor]) -> None:
        """Skip a step whose gradient is not a number: a single such step would ruin the weights for good."""
        for each, was in zip(self.model.buffers(), before, strict=True):
            each.copy_(was)
        self.skipped += 1
        if self.skipped == SKIPPED:
            raise FarmError(f"the losses are no numbers at iteration {self.iteration}", hint="try a lower --rate")

    def _average(self) -> None:
        """Let the averaged weights follow."""
        follow = self.recipe.follow_at(self.iteration, self.seconds)
        with torch.no_grad():
            mine, theirs = self.model.state_dict(), self.averaged.state_dict()
            floats = [name for name, value in theirs.items() if value.is_floating_point()]
            torch._foreach_lerp_([theirs[name] for name in floats], [mine[name] for name in floats], follow)

    # On disk.

    def checkpoint(self, path: Path) -> None:
        """Write all that `resume` needs; a reader sees the old file or the new one."""
        state = {
            "hyper": asdict(self.hyper),
            "recipe": asdict(self.recipe),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "sources": self.source.record(),
            "curve": self.curve,
            "began": self.began,
            "best": self.best,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        new = path.with_name(path.name + ".new")
        torch.save(state, new)
        os.replace(new, path)

    @classmethod
    def resume(cls, path: Path, source: Source, **changed: Any) -> Training:
        """Go on from a checkpoint, with some fields of its recipe *changed*. Raises FarmError or OSError."""
        state = net.stored(path, "checkpoint")
        if not isinstance(state, dict) or "optimizer" not in state:
            raise FarmError(f"{path} is no checkpoint")
        recipe = replace(Recipe(**state["recipe"]), **changed)
        training = cls(net.Hyper(**state["hyper"]), recipe, source)
        training.model.load_state_dict(state["model"])
        training.averaged.load_state_dict(state["averaged"])
        training.optimizer.load_state_dict(state["optimizer"])
        training.iteration, training.curve = state["iteration"], state["curve"]
        training.began = state.get("began", "")
        training.seconds, training.best = state.get("seconds", 0.0), state.get("best")
        return training


def _for_classes(weights: Tensor, kinds: int, own: Tensor) -> Tensor:
    """*weights* in the shape and type of *own*: where the number of classes differs, their mean for every class.

    Such a tensor has as many rows for the background as then for each class, of *kinds* in all.
    """
    if weights.shape != own.shape:
        ground, *classes = weights.chunk(kinds)
        weights = torch.cat([ground, *[torch.stack(classes).mean(0)] * (len(own) // len(ground) - 1)])
    return weights.to(own.dtype)


def _exact(_head: nn.Module, _features: Any, proposed: Sequence[list[Tensor]]) -> tuple[list[Tensor], ...]:
    """What the proposals are made of, in single precision: bfloat16 knows every second pixel beyond the 256th only."""
    return tuple([each.float() for each in levels] for levels in proposed)
