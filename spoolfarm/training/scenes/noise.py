"""Noise fields: float32 arrays of mean 0 and deviation 1, from which grounds and surfaces are made."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

Array = np.ndarray[Any, Any]


def white(rng: Generator, height: int, width: int) -> Array:
    """Every pixel for itself."""
    return rng.standard_normal((height, width), dtype=np.float32)


def smooth(rng: Generator, height: int, width: int, across: float, along: float | None = None) -> Array:
    """Hills *across* pixels apart from top to bottom, and *along* from left to right."""
    rows = max(2, math.ceil(height / across) + 1)
    columns = max(2, math.ceil(width / (across if along is None else along)) + 1)
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    return unit(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))


def fractal(rng: Generator, height: int, width: int, across: float, octaves: int = 4, gain: float = 0.6) -> Array:
    """Hills with smaller hills on them, each *gain* times as high and half as wide."""
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        pixels = across / 2**octave
        if pixels < 1:
            break
        field += gain**octave * smooth(rng, height, width, pixels)
    return unit(field)


def turned(field: Array, degrees: float, height: int, width: int) -> Array:
    """The middle of a square *field* after a turn; its side must be at least `diagonal(height, width)`."""
    side = field.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1)
    matrix[:, 2] += (width - side) / 2, (height - side) / 2
    return cv2.warpAffine(field, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def diagonal(height: int, width: int) -> int:
    """The side of a square that covers a picture however it is turned."""
    return math.ceil(math.hypot(height, width)) + 2


def unit(field: Array) -> Array:
    """*field* with mean 0 and deviation 1; a flat one becomes 0."""
    mean, deviation = cv2.meanStdDev(field)
    spread = float(deviation[0, 0])
    result: Array = (field - np.float32(mean[0, 0])) * np.float32(1 / spread if spread > 1e-6 else 0)
    return result.astype(np.float32, copy=False)
