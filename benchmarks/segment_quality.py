"""How well the net in the package finds objects, beside the classical engine: `python -m benchmarks.segment_quality`.

Average precision on drawn scenes that no training has seen, the same through a farm's front, and real pictures out of
scikit-image, which no training has seen either, with the outlines that were found drawn onto them.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as rle
from scipy import ndimage
from skimage import data, filters, measure, segmentation

from benchmarks.measure import MEMORY, OUT, Target, arguments, machine, print_table, report, scratch, stop_on_sigterm
from benchmarks.peers.farm import launch
from spoolfarm.tasks.segment.engines import DEFAULT, engine
from spoolfarm.tasks.segment.instance import Engine, Wanted
from spoolfarm.tasks.segment.net import Hyper, load
from spoolfarm.training.evaluation import MOST, Detection, Precision, finder, precision
from spoolfarm.training.samples import Array, Drawn

VERSIONS = ("torch", "torchvision", "opencv-python-headless", "pycocotools", "scikit-image")
#: Held-out scenes, and those of a quick run.
SCENES, QUICK = 300, 20
#: What a real picture's objects must be sure of, as in the task's own default.
SURE = 0.5
#: An overlap with the reference at which a coin or the cell counts as found, and the horse.
CLOSE, COVERED = 0.85, 0.8
#: The least score that counts for average precision, as where a training evaluates itself.
LEAST = Hyper.score
#: Seconds that the farm may take for an answer.
PATIENCE = 60
#: Pixels of the longer side of an overlay.
OVERLAY = 480
COLOURS = ((60, 60, 230), (60, 180, 60), (230, 130, 40), (40, 200, 230), (200, 60, 200), (200, 200, 40))


def found(eyes: Engine, picture: Array, least: float) -> list[Detection]:
    """What an engine finds in a picture, (height, width, 3) uint8 RGB, as whole masks."""
    masks = []
    want = Wanted(score=least, most=MOST, tiles="auto")
    for one in eyes.find([np.ascontiguousarray(picture[..., ::-1])], [want])[0].instances:
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[one.top : one.top + one.mask.shape[0], one.left : one.left + one.mask.shape[1]] = one.mask
        masks.append(Detection(mask, one.score, one.category))
    return masks


# Drawn scenes.


def drawn(eyes: dict[str, Engine], count: int) -> tuple[dict[str, Any], list[Target]]:
    """Average precision of each engine on the held-out scenes."""
    scores: dict[str, Precision] = {}
    for name, each in eyes.items():
        scores[name] = precision(lambda picture, each=each: found(each, picture, LEAST), Drawn().held_out(count))
    figures = list(Precision(0, 0, 0, 0, 0, 0, 0).record())
    print_table(
        ["engine", *figures], [[name, *(f"{v:.3f}" for v in one.record().values())] for name, one in scores.items()]
    )
    net, classical = scores["net"], scores["classical"]
    targets = [
        Target("mask AP", net.ap, 0.6, at_most=False),
        Target("mask AP50", net.ap50, 0.88, at_most=False),
        Target("mask AP of large objects", net.large, 0.75, at_most=False),
        Target("mask AP / classical", net.ap / classical.ap, 1, at_most=False),
        Target("mask AP50 / classical", net.ap50 / classical.ap50, 1, at_most=False),
        Target("mask AP of large objects / classical", net.large / classical.large, 1, at_most=False),
    ]
    return {"scenes": count, **{name: one.record() for name, one in scores.items()}}, targets


# The same, as a training evaluates itself and through the front of a farm.


def served(model: str, count: int) -> tuple[dict[str, Any], list[Target]]:
    """Average precision of the net alone, as a training says it, and of what a farm answers to a POST."""
    alone = precision(finder(load(DEFAULT if model == "default" else model)[0]), Drawn().held_out(count))
    os.environ |= {"FARM_ENABLE": "segment", "FARM_SEGMENT_MODEL": model}
    with scratch(MEMORY) as home:
        farm, address = launch(home, 1)
        try:
            over = precision(lambda picture: asked(address, picture), Drawn().held_out(count))
        finally:
            farm.stop()
    figures = list(alone.record())
    rows = [
        [name, *(f"{value:.3f}" for value in one.record().values())]
        for name, one in {"the training's evaluation": alone, "through HTTP": over}.items()
    ]
    print_table(["", *figures], rows)
    apart = max(abs(getattr(alone, figure) - getattr(over, figure)) for figure in figures)
    return {"scenes": count, "evaluation": alone.record(), "http": over.record()}, [
        Target("largest difference between evaluation and HTTP", apart, 0.005)
    ]


def asked(address: tuple[str, int], picture: Array) -> list[Detection]:
    """What a farm finds in a picture, (height, width, 3) uint8 RGB."""
    image = base64.b64encode(cv2.imencode(".png", picture[..., ::-1])[1]).decode()
    body = json.dumps({"image": image, "params": {"score_threshold": LEAST, "tiles": "off"}})
    connection = HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {answer}")
    return [Detection(_decoded(one["mask_rle"]), one["score"], one["category_id"]) for one in answer["masks"]]


def _decoded(record: dict[str, Any]) -> Array:
    mask: Array = rle.decode({"counts": base64.b64decode(record["counts"]), "size": record["size"]})
    return mask


# Real pictures.


def coins() -> list[Array]:
    """The 24 coins, by the watershed of the picture's edges: scikit-image's own tutorial on segmentation."""
    picture = data.coins()
    markers = np.zeros(picture.shape, int)
    markers[picture < 30], markers[picture > 150] = 1, 2
    filled = ndimage.binary_fill_holes(segmentation.watershed(filters.sobel(picture), markers) - 1)
    return _parts(filled, 300)


def cell() -> list[Array]:
    """The cell, by a watershed from its bright middle and from the ground far from it."""
    picture = data.cell()
    smooth = filters.gaussian(picture, 2, preserve_range=True)
    markers = np.zeros(picture.shape, int)
    high = filters.threshold_otsu(smooth)
    bright = max(_parts(smooth > high, 300), key=np.count_nonzero)
    markers[ndimage.binary_erosion(bright, iterations=8)] = 2
    markers[~ndimage.binary_dilation(bright, iterations=25)] = 1
    return _parts(segmentation.watershed(filters.sobel(smooth), markers) == 2, 300)


def horse() -> list[Array]:
    """The horse is what is black."""
    return [~data.horse().astype(bool)]


def _parts(mask: Array, least: int) -> list[Array]:
    labels = measure.label(mask)
    return [labels == region.label for region in measure.regionprops(labels) if region.area > least]


#: Pictures with a reference, and pictures that are only shown.
KNOWN = {"coins": coins, "cell": cell, "horse": horse}
SHOWN = ("coffee", "immunohistochemistry", "gravel", "moon")


def picture_of(name: str) -> Array:
    """A picture of scikit-image, (height, width, 3) uint8 RGB."""
    picture = getattr(data, name)()
    if picture.dtype == bool:
        picture = picture.astype(np.uint8) * 255
    return np.ascontiguousarray(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2))


def real(eyes: dict[str, Engine], overlays: Path | None) -> tuple[dict[str, Any], list[Target]]:
    """What each engine finds in the real pictures."""
    records: dict[str, Any] = {}
    rows: list[list[str]] = []
    for name in (*KNOWN, *SHOWN):
        picture = picture_of(name)
        reference = KNOWN[name]() if name in KNOWN else []
        for whose, each in eyes.items():
            objects = found(each, picture, SURE)
            records[f"{name} {whose}"] = one = compared(objects, reference) | {"ms": timed(each, picture)}
            rows.append([name, whose, *("-" if value is None else str(value) for value in one.values())])
            if overlays:
                overlays.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(
                    str(overlays / f"{name}-{whose}.jpg"), drawn_on(picture, objects), [cv2.IMWRITE_JPEG_QUALITY, 80]
                )
    print_table(["picture", "engine", *next(iter(records.values()))], rows)
    net = {name: records[f"{name} net"] for name in KNOWN}
    return records, [
        Target("coins found at IoU .85, of 24", net["coins"]["close"], 24, at_most=False),
        Target("coins: objects that are no coin", net["coins"]["false"], 0),
        Target("coins with a hole", net["coins"]["holed"], 0),
        Target("cell found at IoU .85", net["cell"]["close"], 1, at_most=False),
        Target("cell: objects beside it", net["cell"]["found"] - 1, 0),
        Target("horse: IoU of the best object", net["horse"]["least"], COVERED, at_most=False),
        Target("horse: objects beside it", net["horse"]["found"] - 1, 0),
    ]


def compared(objects: list[Detection], reference: list[Array]) -> dict[str, Any]:
    """How many objects were found, how closely those of the reference, and what is in no reference or has a hole."""
    record: dict[str, Any] = {"found": len(objects), "known": len(reference)}
    record |= dict.fromkeys(("close", "least", "mean", "false"))
    if reference:
        overlaps = np.array([[_overlap(one.mask > 0, known) for one in objects] for known in reference])
        overlaps = overlaps.reshape(len(reference), len(objects))
        best = overlaps.max(axis=1, initial=0)
        record["close"] = int((best >= CLOSE).sum())
        record["least"], record["mean"] = round(float(best.min()), 3), round(float(best.mean()), 3)
        record["false"] = int((overlaps.max(axis=0) < 0.5).sum())
    return record | {"holed": sum(_holed(one.mask > 0) for one in objects)}


def _overlap(one: Array, other: Array) -> float:
    return float(np.count_nonzero(one & other) / max(1, np.count_nonzero(one | other)))


def _holed(mask: Array) -> bool:
    return bool((ndimage.binary_fill_holes(mask) & ~mask).any())


def timed(eyes: Engine, picture: Array) -> int:
    """CPU milliseconds of one picture of 800 pixels, from pixels to masks: the least of three."""
    scale = 800 / max(picture.shape[:2])
    large = cv2.resize(picture, None, fx=scale, fy=scale)
    times = []
    for _ in range(3):
        begin = time.process_time()
        found(eyes, large, SURE)
        times.append(time.process_time() - begin)
    return round(1000 * min(times))


def drawn_on(picture: Array, objects: list[Detection]) -> Array:
    """The picture in BGR with the outline of each object and, where they are few, its score."""
    scale = OVERLAY / max(picture.shape[:2])
    canvas = cv2.resize(picture[..., ::-1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for one, colour in zip(objects, _colours(), strict=False):
        mask = cv2.resize(one.mask, canvas.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, colour, 2, cv2.LINE_AA)
        if len(objects) <= 15:
            rows, columns = np.nonzero(mask)
            spot = (int(columns.mean()) - 14, int(rows.mean()))
            cv2.putText(canvas, f"{one.score:.2f}", spot, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return canvas


def _colours() -> Iterator[tuple[int, int, int]]:
    while True:
        yield from COLOURS


def main() -> int:
    parser = arguments(__doc__ or "", ("scenes", "http", "real"), rounds=1)
    parser.add_argument("--model", default="default", help="what FARM_SEGMENT_MODEL would say")
    parser.add_argument("--overlays", type=Path, default=OUT / "overlays", help="where the real pictures are written")
    chosen = parser.parse_args()
    stop_on_sigterm()
    OUT.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    eyes = {"net": engine(chosen.model), "classical": engine("classical")}
    done: dict[str, Any] = {"machine": machine(VERSIONS)}
    targets: list[Target] = []
    count = QUICK if chosen.quick else SCENES
    sections = {
        "scenes": lambda: drawn(eyes, count),
        "http": lambda: served(chosen.model, count),
        "real": lambda: real(eyes, chosen.overlays),
    }
    for name in chosen.sections:
        print(f"\n{name}", flush=True)
        done[name], new = sections[name]()
        targets += new
    return report("segment_quality", done, targets)


if __name__ == "__main__":
    sys.exit(main())
