"""Engines: which one FARM_SEGMENT_MODEL names, and its weights."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment.coco_names import COCO, SLOTS
from spoolfarm.tasks.segment.instance import OBJECT, Engine

if TYPE_CHECKING:
    from torch import Tensor

    from spoolfarm.tasks.segment.vision import MaskRCNN

#: The weights that come with the package.
DEFAULT = Path(__file__).with_name("default.pt")
#: What the name of an ONNX file ends in.
ONNX = ".onnx"
#: The most letters of torch's list of what does not fit that are told.
REASON = 200


@functools.cache
def engine(model: str, precision: str = "fp32") -> Engine:
    """The engine that *model* names, made once in a process: all its tasks share it.

    "default" is the net in the package, and the classical engine where the package has none. Raises FarmError when the
    weights cannot be had.
    """
    if _is_onnx(model):
        from spoolfarm.tasks.segment.detr import Detr

        return Detr(Path(model))
    if not _learned(model):
        from spoolfarm.tasks.segment.classical import Classical

        return Classical()
    import torch

    from spoolfarm.tasks.segment import calibration
    from spoolfarm.tasks.segment.choice import Choice
    from spoolfarm.tasks.segment.maskrcnn import MaskRcnn

    net, labels = _loaded(model)
    name = model if model in ("default", "coco") else os.path.basename(model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    known = calibration.DEFAULT if model == "default" else None
    eyes = MaskRcnn(net, name, labels, precision=precision, device=device, calibration=known)
    return Choice(eyes) if list(labels.values()) == [OBJECT] else eyes


def prepare(model: str) -> None:
    """Load what `engine` will need, but for a device; processes forked from this one share it."""
    if _learned(model):
        _loaded(model)


def _learned(model: str) -> bool:
    """Whether *model* names a net of torch's."""
    return model != "classical" and not _is_onnx(model) and (model != "default" or DEFAULT.is_file())


def _is_onnx(model: str) -> bool:
    """Whether *model* is a file for onnxruntime, which starts threads and so is opened in each worker."""
    return model.lower().endswith(ONNX)


@functools.cache
def _loaded(model: str) -> tuple[MaskRCNN, dict[int, str]]:
    """The net, ready to serve, and its labels."""
    from spoolfarm.tasks.segment.maskrcnn import serving

    net, labels = _published() if model == "coco" else _stored(DEFAULT if model == "default" else Path(model))
    return serving(net), labels


def _published() -> tuple[MaskRCNN, dict[int, str]]:
    """Torchvision's weights for the 80 categories of COCO, fetched when they are not in its cache."""
    from spoolfarm.tasks.segment.vision import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn

    weights = MaskRCNN_ResNet50_FPN_Weights.COCO_V1
    try:
        net = maskrcnn_resnet50_fpn(weights=weights)
    except OSError as error:
        raise FarmError(
            f"the COCO weights are not here and cannot be fetched from {weights.url}: {error}",
            hint="put the file into the folder that TORCH_HOME/hub/checkpoints names (~/.cache/torch/hub/checkpoints), "
            "or choose another FARM_SEGMENT_MODEL",
        ) from error
    return net, dict(COCO)


def _stored(path: Path) -> tuple[MaskRCNN, dict[int, str]]:
    """The net in a weights file: one of ours, or the weights of a Mask R-CNN builder of torchvision's."""
    from spoolfarm.tasks.segment import checkpoint, net

    try:
        held = checkpoint.read(path)
    except OSError as error:
        raise FarmError(f"FARM_SEGMENT_MODEL={path} cannot be read: {error.strerror}") from error
    except FarmError as error:
        raise FarmError(f"FARM_SEGMENT_MODEL={error}", hint=error.hint) from error
    if isinstance(held, dict) and "format" in held:
        found, about = net.load(path)
        return found, {category["id"]: category["name"] for category in about["categories"]}
    return _of_torchvision(path, checkpoint.weights(held))


def _of_torchvision(path: Path, state: Mapping[str, Tensor] | None) -> tuple[MaskRCNN, dict[int, str]]:
    """A builder's net with *state*; the names of its entries say which builder, and how many classes."""
    from spoolfarm.tasks.segment.checkpoint import CLASSES
    from spoolfarm.tasks.segment.vision import maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2

    try:
        if state is None:
            raise KeyError(f"there is no {CLASSES}")
        classes = len(state[CLASSES])
        builder = maskrcnn_resnet50_fpn if "roi_heads.box_head.fc6.weight" in state else maskrcnn_resnet50_fpn_v2
        found = builder(weights=None, weights_backbone=None, num_classes=classes)
        found.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error.args[0]).splitlines()[-1].strip()
        raise FarmError(
            f"FARM_SEGMENT_MODEL={path} is no state dict of torchvision's Mask R-CNN builders: {reason[:REASON]}",
            hint="maskrcnn_resnet50_fpn and maskrcnn_resnet50_fpn_v2 are known, and files of `spoolfarm train segment`",
        ) from error
    if classes == SLOTS:
        return found, dict(COCO)
    return found, {1: OBJECT} if classes == 2 else {number: f"class {number}" for number in range(1, classes)}
