"""The engine for ONNX models of the RF-DETR-Seg kind: each query of a transformer is a box, a class and a mask.

What such a model takes and gives, by the names of its outputs:

    input          (1, 3, H, W) float: RGB from 0 to 1, less the mean of ImageNet, over its deviation; the picture is
                   resized to H x W whatever its shape
    dets           (1, Q, 4): the centre, width and height of each query's box, as parts of the picture
    labels         (1, Q, C): logits of the classes, one by one through the logistic function; no query is of two
    masks          (1, Q, h, w): logits of each query's mask over the whole picture, or probabilities

Outputs may also be called pred_boxes, logits or pred_logits, and pred_masks.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from spoolfarm.errors import FarmError
from spoolfarm.system import threads
from spoolfarm.tasks.segment.coco_names import COCO, SLOTS
from spoolfarm.tasks.segment.instance import OBJECT, Eyes, Found, Instance, Looked, Pixels, Wanted

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

#: Mean and deviation of ImageNet's red, green and blue.
MEAN: Floats = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION: Floats = np.array([0.229, 0.224, 0.225], np.float32)
#: What each output may be called, the usual name first.
OUTPUTS = {"dets": ("pred_boxes",), "labels": ("pred_logits", "logits"), "masks": ("pred_masks",)}
#: The key under which tools write the names of the classes into a model.
NAMES = ("names", "class_names")


class Detr:
    """Finds what the model at *path* was trained for.

    Its classes are called what the text file beside it says, `model.txt` for `model.onnx`, a name a line; else what its
    metadata says; else, where there are 91, what COCO calls them. The slots behind these names stand for nothing.
    Raises FarmError when it is no such model.
    """

    name = "onnx"
    batch = 1
    eyes: frozenset[Eyes] = frozenset(("auto", "net"))
    tiled: frozenset[Eyes] = frozenset()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = _opened(path)
        self.model = path.name
        self._size = self._input()
        self._outputs = self._named()
        #: The slots that stand for a class, in the order of the labels.
        self._slots, self.labels = self._classes()

    def find(self, pictures: list[Pixels], wanted: list[Wanted]) -> list[Found]:
        """Look for what is wanted in each picture."""
        return [self._find(picture, want) for picture, want in zip(pictures, wanted, strict=True)]

    def _find(self, picture: Pixels, wanted: Wanted) -> Found:
        begin = time.perf_counter()
        fed = self._prepared(picture)
        resized = time.perf_counter()
        given = self._session.get_inputs()[0]
        boxes, logits, masks = self._session.run(self._outputs, {given.name: fed})
        kept = self._surest(np.asarray(logits[0], np.float32), wanted)
        ms = {"resize": (resized - begin) * 1000, "net": (time.perf_counter() - resized) * 1000}
        looked = Looked(scale=max(self._size) / max(picture.shape[:2]))
        return Found(_instances(kept, boxes[0], masks[0], picture.shape[:2]), ms, looked)

    def _surest(self, logits: Floats, wanted: Wanted) -> list[tuple[int, float, int]]:
        """The queries that are wanted, the surest first: number, score and category of each."""
        classes = [
            (slot, category)
            for slot, category in zip(self._slots, self.labels, strict=True)
            if wanted.categories is None or category in wanted.categories
        ]
        if not classes:
            return []
        scores = _logistic(logits[:, [slot for slot, _ in classes]])
        best, score = scores.argmax(axis=1), scores.max(axis=1)
        order = [int(query) for query in np.argsort(-score, kind="stable") if score[query] > wanted.score]
        return [(query, float(score[query]), classes[best[query]][1]) for query in order[: wanted.most]]

    def _prepared(self, picture: Pixels) -> np.ndarray[Any, Any]:
        """The model's input."""
        height, width = self._size
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)[..., ::-1]
        normal = (small.astype(np.float32) / 255 - MEAN) / DEVIATION
        kind = np.float16 if "float16" in self._session.get_inputs()[0].type else np.float32
        return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], kind)

    def _input(self) -> tuple[int, int]:
        """Height and width that the model takes."""
        shape = self._session.get_inputs()[0].shape
        fits = len(shape) == 4 and shape[1] == 3 and all(isinstance(side, int) for side in shape[2:])
        if not fits or (isinstance(shape[0], int) and shape[0] != 1):
            raise self._wrong(f"takes {shape}, not (1, 3, height, width) with a fixed height and width")
        return int(shape[2]), int(shape[3])

    def _named(self) -> list[str]:
        """The names of the outputs for boxes, classes and masks."""
        there = [each.name for each in self._session.get_outputs()]
        found = [next((name for name in (usual, *others) if name in there), "") for usual, others in OUTPUTS.items()]
        if not all(found):
            raise self._wrong(f"gives {', '.join(there)}, not {', '.join(OUTPUTS)}")
        return found

    def _classes(self) -> tuple[list[int], Mapping[int, str]]:
        """The slots that stand for something, and the names by id."""
        shape = next(each.shape for each in self._session.get_outputs() if each.name == self._outputs[1])
        slots = shape[-1] if isinstance(shape[-1], int) else 0
        names = self._names()
        if names is None and not slots:
            raise self._wrong(f"does not say how many classes it has: name them in {self._path.with_suffix('.txt')}")
        if names is None and slots == SLOTS:
            return list(COCO), COCO
        if names is None:
            count = max(1, slots - 1)
            names = {number: OBJECT if count == 1 else f"class {number + 1}" for number in range(count)}
        if slots and max(names) >= slots:
            raise self._wrong(f"has {slots} classes, and {max(names) + 1} are named")
        return list(names), {slot + 1: name for slot, name in names.items()}

    def _names(self) -> dict[int, str] | None:
        """The names by slot, as the text file or the metadata says; None where neither does."""
        beside = self._path.with_suffix(".txt")
        if beside.is_file():
            lines = beside.read_text(encoding="utf-8-sig").splitlines()
            return {slot: line.strip() for slot, line in enumerate(lines) if line.strip()} or None
        told = self._session.get_modelmeta().custom_metadata_map
        for key in NAMES:
            try:
                said = ast.literal_eval(told.get(key, "None"))
            except (ValueError, SyntaxError):
                continue
            pairs = enumerate(said) if isinstance(said, list) else said.items() if isinstance(said, dict) else ()
            if found := {int(slot): str(name) for slot, name in pairs}:
                return found
        return None

    def _wrong(self, what: str) -> FarmError:
        return FarmError(
            f"FARM_SEGMENT_MODEL={self._path} {what}", hint="docs/masks.md says which ONNX models are understood"
        )


def _opened(path: Path) -> Any:
    """An onnxruntime session on the accelerator that it knows, or on as many threads as the worker may use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.budget()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the core to others
    there = onnxruntime.get_available_providers()
    providers = [each for each in ("CUDAExecutionProvider", "CPUExecutionProvider") if each in there]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has many kinds of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FarmError(f"FARM_SEGMENT_MODEL={path} is no model that onnxruntime opens: {reason}") from error


def _logistic(logits: Floats) -> Floats:
    found: Floats = (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
    return found


def _instances(
    kept: list[tuple[int, float, int]], boxes: Floats, masks: Floats, size: tuple[int, int]
) -> Iterator[Instance]:
    """The objects of the queries *kept*, each with its score and its category."""
    height, width = size
    for query, score, category in kept:
        if (found := _mask(masks[query].astype(np.float32), height, width)) is not None:
            x, y, wide, high = (float(value) for value in boxes[query] * (width, height, width, height))
            yield Instance(*found, (x - wide / 2, y - high / 2, wide, high), score, category)


def _mask(small: Floats, height: int, width: int) -> tuple[Pixels, int, int] | None:
    """The mask enlarged to a picture of that size: its crop, left and top; None when it is empty.

    Only the window in which something lies is enlarged: whole pictures of 12 megapixels would take 30 ms each.
    """
    least = 0.5 if small.min() >= 0 and small.max() <= 1 else 0.0
    rows, columns = np.nonzero(small > least)
    if not len(rows):
        return None
    down, across = height / small.shape[0], width / small.shape[1]
    top, bottom = max(0, int((rows.min() - 1) * down)), min(height, int((rows.max() + 2) * down) + 1)
    left, right = max(0, int((columns.min() - 1) * across)), min(width, int((columns.max() + 2) * across) + 1)
    to_small = np.array(
        [[1 / across, 0, (left + 0.5) / across - 0.5], [0, 1 / down, (top + 0.5) / down - 0.5]], np.float64
    )
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(small, to_small, (right - left, bottom - top), flags=how, borderMode=cv2.BORDER_REPLICATE)
    inside = (window > least).astype(np.uint8)
    x, y, wide, high = cv2.boundingRect(inside)
    if not wide:
        return None
    return np.ascontiguousarray(inside[y : y + high, x : x + wide]), left + x, top + y
