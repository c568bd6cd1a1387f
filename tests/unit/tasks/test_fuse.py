"""Fusion: the same outputs with less to do, and nothing is touched that somebody else sees."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from spoolfarm.tasks.fuse import fuse


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
    before = norms(network)
    assert fuse(network) == before - left
    assert torch.allclose(network(pictures), expected, atol=1e-5)
    assert norms(network) == left


def test_a_layer_that_somebody_listens_to_is_left_alone() -> None:
    network = block().eval()
    heard: list[int] = []
    network[0].register_forward_hook(lambda *_: heard.append(1))
    assert fuse(network) == 0
    network(torch.randn(1, 3, 9, 9))
    assert heard == [1]
    assert norms(network) == 1


def test_a_layer_whose_weights_are_made_anew_before_each_use_is_left_alone() -> None:
    network = block().eval()
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(network[0])
    pictures = torch.randn(1, 3, 9, 9)
    expected = network(pictures)
    assert fuse(network) == 0
    assert torch.equal(network(pictures), expected)


def test_what_lists_its_layers_in_order_is_fused_when_that_is_said() -> None:
    network = Other(*block()).eval()
    assert fuse(network) == 0
    assert fuse(network, ordered=True) == 1


def test_other_kinds_of_normalisation_are_fused_when_they_are_named() -> None:
    frozen = FrozenBatchNorm2d(4)
    frozen.running_mean.uniform_(-1, 1)
    frozen.running_var.uniform_(0.5, 2)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), frozen).eval()
    pictures = torch.randn(1, 3, 9, 9)
    expected = network(pictures)
    assert fuse(network) == 0
    assert fuse(network, nn.BatchNorm2d, FrozenBatchNorm2d) == 1
    assert torch.allclose(network(pictures), expected, atol=1e-5)
