"""Tables beside img2table: `python -m benchmarks.ocr_tables [PYTHON]`, a Python in whose environment img2table is.

Both read the same drawn tables; img2table has Tesseract for the letters. TEDS is the similarity of trees of tables,
rows and cells, 1 less the edit distance by the size of the larger one: https://arxiv.org/abs/1911.10683, section 5.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks import pages
from benchmarks.measure import print_table
from spoolfarm.tasks.ocr.reader import Reader

#: Tables of each kind, and pixels of a row, a column and a margin.
EACH, ROW, COLUMN, MARGIN = 3, 46, 210, 60
KINDS = ("ruled", "pale rulings", "open sides", "header lines only", "no rulings", "cells over several", "askew")
#: What the peer runs: paths of pictures in, the cells of their tables out, as JSON.
PEER = """
import json, sys
from img2table.document import Image
from img2table.ocr import TesseractOCR
ocr = TesseractOCR(n_threads=1, lang="eng")
answers = []
for path in sys.argv[1:]:
    found = Image(path).extract_tables(ocr=ocr, implicit_rows=True, borderless_tables=True, min_confidence=30)
    answers.append([[[cell.value or "" for cell in row] + [[c.bbox.x1, c.bbox.y1, c.bbox.x2, c.bbox.y2] for c in row]
                     for row in table.content.values()] for table in found])
print(json.dumps(answers))
"""

#: Rows of cells: text, rows, columns.
Cells = list[list[tuple[str, int, int]]]


@dataclass(frozen=True)
class Node:
    """A node of a table's tree: the cell, or None for the table and its rows."""

    cell: tuple[str, int, int] | None
    children: tuple[Node, ...] = ()


def tree(cells: Cells) -> Node:
    return Node(None, tuple(Node(None, tuple(Node(cell) for cell in row)) for row in cells))


def teds(one: Cells, other: Cells) -> float:
    """The similarity of two tables, 0 to 1."""
    first, second = (list(_ordered(tree(cells))) for cells in (one, other))
    return 1 - _distance(first, second) / max(len(first), len(second))


def _ordered(node: Node) -> Iterator[tuple[Node, int]]:
    """The nodes below *node*, then itself, each with how many are below it."""
    count = 0
    for child in node.children:
        below = list(_ordered(child))
        count += len(below)
        yield from below
    yield node, count


def _distance(one: list[tuple[Node, int]], other: list[tuple[Node, int]]) -> float:
    """The edit distance of two trees by Zhang and Shasha, https://doi.org/10.1137/0218082."""
    lefts = [[at - below for at, (_, below) in enumerate(nodes)] for nodes in (one, other)]
    roots = [sorted({left: at for at, left in enumerate(side)}.values()) for side in lefts]
    between = np.zeros((len(one), len(other)))
    for i in roots[0]:
        for j in roots[1]:
            a, b = lefts[0][i], lefts[1][j]
            costs = np.zeros((i - a + 2, j - b + 2))
            costs[:, 0], costs[0] = np.arange(i - a + 2), np.arange(j - b + 2)
            for x in range(a, i + 1):
                for y in range(b, j + 1):
                    r, c = x - a + 1, y - b + 1
                    least = min(costs[r - 1, c], costs[r, c - 1]) + 1
                    if lefts[0][x] == a and lefts[1][y] == b:
                        costs[r, c] = min(least, costs[r - 1, c - 1] + _change(one[x][0], other[y][0]))
                        between[x, y] = costs[r, c]
                    else:
                        costs[r, c] = min(least, costs[lefts[0][x] - a, lefts[1][y] - b] + between[x, y])
    return float(between[-1, -1])


def _change(one: Node, other: Node) -> float:
    if one.cell is None or other.cell is None:
        return float(one.cell is not other.cell)
    if one.cell[1:] != other.cell[1:]:
        return 1.0
    a, b = (pages.letters(cell[0]) for cell in (one.cell, other.cell))
    return pages.edits(a, b) / max(len(a), len(b), 1)


def drawn(kind: str, seed: int) -> tuple[np.ndarray[Any, Any], Cells]:
    """A picture of a table, and its cells."""
    rng = random.Random(f"{kind} {seed}")
    rows, columns = rng.randint(4, 8), rng.randint(3, 5)
    words = [[_word(rng, row, column) for column in range(columns)] for row in range(rows)]
    cells: Cells = [[(word, 1, 1) for word in row] for row in words]
    if kind == "cells over several":
        cells[0] = [(words[0][0], 1, 1), ("Quarterly totals", 1, 2), *cells[0][3:]]
    picture = Image.new("L", (columns * COLUMN + 2 * MARGIN, rows * ROW + 4 * MARGIN), 255)
    draw = ImageDraw.Draw(picture)
    _draw_rulings(draw, kind, cells)
    font = pages.font("DejaVu Sans", 20)
    draw.text((MARGIN, 20), "Deliveries to the north quay in the second half of the year", 0, font)
    for number, row in enumerate(cells):
        at = 0
        for text, _, over in row:
            draw.text((MARGIN + COLUMN * at + 14, 2 * MARGIN + ROW * number + 10), text, 0, font)
            at += over
    pixels = np.asarray(picture)
    if kind == "askew":
        turn = cv2.getRotationMatrix2D((pixels.shape[1] / 2, pixels.shape[0] / 2), rng.choice([-2.0, 1.5, 2.5]), 1)
        pixels = cv2.warpAffine(pixels, turn, pixels.shape[::-1], borderValue=255, flags=cv2.INTER_CUBIC)
    return np.repeat(pixels[..., None], 3, axis=2), cells


def _word(rng: random.Random, row: int, column: int) -> str:
    if row == 0:
        return rng.choice(["Goods", "Weight", "Amount", "Price", "Buyer", "Quay", "Crates"])
    if column == 0:
        return rng.choice(["Oranges", "Copper pipe", "Oak boards", "Lime", "Glass plates", "Honey"])
    return rng.choice([f"{rng.randint(1, 9999):,}", f"{rng.random() * 100:.2f}", f"{rng.randint(1, 99)} %", "n/a"])


def _draw_rulings(draw: ImageDraw.ImageDraw, kind: str, cells: Cells) -> None:
    if kind == "no rulings":
        return
    rows, columns = len(cells), sum(cell[2] for cell in cells[0])
    left, top, right, bottom = MARGIN, 2 * MARGIN, MARGIN + COLUMN * columns, 2 * MARGIN + ROW * rows
    shade = 200 if kind == "pale rulings" else 30
    for row in (0, 1, rows) if kind == "header lines only" else range(rows + 1):
        draw.line((left, top + ROW * row, right, top + ROW * row), shade, 2)
    if kind == "header lines only":
        return
    ends = range(1, columns) if kind == "open sides" else range(columns + 1)
    for column in ends:
        start = top + ROW if kind == "cells over several" and column == 2 else top
        draw.line((left + COLUMN * column, start, left + COLUMN * column, bottom), shade, 2)


def ours(files: Sequence[Path]) -> list[list[Cells]]:
    reader = Reader()
    answers = []
    for path in files:
        picture = cv2.imread(str(path))
        assert picture is not None
        found = reader.read(np.asarray(picture, np.uint8), tables=True).tables or ()
        answers.append(
            [
                [
                    [(cell.text, cell.rows, cell.columns) for cell in table.cells if cell.row == row]
                    for row in range(table.rows)
                ]
                for table in found
            ]
        )
    return answers


def peer(python: str, files: Sequence[Path]) -> list[list[Cells]]:
    """What img2table finds; a cell over several places is there as often, with the same box."""
    done = subprocess.run([python, "-c", PEER, *map(str, files)], capture_output=True, check=True, text=True)
    return [[_joined(table) for table in tables] for tables in json.loads(done.stdout.splitlines()[-1])]


def _joined(table: list[list[Any]]) -> Cells:
    seen: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0])
    places: list[list[tuple[str, tuple[int, ...]]]] = []
    for row in table:
        half = len(row) // 2
        places.append([(text, tuple(box)) for text, box in zip(row[:half], row[half:], strict=True)])
    for row in places:
        for box in {box for _, box in row}:
            seen[box][0] += 1
            seen[box][1] = max(seen[box][1], sum(other == box for _, other in row))
    told: set[tuple[int, ...]] = set()
    cells: Cells = []
    for row in places:
        cells.append([])
        for text, box in row:
            if box not in told:
                told.add(box)
                cells[-1].append((text, *seen[box]))  # type: ignore[arg-type]
    return cells


def score(answers: list[list[Cells]], truths: Sequence[Cells]) -> list[float]:
    """TEDS of the best table of each picture; 0 where none was found, less where there are more."""
    return [
        max((teds(table, truth) for table in found), default=0.0) / max(len(found), 1)
        for found, truth in zip(answers, truths, strict=True)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("python", nargs="?", help="the Python in whose environment img2table is")
    python = parser.parse_args().python
    made = [(kind, *drawn(kind, seed)) for kind in KINDS for seed in range(EACH)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.png") for number in range(len(made))]
        for path, (_, picture, _) in zip(files, made, strict=True):
            cv2.imwrite(str(path), picture)
        truths = [cells for *_, cells in made]
        scores = {"spoolfarm": score(ours(files), truths)}
        if python:
            scores["img2table"] = score(peer(python, files), truths)
    rows = [
        [
            kind,
            *(
                f"{mean(one for (own, *_), one in zip(made, each, strict=True) if own == kind):.3f}"
                for each in scores.values()
            ),
        ]
        for kind in KINDS
    ]
    print_table(["TEDS", *scores], [*rows, ["all", *(f"{mean(each):.3f}" for each in scores.values())]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
