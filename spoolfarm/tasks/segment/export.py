"""The export: what `segment` found as COCO's files.

python -m spoolfarm.tasks.segment.export results.jsonl --out coco
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Seen:
    """The answer for one picture, and the picture's file name."""

    file: str
    answer: Mapping[str, Any]


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


def dataset(seen: Sequence[Seen], ids: Mapping[str, int]) -> dict[str, Any]:
    """COCO's object detection format: the pictures, the categories, and each mask as an annotation."""
    kinds = {mask["category_id"]: mask["label"] for each in seen for mask in each.answer["masks"]}
    annotations = results(seen, ids)
    areas = [mask["area"] for each in seen for mask in each.answer["masks"]]
    return {
        "images": [{"id": ids[each.file], "file_name": each.file, **each.answer["image"]} for each in seen],
        "categories": [{"id": number, "name": kinds[number]} for number in sorted(kinds)],
        "annotations": [
            {"id": number, "iscrowd": 0, "area": area, **annotation}
            for number, (area, annotation) in enumerate(zip(areas, annotations, strict=True), start=1)
        ],
    }


def read(path: Path) -> Iterator[Seen]:
    """The successful answers in *path*: the `results.jsonl` of a batch, or the record of one picture, NAME.json."""
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
    else:
        records = [{"file": path.name.removesuffix(".json"), **json.loads(path.read_text(encoding="utf-8"))}]
    for record in records:
        if record.get("task") == "segment" and record.get("status") == "succeeded":
            yield Seen(record["file"], record["result"])


def numbers(seen: Sequence[Seen], labels: Mapping[str, Any] | None = None) -> dict[str, int]:
    """The number of each picture by file name: that in *labels*, a COCO data set, or counted from 1.

    Raises KeyError for a picture that *labels* does not know.
    """
    if labels is None:
        return {each.file: number for number, each in enumerate(seen, start=1)}
    known = {Path(image["file_name"]).name: image["id"] for image in labels["images"]}
    return {each.file: known[Path(each.file).name] for each in seen}


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
    parser.add_argument("--labels", type=Path, help="a COCO data set whose picture numbers are to be used")
    options = parser.parse_args(arguments)
    try:
        seen = [each for path in options.paths for each in read(path)]
        labels = json.loads(options.labels.read_text(encoding="utf-8")) if options.labels else None
        ids = numbers(seen, labels)
        options.out.mkdir(parents=True, exist_ok=True)
        for name, made in (("results", results(seen, ids)), ("dataset", dataset(seen, ids))):
            (options.out / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    except KeyError as error:
        parser.error(f"no such picture in the labels, or no such key in a record: {error}")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{len(seen)} pictures in {options.out}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
