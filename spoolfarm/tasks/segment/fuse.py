"""Folding: a net's batch normalisations put into the convolutions before them, for nets that only serve."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d


def fold(net: nn.Module) -> int:
    """Fold each normalisation that follows a convolution in its module, in place; return how many there were.

    Torchvision's detection nets list both in the order in which they run them. The answers change by rounding only.
    """
    folded = 0
    for module in net.modules():
        before: nn.Module | None = None
        for name, child in list(module.named_children()):
            if isinstance(before, nn.Conv2d) and isinstance(child, (nn.BatchNorm2d, FrozenBatchNorm2d)):
                _fold(before, child)
                setattr(module, name, nn.Identity())
                folded += 1
            before = child
    return folded


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d | FrozenBatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
