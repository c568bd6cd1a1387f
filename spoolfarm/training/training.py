"""Training: warm up, stay, and come to rest; resumed from its checkpoint, it goes on as if it had never stopped."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.tasks.segment.roi_align import align
from spoolfarm.training.samples import Sample, Source, batches

#: How far the averaged weights follow the trained ones at each iteration: over about 500.
FOLLOW = 0.002
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

    def rate_at(self, iteration: int) -> float:
        """The learning rate of *iteration*, from 0."""
        up = (iteration + 1) / max(1, self.warm_up)
        down = (self.iterations - iteration) / max(1, self.anneal)
        return self.rate * min(1.0, up, down)


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
    model: MaskRCNN = field(init=False)
    averaged: MaskRCNN = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    iteration: int = 0
    #: Points of the curve: {"iteration", "loss"} and, where it was evaluated, the figures.
    curve: list[dict[str, float]] = field(default_factory=list)
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
        self.model.rpn.head.register_forward_hook(_exact)
        flat = [each for each in self.model.parameters() if each.ndim < 2]
        deep = [each for each in self.model.parameters() if each.ndim >= 2]
        groups = [{"params": deep, "weight_decay": self.recipe.decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.rate, fused=True)

    def start_from(self, path: Path | str) -> None:
        """Take the weights of a weights file; each class begins as what the file's classes have in common."""
        begun, own = net.read(path), self.model.state_dict()
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
        while self.iteration < self.recipe.iterations:
            begin = time.monotonic()
            losses = self._learn(next(data))
            self.iteration += 1
            yield Step(self.iteration, losses, time.monotonic() - begin)

    def _learn(self, samples: Sequence[Sample]) -> dict[str, float]:
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.iteration)  # a resumed training draws the same regions
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.iteration)
        before = [each.clone() for each in self.model.buffers()]
        with torch.autocast("cpu", torch.bfloat16):
            losses = _losses(self.model, samples)
        total = sum(losses.values(), torch.zeros(()))
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        if self.agree:
            self.agree([each.grad for each in self.model.parameters() if each.grad is not None])
        length = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        if torch.isfinite(length):
            self.optimizer.step()
            self._average()
            self.skipped = 0
        else:
            self._skip(before)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _skip(self, before: Sequence[Tensor]) -> None:
        """Skip a step whose gradient is not a number: a single such step would ruin the weights for good."""
        for each, was in zip(self.model.buffers(), before, strict=True):
            each.copy_(was)
        self.skipped += 1
        if self.skipped == SKIPPED:
            raise FarmError(f"the losses are no numbers at iteration {self.iteration}", hint="try a lower --rate")

    def _average(self) -> None:
        """Let the averaged weights follow, faster at the start."""
        follow = max(FOLLOW, 1 / (self.iteration + 1))
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
            "curve": self.curve,
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


def _losses(model: MaskRCNN, samples: Sequence[Sample]) -> dict[str, Tensor]:
    """The losses of pictures of one size, past torchvision's resizing, which would cost as much as the backbone."""
    pixels = torch.from_numpy(np.stack([sample.picture for sample in samples])).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (
        torch.tensor(each)[:, None, None] for each in (model.transform.image_mean, model.transform.image_std)
    )
    pixels = (pixels - mean) / deviation
    images = ImageList(pixels, [tuple(pixels.shape[-2:])] * len(samples))
    targets = [_target(sample) for sample in samples]
    features = {name: level.float() for name, level in model.backbone(pixels).items()}
    proposals, first = model.rpn(images, features, targets)
    _, second = model.roi_heads(features, proposals, images.image_sizes, targets)
    losses: dict[str, Tensor] = {**first, **second}
    return losses


def _target(sample: Sample) -> dict[str, Tensor]:
    """What torchvision wants to know of a sample; a box ends one pixel past its mask."""
    boxes = np.zeros((len(sample.masks), 4), np.float32)
    for box, mask in zip(boxes, sample.masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.from_numpy(sample.classes),
        "masks": torch.from_numpy(sample.masks),
    }
