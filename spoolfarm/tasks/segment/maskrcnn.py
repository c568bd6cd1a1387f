"""The learned engine: a Mask R-CNN of torchvision's build, made ready to serve."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import FrozenBatchNorm2d

from spoolfarm.tasks.fuse import fuse
from spoolfarm.tasks.segment.instance import Found, Instance, Pixels, Wanted
from spoolfarm.tasks.segment.pasting import paste
from spoolfarm.tasks.segment.roi_align import align
from spoolfarm.tasks.segment.two_views import MULTIPLE, MirroringMaskRcnn, filled, scaled

#: The net sees nothing in a picture of which fewer pixels than this are left on the shorter side after resizing.
LEAST_SIDE = 4
#: Pictures that one pass through an accelerator takes at once.
BATCH = 8
#: The most detections of all categories among which those that a caller named are looked for.
MOST = 1000


class MaskRcnn:
    """Finds what the net was trained for: categories whose ids and names are *labels*.

    Where these name every class of the net, they come in the order of its classes, whatever their ids are; else a class
    has its own number for an id.

    It differs from torchvision's own way, which gives the same masks, in this: normalisations are fused into
    convolutions, weights lie channels last, regions are read with the channels last, pictures are resized before they
    are normalised, weak detections are dropped before their masks are computed, and masks stay small until each is
    pasted inside its box.
    """

    name = "mask-rcnn"

    def __init__(
        self, net: MaskRCNN, model: str, labels: Mapping[int, str], *, precision: str = "fp32", device: str = "cpu"
    ) -> None:
        self._device = torch.device(device)
        half = precision == "bf16"
        if self._device.type == "cpu":
            align(net.roi_heads)
        else:
            torch.backends.cudnn.allow_tf32 = half  # CUDA would round to 10 bits unasked
        self._net = serving(net).to(self._device)
        if half:
            net.backbone = _Half(net.backbone)
        #: A net that orders detections anew by their masks must see as many as it was made for.
        self._least = net.roi_heads.detections_per_img if isinstance(net, MirroringMaskRcnn) else 1
        self.model = model
        self.labels = labels
        classes = net.roi_heads.box_predictor.cls_score.out_features
        #: The id of each class; the first one is the background.
        ids = [0, *labels] if len(labels) == classes - 1 else range(classes)
        self._ids = torch.tensor(ids, device=self._device)
        self.batch = 1 if self._device.type == "cpu" else BATCH

    def find(self, pictures: list[Pixels], wanted: list[Wanted]) -> list[Found]:
        """Look for what is wanted in each picture; those that an accelerator has no memory for at once, in halves."""
        try:
            return self._find(pictures, wanted)
        except torch.OutOfMemoryError:
            if len(pictures) == 1:
                raise
        torch.cuda.empty_cache()
        half = len(pictures) // 2
        return self.find(pictures[:half], wanted[:half]) + self.find(pictures[half:], wanted[half:])

    @torch.inference_mode()
    def _find(self, pictures: list[Pixels], wanted: list[Wanted]) -> list[Found]:
        found = [Found(iter(()), {"resize": 0.0, "net": 0.0}) for _ in pictures]
        alike: dict[tuple[int, int], list[int]] = {}
        for number, picture in enumerate(pictures):
            size = scaled(self._net.transform, *picture.shape[:2])
            if min(size) >= LEAST_SIDE:
                alike.setdefault(self._frame(size), []).append(number)
        for frame, numbers in alike.items():
            looked = self._look([pictures[each] for each in numbers], [wanted[each] for each in numbers], frame)
            for number, each in zip(numbers, looked, strict=True):
                found[number] = each
        return found

    def _look(self, pictures: list[Pixels], wanted: list[Wanted], frame: tuple[int, int]) -> Iterator[Found]:
        """Look at pictures in one *frame*: beside a larger one, a picture would have an edge where there is none."""
        begin = time.perf_counter()
        inputs = [self._prepare(picture, frame) for picture in pictures]
        images = ImageList(self._net.transform.batch_images(inputs, MULTIPLE), [frame] * len(pictures))
        resized = time.perf_counter()
        detections = self._detect(images, wanted)
        share = 1000 / len(pictures)
        ms = {"resize": (resized - begin) * share, "net": (time.perf_counter() - resized) * share}
        for picture, detected in zip(pictures, detections, strict=True):
            full = picture.shape[:2]
            boxes = resize_boxes(detected["boxes"], frame, full).cpu()
            yield Found(self._instances(detected, boxes, full), ms)

    def _frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that the net sees of a picture of *size* after resizing."""
        return filled(*size) if isinstance(self._net, MirroringMaskRcnn) else size

    def _prepare(self, picture: Pixels, size: tuple[int, int]) -> Tensor:
        """The net's input: RGB, resized, and normalised after that.

        That changes rounding only, and takes a fifth of the time for 2 megapixels (`python -m benchmarks.pieces`).
        """
        whole = torch.from_numpy(picture).to(self._device).permute(2, 0, 1)[None].float()
        small = interpolate(whole, size=size, mode="bilinear", align_corners=False)[0].flip(0) / 255
        normal: Tensor = self._net.transform.normalize(small)
        return normal

    def _detect(self, images: ImageList, wanted: Sequence[Wanted]) -> list[dict[str, Tensor]]:
        """The net's detections with the small masks left as they are, in the frame of the resized pictures."""
        net, heads = self._net, self._net.roi_heads
        # What nobody wants goes here, before its mask is computed; the rest stays as it would be. With the net in the
        # package a crowded scene takes 0.6 of the time: `python -m benchmarks.pieces`.
        heads.score_thresh = min(each.score for each in wanted)
        chosen = any(each.categories is not None for each in wanted)
        heads.detections_per_img = MOST if chosen else max(self._least, *(each.most for each in wanted))
        if isinstance(net, MirroringMaskRcnn):
            detections = net.detect(images)
        else:
            features = net.backbone(images.tensors)
            proposals, _ = net.rpn(images, features)
            detections, _ = heads(features, proposals, images.image_sizes)
        named = [{**each, "labels": self._ids[each["labels"]]} for each in detections]
        return [_choose(each, want) for each, want in zip(named, wanted, strict=True)]

    def _instances(self, detected: Mapping[str, Tensor], boxes: Tensor, size: tuple[int, int]) -> Iterator[Instance]:
        scores, categories = detected["scores"].tolist(), detected["labels"].tolist()
        pasted = paste(detected["masks"].cpu(), boxes, *size)
        for each, (x0, y0, x1, y1), score, category in zip(pasted, boxes.tolist(), scores, categories, strict=True):
            if each is not None:
                yield Instance(*each, (x0, y0, x1 - x0, y1 - y0), score, category)


class _Half(nn.Module):
    """A backbone computed in bfloat16, whose features are of single precision again."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self._backbone = backbone

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        with torch.autocast(pictures.device.type, torch.bfloat16):
            features: dict[str, Tensor] = self._backbone(pictures)
        return {name: level.float() for name, level in features.items()}


def serving(net: MaskRCNN) -> MaskRCNN:
    """*net* with its normalisations fused and its weights channels last, which is done once and runs nothing.

    Channels last the backbone is 1.17 times as fast (`python -m benchmarks.pieces`).
    """
    fuse(net, nn.BatchNorm2d, FrozenBatchNorm2d, ordered=True)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _choose(detected: Mapping[str, Tensor], wanted: Wanted) -> dict[str, Tensor]:
    keep = detected["scores"] > wanted.score
    if wanted.categories is not None:
        keep &= torch.isin(detected["labels"], torch.tensor(sorted(wanted.categories), device=keep.device))
    at = keep.nonzero()[: wanted.most, 0]
    return {name: values[at] for name, values in detected.items()}
