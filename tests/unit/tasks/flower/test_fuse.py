"""Fusion: the same outputs with less to do, and nothing is touched that somebody else sees."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from spoolfarm.tasks.flower.fuse import arranged, fused


def block(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(4)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU(), *more)


class Other(nn.Sequential):
    """A sequence that is none."""

    def forward(self, pictures: Tensor) -> Tensor:
        return super().forward(pictures) + self[0](pictures)


class Twice(nn.Module):
    """Uses its convolution a second time."""

    def __init__(self) -> None:
        super().__init__()
        self.path = block()
        self.filter = self.path[0]

    def forward(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.path(pictures) + self.filter(pictures)
        return features


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("network", "left"),
    [
        (block(), 0),
        (nn.Sequential(block(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)), nn.Flatten()), 0),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), 1),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), 1),
        (Other(*block()), 1),
        (Twice(), 1),
    ],
    ids=["plain", "nested", "apart", "no statistics", "a forward of its own", "used twice"],
)
def test_the_outputs_are_the_same(network: nn.Module, left: int) -> None:
    network = network.eval().requires_grad_(requires_grad=False)
    pictures = torch.randn(2, 3, 9, 9)
    expected = copy.deepcopy(network)(pictures)
    quicker = arranged(fused(network))
    assert torch.allclose(quicker(pictures), expected, atol=1e-5)
    assert norms(quicker) == left


def test_a_layer_that_somebody_listens_to_is_left_alone() -> None:
    network = block().eval()
    heard: list[int] = []
    network[0].register_forward_hook(lambda *_: heard.append(1))
    fused(network)(torch.randn(1, 3, 9, 9))
    assert heard == [1]
    assert norms(network) == 1
