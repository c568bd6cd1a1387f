"""The export: what `segment` found as COCO's files.

python -m spoolfarm.tasks.segment.export results.jsonl --out coco
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spoolfarm.tasks.segment.picture_names import Numbers


@dataclass(frozen=True)
class Seen:
    """The answer for one picture, the picture's name, and the folder that this is relative to."""

    file: str
    answer: Mapping[str, Any]
    folder: str = ""


def results(seen: Iterable[Seen], ids: Mapping[str, int]) -> list[dict[str, Any]]:
    """COCO's results format, a list that `COCO.loadRes` takes; *ids* has the number of each picture by file name."""
    return [
        {
            "image_id": ids[each.file],
            "category_id": mask["category_id"],
            "segmentation": {
                "size": mask["mask_rle"]["size"],
                "counts": _text(mask["mask_rle"]["counts"], each.answer["counts_encoding"]),
            },
            "bbox": mask["bbox"],
            "score": mask["score"],
        }
        for each in seen
        for mask in each.answer["masks"]
    ]


def dataset(seen: Sequence[Seen], ids: Mapping[str, int], *, polygons: bool = False) -> dict[str, Any]:
    """COCO's object detection format: the pictures, the categories, and each mask as an annotation.

    With *polygons* a mask is written as the outlines of its parts, without its holes, and not as run lengths.
    """
    masks = [mask for each in seen for mask in each.answer["masks"]]
    kinds = {mask["category_id"]: mask["label"] for mask in masks}
    annotations = [
        {"id": number, "iscrowd": 0, "area": mask["area"], **annotation}
        for number, (mask, annotation) in enumerate(zip(masks, results(seen, ids), strict=True), start=1)
    ]
    if polygons:
        annotations = [each | {"segmentation": _outlines(**each["segmentation"])} for each in annotations]
    return {
        "images": [{"id": ids[each.file], "file_name": each.file, **each.answer["image"]} for each in seen],
        "categories": [{"id": number, "name": kinds[number]} for number in sorted(kinds)],
        "annotations": annotations,
    }


def read(path: Path) -> Iterator[Seen]:
    """The successful answers in *path*: the `results.jsonl` of a batch, or the record of one picture, NAME.json."""
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
    else:
        records = [json.loads(path.read_text(encoding="utf-8"))]
    for record in records:
        if isinstance(record, dict) and record.get("task") == "segment" and record.get("status") == "succeeded":
            name = record["file"] if path.suffix == ".jsonl" else path.name.removesuffix(".json")
            yield Seen(name, record["result"], os.path.abspath(path.parent))


def distinct(seen: Iterable[Seen]) -> list[Seen]:
    """*seen* with names that tell all pictures apart: relative to the deepest folder in which all their answers lie.

    Of several answers for one picture the last one counts.
    """
    known = list(seen)
    if not known:
        return []
    base = os.path.commonpath([each.folder for each in known])
    named = {os.path.relpath(os.path.join(each.folder, each.file), base): each for each in known}
    return [replace(each, file=name, folder=base) for name, each in named.items()]


def numbers(seen: Sequence[Seen], labels: Mapping[str, Any] | None = None) -> dict[str, int]:
    """The number of each picture by name: that in *labels*, a COCO data set, or counted from 1.

    Raises ValueError for a picture that *labels* does not know, or does not tell apart from another one.
    """
    if labels is None:
        return {each.file: number for number, each in enumerate(seen, start=1)}
    known = Numbers(labels["images"])
    return {each.file: known.of(each.file, each.folder) for each in seen}


def _outlines(counts: str, size: Sequence[int]) -> list[list[float]]:
    """Run lengths as polygons; none where there is no mask.

    They go a quarter of a pixel inside the edges of the mask's pixels: COCO's readers fill that to the mask again, as
    they do not a line through the pixels' centres.
    """
    import numpy as np

    from spoolfarm.tasks.segment.instance import crop
    from spoolfarm.tasks.segment.polygons import polygons
    from spoolfarm.tasks.segment.rle import expand

    height, width = size
    lengths = expand(counts.encode())
    columns = np.repeat(np.arange(len(lengths), dtype=np.uint8) % 2, lengths).reshape(width, height)
    instance = crop(np.ascontiguousarray(columns.T), 0, 0)
    if instance is None:
        return []
    double = instance.mask.repeat(2, axis=0).repeat(2, axis=1)
    traced = polygons(replace(instance, mask=double, left=2 * instance.left, top=2 * instance.top))
    return [[(value + 0.5) / 2 for value in border] for border in traced]


def _text(counts: str, encoding: str) -> str:
    """Run lengths as COCO's own text, whichever way they were asked for."""
    return counts if encoding == "ascii" else base64.b64decode(counts).decode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the export."""
    parser = argparse.ArgumentParser(
        prog="python -m spoolfarm.tasks.segment.export", description="Masks as COCO's files."
    )
    parser.add_argument("paths", nargs="+", type=Path, help="results.jsonl of a batch, or NAME.json of single pictures")
    parser.add_argument("--out", type=Path, default=Path("coco"), help="folder for dataset.json and results.json")
    parser.add_argument("--polygons", action="store_true", help="in dataset.json outlines instead of run lengths")
    parser.add_argument("--labels", type=Path, help="a COCO data set whose picture numbers are to be used")
    options = parser.parse_args(arguments)
    try:
        seen = distinct(each for path in options.paths for each in read(path))
        labels = json.loads(options.labels.read_text(encoding="utf-8")) if options.labels else None
        ids = numbers(seen, labels)
        options.out.mkdir(parents=True, exist_ok=True)
        data = dataset(seen, ids, polygons=options.polygons)
        for name, made in (("results", results(seen, ids)), ("dataset", data)):
            (options.out / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    except (KeyError, TypeError, AttributeError) as error:
        parser.error(f"no such key in a record or in the labels: {error}")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{len(seen)} pictures in {options.out}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
