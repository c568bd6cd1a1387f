"""The slopes: how the lines of a page rise and fall, told by the cores that the detector marks, and how it bends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, Any]

#: A core tells of slopes when it is so many times as long as thick, and so many pixels long.
LONG, LEAST = 8.0, 40
#: Pieces of a core are so many times as long as it is thick, and at least so many pixels.
PIECE, SHORTEST = 6.0, 16
#: Fewer pieces tell nothing of a page.
ENOUGH = 15
#: The degree of the surface that is laid through the slopes, how stiff it is, and the steepest slope.
DEGREE, STIFF, STEEPEST = 3, 0.02, 1.0
#: Rounds of fitting; in the first ones, slopes that are so many times as far off as most are doubted, then fewer.
ROUNDS, COARSE, COARSELY, FINELY = 8, 4, 4.0, 1.5
#: Creases are told in cells of so many thicknesses, by what is within about so many cells; slopes so far off are
#: doubted, and those that stand alone count for this part less.
CELL, BELL, DOUBTED, ALONE = 5.0, 2.0, 0.15, 0.3
#: The least difference of slopes that is doubted.
SMALLEST = 0.004


@dataclass(frozen=True, slots=True)
class Slopes:
    """Pieces of lines on a picture; of one whose lines stand, as they lie when its rows and columns are exchanged."""

    standing: bool
    #: Pixels of the picture, as the pieces lie on it.
    width: float
    height: float
    #: A row each: x and y of the middle, slope (down by across), weight, and how thick the core is; in pixels.
    pieces: Array

    @classmethod
    def of(cls, cores: Array, margin: int, across: float, down: float) -> Slopes:
        """The slopes of *cores*, (height, width) uint8, whose pixels are *across* by *down* pixels of the picture.

        There are *margin* pixels around the picture.
        """
        _, labels, stats, _ = cv2.connectedComponentsWithStats(cores)
        stats = stats[1:]
        width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
        standing = bool(np.sum(height[height > LONG * width]) > np.sum(width[width > LONG * height]))
        if standing:
            labels, stats, across, down = labels.T, stats[:, [1, 0, 3, 2, 4]], down, across
        size = [length - 2 * margin for length in labels.shape]
        found = [
            _pieces(labels[y : y + h, x : x + w] == number, area / w) + np.array([x - margin, y - margin, 0, 0, 0])
            for number, (x, y, w, h, area) in enumerate(stats, 1)
            if w >= max(LEAST, LONG * area / w)
        ]
        pieces = np.concatenate(found) if found else np.zeros((0, 5))
        return cls(standing, size[1] * across, size[0] * down, pieces * (across, down, down / across, across, down))

    @property
    def thickness(self) -> float:
        """Pixels of the picture that most cores are thick; 0 without any."""
        return float(np.median(self.pieces[:, 4])) if len(self.pieces) else 0.0

    @property
    def bend(self) -> float:
        """How much the slope differs over the page, in the square mean; 0 when too little is known."""
        if len(self.pieces) < ENOUGH:
            return 0.0
        weights = self.pieces[:, 3]
        slopes = self.surface().at(self.pieces[:, 0], self.pieces[:, 1])
        return float(np.sqrt(np.average((slopes - np.average(slopes, weights=weights)) ** 2, weights=weights)))

    def surface(self) -> Surface:
        """The smooth surface through most slopes: least squares with Cauchy's weights, in rounds; then its creases."""
        x, y, slope, weight, _ = self.pieces.T
        size = max(CELL * self.thickness, 1.0)
        blank = Surface(self.width, self.height, np.zeros(_count()), size, np.zeros((2, 2), np.float32))
        terms, slope = blank.terms(x, y), np.clip(slope, -STEEPEST, STEEPEST)
        stiff = STIFF / 50 * weight.sum() * np.eye(terms.shape[1])
        stiff[0, 0] = 0
        trust = weight
        factors = np.zeros(_count())
        for turn in range(ROUNDS):
            factors = np.linalg.solve(terms.T @ (terms * trust[:, None]) + stiff, terms.T @ (trust * slope))
            off = slope - terms @ factors
            scale = max(float(np.median(np.abs(off))) * (COARSELY if turn < COARSE else FINELY), SMALLEST)
            trust = weight / (1 + (off / scale) ** 2)
        return replace(blank, factors=factors, creases=self._creases(slope - terms @ factors, size))

    def _creases(self, off: Array, size: float) -> Array:
        """What slopes are *off* the surface around each cell of CELL thicknesses: the mean with a bell's weights."""
        shape = int(self.height / size) + 2, int(self.width / size) + 2
        total: Array = np.zeros(shape, np.float32)
        weights: Array = np.zeros(shape, np.float32)
        at = np.clip((self.pieces[:, [1, 0]] / size + 0.5).astype(int), 0, np.array(shape) - 1)
        trust = self.pieces[:, 3] / (1 + (off / DOUBTED) ** 2)
        np.add.at(total, tuple(at.T), off * trust)
        np.add.at(weights, tuple(at.T), trust)
        total, weights = (cv2.GaussianBlur(one, (0, 0), BELL) for one in (total, weights))
        steady = ALONE * float(np.median(weights[tuple(at.T)]))
        creases: Array = (total / (weights + steady)).astype(np.float32)
        return creases


@dataclass(frozen=True, slots=True)
class Surface:
    """The slope at each point of a picture of *width* x *height* pixels: a polynomial, and what differs from it."""

    width: float
    height: float
    factors: Array
    #: Pixels of a cell, and the slope to add at the corner between each four of them.
    cell: float
    creases: Array

    def at(self, x: Array, y: Array) -> Array:
        across, down = (np.asarray(at / self.cell, np.float32).reshape(-1, 1) for at in (x, y))
        creases = cv2.remap(self.creases, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        slopes: Array = np.clip(self.terms(x, y) @ self.factors + creases[:, 0], -STEEPEST, STEEPEST)
        return slopes

    def terms(self, x: Array, y: Array) -> Array:
        half = max(self.width, self.height) / 2
        x, y = (x - self.width / 2) / half, (np.clip(y, 0, self.height) - self.height / 2) / half
        return np.stack([x**i * y**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)], axis=-1)


def _count() -> int:
    return (DEGREE + 1) * (DEGREE + 2) // 2


def _pieces(core: Array, thick: float) -> Array:
    """The pieces of one *core*, a mask: lines laid through the middles of its columns."""
    height, width = core.shape
    counts = core.sum(axis=0)
    middles = (core * np.arange(height)[:, None]).sum(axis=0) / np.maximum(counts, 1)
    count = max(1, width // max(SHORTEST, round(PIECE * thick)))
    edges = np.linspace(0, width, count + 1).astype(int)[:-1]
    xs = np.arange(width)
    total, x, y, xx, xy = (
        np.add.reduceat(value, edges) for value in (np.ones(width), xs, middles, xs * xs, xs * middles)
    )
    slopes = (total * xy - x * y) / np.maximum(total * xx - x * x, 1)
    return np.stack([x / total, y / total, slopes, total, np.full(count, thick)], axis=1)
