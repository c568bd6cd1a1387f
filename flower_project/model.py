"""The models. A class here is found by its name: `SmallCNN` by `--model`, and by whoever loads its weights.

Every class takes `(num_classes, channels)`. None uses BatchNorm: its running statistics belong to one client's
pictures, and their average over unequal clients fits nobody's. GroupNorm has none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Channels are normalised in this many groups.
GROUPS = 8


def group_norm(channels: int) -> nn.GroupNorm:
    """The normalisation of all models here."""
    return nn.GroupNorm(GROUPS, channels)


class SmallCNN(nn.Module):
    """Two convolutions and two dense layers: 0.6 MB, for pictures as small as 8 x 8."""

    def __init__(self, num_classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(4),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Linear(128, num_classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, num_classes) for pictures (n, channels, height, width)."""
        return self.classifier(self.features(pictures))


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016), with GroupNorm."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            group_norm(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            group_norm(after),
        )
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Features of the next stage."""
        return torch.relu(self.path(features) + self.shortcut(features))


class SmallResNet(nn.Module):
    """A residual network of three stages: 1.2 MB, for pictures of 8 to 128 pixels."""

    def __init__(self, num_classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1, bias=False),
            group_norm(32),
            nn.ReLU(),
            Block(32, 32, 1),
            Block(32, 64, 2),
            Block(64, 128, 2),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(128, num_classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, num_classes) for pictures (n, channels, height, width)."""
        return self.classifier(self.features(pictures))


class MobileNetV3(nn.Module):
    """torchvision's MobileNetV3-Small with GroupNorm and no pretrained weights: 6 MB, for 64 to 224 pixels."""

    def __init__(self, num_classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v3_small  # its import takes longer than a round of the others

        self.net = mobilenet_v3_small(num_classes=num_classes, norm_layer=group_norm)
        if channels != 3:
            self.net.features[0][0] = nn.Conv2d(channels, 16, 3, 2, padding=1, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, num_classes) for pictures (n, channels, height, width)."""
        return self.net(pictures)


#: The models by name. `settings.py` lists the same names.
MODELS: dict[str, type[nn.Module]] = {model.__name__: model for model in (SmallCNN, SmallResNet, MobileNetV3)}
