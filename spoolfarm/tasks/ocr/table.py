"""The table: cells in rows and columns, each with its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TableCell:
    """A cell: where it begins and over how many rows and columns it goes, counted from 0."""

    row: int
    column: int
    rows: int
    columns: int
    #: Its lines, joined by line breaks.
    text: str
    #: The corners, clockwise, in the picture's pixels.
    poly: tuple[Point, ...]
    #: The numbers of the page's lines that stand in it.
    lines: tuple[int, ...]

    def record(self) -> dict[str, Any]:
        """The cell as JSON values, pixels to a tenth."""
        return {
            "row": self.row,
            "column": self.column,
            "rows": self.rows,
            "columns": self.columns,
            "text": self.text,
            "poly": [[round(x, 1), round(y, 1)] for x, y in self.poly],
            "lines": list(self.lines),
        }


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its cells from left to right, row by row, and whether rulings part them."""

    rows: int
    columns: int
    ruled: bool
    poly: tuple[Point, ...]
    cells: tuple[TableCell, ...]

    def moved(self, to: Callable[[float, float], Point]) -> Table:
        """The table with each corner where *to* puts it."""
        cells = (replace(cell, poly=tuple(to(*corner) for corner in cell.poly)) for cell in self.cells)
        return replace(self, poly=tuple(to(*corner) for corner in self.poly), cells=tuple(cells))

    def record(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "ruled": self.ruled,
            "poly": [[round(x, 1), round(y, 1)] for x, y in self.poly],
            "cells": [cell.record() for cell in self.cells],
        }


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in the page's own frame, where text is level and upright; y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom


@dataclass(frozen=True, slots=True)
class Spot:
    """Rows *top* to before *bottom*, columns *left* to before *right*."""

    top: int
    left: int
    bottom: int
    right: int

    def meets(self, other: Spot) -> bool:
        return (
            self.top < other.bottom and other.top < self.bottom and self.left < other.right and other.left < self.right
        )


def disjoint(spots: Sequence[Spot]) -> list[Spot]:
    """*spots*, those that meet joined into one, from left to right, row by row."""
    rows, columns = max(spot.bottom for spot in spots), max(spot.right for spot in spots)
    while True:
        places = np.zeros((2 * rows, 2 * columns), np.uint8)  # and what is between any two of them
        for spot in spots:
            places[2 * spot.top : 2 * spot.bottom - 1, 2 * spot.left : 2 * spot.right - 1] = 1
        stats = cv2.connectedComponentsWithStats(places, connectivity=4)[2][1:, :4].tolist()
        joined = [Spot(y // 2, x // 2, (y + h + 1) // 2, (x + w + 1) // 2) for x, y, w, h in stats]
        if len(joined) == len(spots):
            return sorted(joined, key=lambda spot: (spot.top, spot.left))
        spots = joined
