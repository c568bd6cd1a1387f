"""How well objects are found on real labelled pictures: `python -m benchmarks.segment_real --data DIR`.

DIR is a folder of pictures with labels in COCO's format, or holds such folders, one for each kind. Of each the pictures
are measured that `spoolfarm train segment --keep N` keeps from learning; `--keep 1` measures them all.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as rle

from benchmarks.measure import OUT, arguments, machine, print_table, report
from benchmarks.segment_quality import VERSIONS
from spoolfarm.tasks.segment.engines import engine
from spoolfarm.tasks.segment.instance import Engine, Wanted
from spoolfarm.tasks.segment.net import Hyper
from spoolfarm.training.evaluation import MOST, SURE, Detection, precision
from spoolfarm.training.labelled import Labelled
from spoolfarm.training.samples import Array, Sample

#: An overlap at which an object counts as found.
NEAR = 0.5
#: Pictures of each kind in a quick run.
QUICK = 3


@dataclass(frozen=True)
class Counted:
    """Of the objects above the usual threshold: how many are right, of how many found and known; and the CPU ms."""

    right: int
    found: int
    known: int
    ms: float


def measured(eyes: Engine, samples: Iterable[Sample]) -> dict[str, float]:
    """The figures of one kind; a sample at a time is held, for a crowd's masks are large."""
    counted: list[Counted] = []
    shown: list[Sample] = []

    def one_by_one() -> Iterator[Sample]:
        for sample in samples:
            shown[:] = [sample]
            yield sample

    def find(picture: Array) -> list[Detection]:
        begin = time.process_time()
        answer = eyes.find([np.ascontiguousarray(picture[..., ::-1])], [Wanted(score=Hyper.score, most=MOST)])[0]
        instances = list(answer.instances)
        ms = 1000 * (time.process_time() - begin)
        masks = []
        for one in instances:
            mask = np.zeros(picture.shape[:2], np.uint8)
            mask[one.top : one.top + one.mask.shape[0], one.left : one.left + one.mask.shape[1]] = one.mask
            masks.append(Detection(mask, one.score))
        counted.append(_counted(masks, shown[0], ms))
        return masks

    figures = asdict(precision(find, one_by_one(), alike=True))
    right, found, known = (sum(getattr(one, name) for one in counted) for name in ("right", "found", "known"))
    figures |= {"hit": right / max(1, known), "false": (found - right) / len(counted)}
    return figures | {"ms": float(np.mean([one.ms for one in counted])), "pictures": len(counted), "objects": known}


def _counted(masks: Sequence[Detection], sample: Sample, ms: float) -> Counted:
    """How many of the sure *masks* are objects of *sample*, each of one, the surest first."""
    sure = sorted((one for one in masks if one.score > SURE), key=lambda one: -one.score)
    found, known = ([rle.encode(np.asfortranarray(each)) for each in some] for some in (_masks(sure), sample.masks))
    if sample.ignored is not None and found:
        over = np.array(rle.iou(found, [rle.encode(np.asfortranarray(sample.ignored))], [1]))
        found = [each for each, part in zip(found, over[:, 0], strict=True) if part < NEAR]
    right = 0
    if found and known:
        free = np.ones(len(known), bool)
        for row in np.array(rle.iou(found, known, [0] * len(known))):
            best = int(np.argmax(np.where(free, row, -1)))
            if free[best] and row[best] >= NEAR:
                free[best] = False
                right += 1
    return Counted(right, len(found), len(known), ms)


def _masks(some: Sequence[Detection]) -> list[Array]:
    return [one.mask for one in some]


def folders(path: Path) -> list[Path]:
    """*path* when it holds labels, else the folders in it that do."""
    if any(path.glob("*.json")) or (path / "annotations").is_dir():
        return [path]
    return [each for each in sorted(path.iterdir()) if each.is_dir() and any(each.glob("*.json"))]


def main() -> int:
    parser = arguments(__doc__ or "", ("real",), rounds=1)
    parser.add_argument("--data", type=Path, required=True, help="a folder in COCO's format, or one of such folders")
    parser.add_argument("--model", default="default", help="what FARM_SEGMENT_MODEL would say")
    parser.add_argument("--keep", type=int, default=3, help="one picture in so many is measured")
    parser.add_argument("--kinds", nargs="+", help="only these folders")
    parser.add_argument("--name", default="segment_real", help="of the JSON file with the figures")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    eyes = engine(chosen.model)
    done: dict[str, Any] = {"machine": machine(VERSIONS), "model": chosen.model, "keep": chosen.keep, "kinds": {}}
    for folder in folders(chosen.data):
        if chosen.kinds and folder.name not in chosen.kinds:
            continue
        source = Labelled(folder, chosen.keep)
        samples = source.held_out(QUICK if chosen.quick else len(source.kept))
        done["kinds"][folder.name] = measured(eyes, samples)
        print(json.dumps({folder.name: done["kinds"][folder.name]}), flush=True)
    kinds = done["kinds"]
    names = list(next(iter(kinds.values())))
    middle = {name: float(np.mean([one[name] for one in kinds.values() if one[name] >= 0] or [-1])) for name in names}
    rows = [[kind, *(f"{value:.3g}" for value in one.values())] for kind, one in {**kinds, "mean": middle}.items()]
    print_table(["kind", *names], rows)
    OUT.mkdir(parents=True, exist_ok=True)
    return report(chosen.name, {**done, "mean": middle}, [])


if __name__ == "__main__":
    sys.exit(main())
