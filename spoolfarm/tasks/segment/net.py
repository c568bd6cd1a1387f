"""The small Mask R-CNN: torchvision's, on a slim residual backbone, with masks of 56x56 from the finest features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment.two_views import MirroringMaskRcnn
from spoolfarm.tasks.segment.vision import (
    AnchorGenerator,
    Conv2dNormActivation,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    MultiScaleRoIAlign,
    RPNHead,
    TwoMLPHead,
)

#: The weights file's format; another one needs another reader.
FORMAT = 1
#: Height and width of a feature region for the box head and for the mask head, whose mask is twice as fine.
BOX_REGION, MASK_REGION = 7, 28


@dataclass(frozen=True)
class Hyper:
    """What a net is built of; the weights file holds it, so that a file needs no code of its own."""

    #: Channels of the backbone's stages at strides 4, 8, 16 and 32, and residual blocks in each.
    widths: Sequence[int] = (32, 64, 128, 256)
    blocks: Sequence[int] = (2, 2, 2, 2)
    #: Channels of the feature pyramid.
    pyramid: int = 64
    #: Sides of the anchor boxes on its five levels, in pixels of the resized picture.
    anchors: Sequence[int] = (14, 28, 56, 112, 224)
    #: Width of the box head's two layers, and channels of the mask head's convolutions.
    box: int = 256
    mask: Sequence[int] = (32, 32, 32)
    #: Classes without the background.
    classes: int = 1
    #: Pixels the longer side of a picture is resized to.
    side: int = 320
    #: The size of the second look, which is mirrored, as a part of that.
    glance: float = 0.643
    detections: int = 100
    #: Least score of a detection, and the overlap above which the weaker of two goes.
    score: float = 0.01
    overlap: float = 0.6


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, wide: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = Conv2dNormActivation(wide, out, 3, stride)
        self.second = Conv2dNormActivation(out, out, 3, activation_layer=None)
        same = stride == 1 and wide == out
        self.around = nn.Identity() if same else Conv2dNormActivation(wide, out, 1, stride, activation_layer=None)

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.relu(self.second(self.first(features)) + self.around(features))


class Backbone(nn.Module):
    """A slim residual net and a feature pyramid of strides 4, 8, 16, 32 and 64 on top of it."""

    def __init__(self, hyper: Hyper) -> None:
        super().__init__()
        wide = hyper.widths[0]
        self.stem = nn.Sequential(Conv2dNormActivation(3, wide, 3, 2), Conv2dNormActivation(wide, wide, 3, 2))
        self.stages = nn.ModuleList()
        for stage, (out, count) in enumerate(zip(hyper.widths, hyper.blocks, strict=True)):
            strides = [2 if stage else 1] + [1] * (count - 1)
            wides = [wide] + [out] * (count - 1)
            self.stages.append(nn.Sequential(*(Block(w, out, s) for w, s in zip(wides, strides, strict=True))))
            wide = out
        self.pyramid = FeaturePyramidNetwork(
            list(hyper.widths), hyper.pyramid, LastLevelMaxPool(), norm_layer=nn.BatchNorm2d
        )
        self.out_channels = hyper.pyramid

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        found, features = {}, self.stem(picture)
        for stage, layer in enumerate(self.stages):
            found[str(stage)] = features = layer(features)
        levels: dict[str, Tensor] = self.pyramid(found)
        return levels


def build(**hyper: Any) -> MirroringMaskRcnn:
    """A net with random weights; *hyper* are fields of Hyper. Raises TypeError for an unknown one."""
    chosen = Hyper(**hyper)
    shapes = (0.5, 1.0, 2.0)
    return MirroringMaskRcnn(
        Backbone(chosen),
        glance=chosen.glance,
        min_size=chosen.side,
        max_size=chosen.side,
        rpn_anchor_generator=AnchorGenerator(
            tuple((side,) for side in chosen.anchors), (shapes,) * len(chosen.anchors)
        ),
        rpn_head=RPNHead(chosen.pyramid, len(shapes)),
        rpn_pre_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_train=200,
        rpn_post_nms_top_n_test=200,
        rpn_batch_size_per_image=128,
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], BOX_REGION, 2),
        box_head=TwoMLPHead(chosen.pyramid * BOX_REGION**2, chosen.box),
        box_predictor=_BoxPredictor(chosen.box, chosen.classes + 1),
        box_score_thresh=chosen.score,
        box_nms_thresh=chosen.overlap,
        box_detections_per_img=chosen.detections,
        box_batch_size_per_image=48,
        box_positive_fraction=0.5,
        mask_roi_pool=MultiScaleRoIAlign(["0"], MASK_REGION, 1),
        mask_head=_mask_head(chosen),
        mask_predictor=nn.Sequential(nn.Conv2d(chosen.mask[-1], 4 * (chosen.classes + 1), 1), _Finer()),
    )


def _mask_head(hyper: Hyper) -> nn.Sequential:
    """Convolutions that reach twice as far each: the last one sees half of a region."""
    wides = (hyper.pyramid, *hyper.mask)
    return nn.Sequential(
        *(
            Conv2dNormActivation(wide, out, 3, dilation=2**depth)
            for depth, (wide, out) in enumerate(zip(wides, hyper.mask, strict=False))
        )
    )


class _Finer(nn.Module):
    """Four logits for each cell, laid out as a square of two by two: a transposed convolution takes 1.8 times as long.

    `python -m benchmarks.pieces` says so. This is nn.PixelShuffle, whose gradient fails for a batch without regions.
    """

    def forward(self, logits: Tensor) -> Tensor:
        regions, fours, high, wide = logits.shape
        squares = logits.view(regions, fours // 4, 2, 2, high, wide).permute(0, 1, 4, 2, 5, 3)
        return squares.reshape(regions, fours // 4, 2 * high, 2 * wide)


class _BoxPredictor(nn.Module):
    def __init__(self, wide: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(wide, classes)
        self.bbox_pred = nn.Linear(wide, classes * 4)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(features), self.bbox_pred(features)


def save(
    path: Path, state: Mapping[str, Tensor], hyper: Hyper, names: Mapping[int, str], training: Mapping[str, Any]
) -> None:
    """Write a weights file: *state* in half precision, the categories' *names* by id in the order of the classes."""
    torch.save(
        {
            "format": FORMAT,
            "net": {
                name: list(value) if isinstance(value, Sequence) else value for name, value in asdict(hyper).items()
            },
            "state_dict": {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
            "categories": [{"id": each, "name": name} for each, name in names.items()],
            "training": dict(training),
        },
        path,
    )


def load(path: Path | str) -> tuple[MirroringMaskRcnn, dict[str, Any]]:
    """The net of a weights file, ready to serve in single precision, and what else the file says.

    Raises FarmError when it is no such file, OSError when it cannot be read.
    """
    about = read(path)
    state = about.pop("state_dict")
    net = build(**about["net"])
    net.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in state.items()})
    return net.eval().requires_grad_(False), about


def read(path: Path | str) -> dict[str, Any]:
    """Everything in a weights file. Raises FarmError when it is no such file, OSError when it cannot be read."""
    found = stored(path, "weights file")
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FarmError(f"{path} is no weights file of format {FORMAT}", hint="`spoolfarm train segment` writes them")
    return found


def stored(path: Path | str, kind: str) -> Any:
    """What `torch.save` wrote, tensors and plain values only. Raises FarmError when it is no *kind*, or OSError."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zipfile raise what they like for a damaged file
        raise FarmError(f"{path} is no {kind}: {error}") from error
