"""How well objects are found and counted in folders of labelled pictures: `python -m benchmarks.segment_folders`.

Any COCO folder will do, and a folder of such folders. `--out` keeps what was found, so that `--read` tells the figures
for another threshold, and `--before` those of another run beside them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from statistics import mean

import cv2
import torch

from benchmarks.labelled_folders import STEPS, Counted, counted, folders, pictures, read, reliability, seen, write
from benchmarks.measure import print_table
from spoolfarm.tasks.segment.engines import engine
from spoolfarm.tasks.segment.instance import Wanted

#: The least score that counts for average precision.
LEAST = 0.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="a COCO folder; may come again")
    parser.add_argument("--model", default="default", help="what FARM_SEGMENT_MODEL would say")
    parser.add_argument("--tiles", default="auto", help="auto, off, or how many along the longer side")
    parser.add_argument("--engine", default="auto", choices=("auto", "net", "classical"))
    parser.add_argument("--every", type=int, default=1, help="only every so many-th picture of a folder")
    parser.add_argument("--offset", type=int, default=0, help="and the first of these")
    parser.add_argument("--limit", type=int, help="at most so many pictures of a folder")
    parser.add_argument("--score", type=float, default=0.5, help="what scores more is counted")
    parser.add_argument("--out", type=Path, help="where to keep what was found")
    parser.add_argument("--read", type=Path, help="what was found and kept, in place of a run")
    parser.add_argument("--before", type=Path, help="what another run kept, told before each row")
    chosen = parser.parse_args()
    labelled = {
        name: pictures(file, chosen.every, chosen.offset)[: chosen.limit] for name, file in folders(chosen.data).items()
    }
    if chosen.read:
        runs = read(chosen.read)
    else:
        runs = {}
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        eyes = engine(chosen.model)
        tiles = int(chosen.tiles) if chosen.tiles.isdigit() else chosen.tiles
        want = Wanted(LEAST, 1000, None, tiles, chosen.engine)
        for name, some in labelled.items():
            runs[name] = [seen(eyes, each, want) for each in some]
            print(name, len(some), flush=True)
            if chosen.out:
                write(chosen.out, runs)
    before = read(chosen.before) if chosen.before else {}
    rows, means = [], []
    for name, some in labelled.items():
        for told, run in (("before", before), ("", runs)):
            if name in run:
                figures = counted(some, run[name], chosen.score)
                rows.append([f"{name} {told}".strip(), *_told(figures)])
                means.append((told, figures))
    for told in ("before", ""):
        if some_figures := [each for which, each in means if which == told]:
            average = Counted(*(mean(column) for column in zip(*map(astuple, some_figures), strict=True)))
            rows.append([f"mean of folders {told}".strip(), *_told(average)])
    print_table(["folder", *asdict(means[0][1])], rows)
    print("\nOf what scores so much, the part that are objects")
    parts = {name: reliability(some, runs[name]) for name, some in labelled.items() if name in runs}
    steps = [f"to {high:.1f}" for _, high in STEPS]
    print_table(["folder", *steps], [[name, *_parts(each)] for name, each in parts.items()] + [_mean_parts(parts)])
    return 0


def _parts(steps: Sequence[tuple[int, float] | None]) -> list[str]:
    return ["" if each is None else f"{each[1]:.2f} of {each[0]}" for each in steps]


def _mean_parts(parts: Mapping[str, Sequence[tuple[int, float] | None]]) -> list[str]:
    """The means of the folders that have any of a step."""
    columns = ([each[1] for each in column if each is not None] for column in zip(*parts.values(), strict=True))
    return ["mean of folders", *(f"{mean(column):.2f}" if column else "" for column in columns)]


def _told(figures: Counted) -> list[str]:
    whole = ("pictures", "objects", "cpu_ms")
    return [f"{value:.0f}" if name in whole else f"{value:.3f}" for name, value in asdict(figures).items()]


if __name__ == "__main__":
    sys.exit(main())
