"""The learning task: how one client trains, and how a model is judged."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from data import Pictures
from settings import Settings

#: Augmentation moves a picture by at most this share of its side.
LARGEST_SHIFT = 0.1
#: Pictures judged at once.
EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Score:
    """Mean loss and share of right answers."""

    loss: float
    accuracy: float


class Normalise:
    """Turns 8-bit pictures into what the models take."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], device: torch.device) -> None:
        self._mean = torch.tensor(mean, device=device).view(1, -1, 1, 1)
        self._deviation = torch.tensor(deviation, device=device).view(1, -1, 1, 1)
        self.device = device

    def __call__(self, images: Tensor) -> Tensor:
        """Scaled to 0..1, less the mean, over the deviation."""
        return (images.to(self.device).float() / 255 - self._mean) / self._deviation


def device(settings: Settings) -> torch.device:
    """Where to compute."""
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)


def limit_threads(settings: Settings) -> None:
    """Compute with as many threads as wanted, but no more than there are cores: those only cost time and memory."""
    torch.set_num_threads(min(settings.threads, os.cpu_count() or 1))


def train(model: nn.Module, pictures: Pictures, normalise: Normalise, settings: Settings, mu: float = 0.0) -> Score:
    """Train *model* in place by SGD; the score is that of the last pass, taken on the way.

    With *mu* the loss has FedProx's proximal term mu / 2 * |w - w0|^2, w0 being the weights at the start (Li et al.,
    arXiv:1812.06127, equation 2).
    """
    images, labels = normalise(pictures.images), pictures.labels.to(normalise.device)
    start = [weights.detach().clone() for weights in model.parameters()] if mu else []
    optimizer = torch.optim.SGD(model.parameters(), lr=settings.learning_rate, momentum=settings.momentum)
    kind = settings.augment if settings.augment != "auto" else "flip" if settings.data else "shift"
    model.train()
    for _ in range(settings.local_epochs):
        total = torch.zeros(2, device=normalise.device)  # loss, right answers
        for chosen in torch.randperm(len(labels)).split(settings.batch_size):
            batch, truth = images[chosen], labels[chosen]
            logits = model(batch if kind == "none" else vary(batch, mirror=kind == "flip"))
            loss = functional.cross_entropy(logits, truth)
            total += torch.stack([loss.detach() * len(truth), (logits.argmax(1) == truth).sum()])
            if mu:
                loss = loss + mu / 2 * distance(model, start)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    if not math.isfinite(float(total[0])):
        raise FloatingPointError(f"the loss became {float(total[0])}; lower learning_rate {settings.learning_rate}")
    return Score(*(total / len(labels)).tolist())


def distance(model: nn.Module, start: Sequence[Tensor]) -> Tensor:
    """The squared distance of the model's weights from *start*."""
    pairs = zip(model.parameters(), start, strict=True)
    return torch.stack([(weights - before).square().sum() for weights, before in pairs]).sum()


def vary(images: Tensor, *, mirror: bool) -> Tensor:
    """Each picture moved a little, and with *mirror* half of them mirrored."""
    move = torch.zeros(len(images), 2, 3)
    move[:, 0, 0] = torch.randint(0, 2, (len(images),)) * 2.0 - 1 if mirror else 1
    move[:, 1, 1] = 1
    move[:, :, 2] = (torch.rand(len(images), 2) * 2 - 1) * 2 * LARGEST_SHIFT  # a side is 2 units long
    grid = functional.affine_grid(move.to(images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


@torch.inference_mode()
def evaluate(model: nn.Module, pictures: Pictures, normalise: Normalise) -> Score:
    """Judge *model* on *pictures*."""
    model.eval()
    loss, right = 0.0, 0
    for start in range(0, len(pictures), EVALUATION_BATCH):
        labels = pictures.labels[start : start + EVALUATION_BATCH].to(normalise.device)
        logits = model(normalise(pictures.images[start : start + EVALUATION_BATCH]))
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
    return Score(loss / len(pictures), right / len(pictures))
