"""The learned engine: a Mask R-CNN of torchvision's build, made ready to serve."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from spoolfarm.tasks.fuse import fuse
from spoolfarm.tasks.segment.calibration import Calibration
from spoolfarm.tasks.segment.instance import Eyes, Found, Instance, Looked, Pixels, Wanted
from spoolfarm.tasks.segment.pasting import paste
from spoolfarm.tasks.segment.roi_align import align
from spoolfarm.tasks.segment.seams import joined, sides
from spoolfarm.tasks.segment.tiles import FAINT, HINT, Grid, Window, planned, unseen
from spoolfarm.tasks.segment.two_views import MULTIPLE, Detected, MirroringMaskRcnn, filled, scale_of
from spoolfarm.tasks.segment.vision import FrozenBatchNorm2d, ImageList, MaskRCNN, resize_boxes

#: The net sees nothing in a picture of which fewer pixels than this are left on the shorter side after resizing.
LEAST_SIDE = 4
#: Pictures that one pass through an accelerator takes at once.
BATCH = 8
#: The most detections of all categories among which those that a caller named are looked for.
MOST = 10_000
#: What each view may propose at least in a closer look: the first look is no look at crowds.
PROPOSALS = 400
#: Seconds after which no further tile is looked at.
SECONDS = 15.0


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
    eyes: frozenset[Eyes] = frozenset(("auto", "net"))
    tiled = eyes

    def __init__(
        self,
        net: MaskRCNN,
        model: str,
        labels: Mapping[int, str],
        *,
        precision: str = "fp32",
        device: str = "cpu",
        calibration: Calibration | None = None,
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
        #: What the net's proposals are limited to, and to what in a closer look.
        limits = net.rpn._pre_nms_top_n["testing"], net.rpn._post_nms_top_n["testing"]
        self._limits = {False: limits, True: (max(limits[0], PROPOSALS), max(limits[1], PROPOSALS))}
        self._calibration = calibration
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
            frame = self._frame(picture.shape[:2], self._scale(picture.shape[:2]))
            if min(frame) >= LEAST_SIDE:
                alike.setdefault(frame, []).append(number)
        for frame, numbers in alike.items():
            seen, ms = self._look([pictures[each] for each in numbers], frame, [wanted[each] for each in numbers])
            for number, each in zip(numbers, seen, strict=True):
                found[number] = self._told(pictures[number], wanted[number], each, ms)
        return found

    def _told(self, picture: Pixels, want: Wanted, seen: Detected, ms: dict[str, float]) -> Found:
        """What is *wanted* of a picture, of which the first look has *seen* so much, after a closer look if need be."""
        size, scale = picture.shape[:2], self._scale(picture.shape[:2])
        looked = Looked(scale=scale)
        begin = time.perf_counter()
        grid = unseen(size, scale, seen["scores"].tolist()) if want.tiles == "auto" else None
        if grid is not None:
            seen, looked = self._closer(picture, want, seen, grid, begin + SECONDS)
        grid = planned(size, looked.scale, sides(seen).tolist(), seen["scores"].tolist(), want.tiles)
        if grid is not None:
            seen, looked = self._closer(picture, want, seen, grid, begin + SECONDS)
        if looked.scale != scale:
            ms = ms | {"tiles": (time.perf_counter() - begin) * 1000}
        if self._calibration is not None:
            seen = self._calibration.applied(seen, picture)
        return Found(self._instances(_choose(seen, want), size), ms, looked)

    def _closer(
        self, picture: Pixels, want: Wanted, seen: Detected, grid: Grid, until: float
    ) -> tuple[Detected, Looked]:
        """What is *seen* after a look at the tiles of *grid* too."""
        parts = list(self._parts(picture, want, grid, until))
        return joined(seen, parts, grid), Looked(grid.columns, grid.rows, len(parts), grid.scale)

    def _parts(self, picture: Pixels, want: Wanted, grid: Grid, until: float) -> Iterator[tuple[Window, Detected]]:
        """What is seen in each of the tiles, in the picture's pixels, as long as there is time."""
        windows = list(grid)
        for begin in range(0, len(windows), self.batch):
            if time.perf_counter() > until:
                return
            some = windows[begin : begin + self.batch]
            crops = [picture[one.top : one.top + one.height, one.left : one.left + one.width] for one in some]
            frame = self._frame(crops[0].shape[:2], grid.scale)
            seen, _ = self._look(crops, frame, [want] * len(some), close=True)
            for window, each in zip(some, seen, strict=True):
                moved = each["boxes"] + each["boxes"].new_tensor([window.left, window.top] * 2)
                yield window, each | {"boxes": moved}

    def _look(
        self, pictures: list[Pixels], frame: tuple[int, int], wanted: Sequence[Wanted], *, close: bool = False
    ) -> tuple[list[Detected], dict[str, float]]:
        """Look at pictures in one *frame*: beside a larger one, a picture would have an edge where there is none."""
        begin = time.perf_counter()
        rpn = self._net.rpn
        rpn._pre_nms_top_n["testing"], rpn._post_nms_top_n["testing"] = self._limits[close]
        inputs = [self._prepare(picture, frame) for picture in pictures]
        images = ImageList(self._net.transform.batch_images(inputs, MULTIPLE), [frame] * len(pictures))
        resized = time.perf_counter()
        detections = [
            each | {"boxes": resize_boxes(each["boxes"], frame, picture.shape[:2])}
            for picture, each in zip(pictures, self._detect(images, wanted), strict=True)
        ]
        share = 1000 / len(pictures)
        return detections, {"resize": (resized - begin) * share, "net": (time.perf_counter() - resized) * share}

    def _scale(self, size: tuple[int, int]) -> float:
        """Pixels of the net's first look for each of a picture of *size*."""
        return scale_of(self._net.transform, *size)

    def _frame(self, size: tuple[int, int], scale: float) -> tuple[int, int]:
        """Height and width that the net sees of a picture of *size* at *scale*; 0 when that is next to nothing."""
        height, width = (math.floor(side * scale) for side in size)
        if min(height, width) < LEAST_SIDE:
            return 0, 0
        return filled(height, width) if isinstance(self._net, MirroringMaskRcnn) else (height, width)

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
        heads.score_thresh = min(self._floor(each) for each in wanted)
        chosen = any(each.categories is not None for each in wanted)
        heads.detections_per_img = MOST if chosen else max(self._least, *(each.most for each in wanted))
        if isinstance(net, MirroringMaskRcnn):
            detections = net.detect(images)
        else:
            features = net.backbone(images.tensors)
            proposals, _ = net.rpn(images, features)
            detections, _ = heads(features, proposals, images.image_sizes)
        return [{**each, "labels": self._ids[each["labels"]]} for each in detections]

    def _floor(self, want: Wanted) -> float:
        """The net's own score above which there is a use for what it sees."""
        least = FAINT if want.tiles == "auto" else HINT
        if self._calibration is not None:
            return min(self._calibration.floor(want.score), least)
        return min(want.score, least) if want.tiles == "auto" else want.score

    def _instances(self, detected: Detected, size: tuple[int, int]) -> Iterator[Instance]:
        boxes, scores, categories = (detected[name].cpu() for name in ("boxes", "scores", "labels"))
        pasted = paste(detected["masks"].cpu(), boxes, *size)
        for each, (x0, y0, x1, y1), score, category in zip(
            pasted, boxes.tolist(), scores.tolist(), categories.tolist(), strict=True
        ):
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


def _choose(detected: Detected, wanted: Wanted) -> Detected:
    keep = detected["scores"] > wanted.score
    if wanted.categories is not None:
        keep &= torch.isin(detected["labels"], torch.tensor(sorted(wanted.categories), device=keep.device))
    at = keep.nonzero()[: wanted.most, 0]
    return {name: values[at] for name, values in detected.items()}
