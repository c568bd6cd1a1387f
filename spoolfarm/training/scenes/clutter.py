"""Clutter: what lies about in a picture but is not an object."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes.noise import Array, smooth


def under(rng: Generator, height: int, width: int) -> Array:
    """Stains, print, lines and soft shadows on the ground, in grey levels to add."""
    field = np.zeros((height, width), np.float32)
    for draw, often in ((_stains, 0.25), (_lines, 0.2), (_print, 0.1), (_shadow, 0.15), (_dust, 0.15)):
        if rng.random() < often:
            field += draw(rng, height, width)
    return field


def over(rng: Generator, height: int, width: int) -> Array:
    """Scratches, hairs and dust on everything, in grey levels to add."""
    field = np.zeros((height, width), np.float32)
    if rng.random() < 0.1:
        field += _lines(rng, height, width) * 0.5
    if rng.random() < 0.1:
        field += _dust(rng, height, width)
    return field


def _sign(rng: Generator, least: float, most: float) -> float:
    return float(rng.choice([-1, 1]) * rng.uniform(least, most))


def _stains(rng: Generator, height: int, width: int) -> Array:
    """Spots without an edge."""
    field = smooth(rng, height, width, width * rng.uniform(0.08, 0.4))
    stains: Array = np.clip(field - 1, 0, None) * np.float32(_sign(rng, 8, 30))
    return stains


def _lines(rng: Generator, height: int, width: int) -> Array:
    """Cracks, wires, pencil strokes."""
    canvas = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 9))):
        start = rng.uniform(0, 1, 2) * (width, height)
        bends = np.cumsum(rng.normal(0, width * rng.uniform(0.02, 0.2), (int(rng.integers(1, 6)), 2)), 0)
        points = np.vstack([start, start + bends]).astype(np.int32)
        cv2.polylines(canvas, [points], False, int(rng.integers(90, 256)), int(rng.integers(1, 3)), cv2.LINE_AA)
    return canvas.astype(np.float32) * np.float32(_sign(rng, 15, 90) / 255)


def _print(rng: Generator, height: int, width: int) -> Array:
    """Words and numbers, small against the picture."""
    canvas = np.zeros((height, width), np.uint8)
    size = rng.uniform(0.25, 0.6)
    for row in range(int(rng.integers(8, 60)), height, int(rng.integers(14, 60))):
        text = "".join(rng.choice(list("abcdefghiklmnoprstuvwxyz 0123456789"), int(rng.integers(3, 50))))
        cv2.putText(canvas, text, (int(rng.integers(0, width // 2)), row), cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, 16)
    return canvas.astype(np.float32) * np.float32(_sign(rng, 20, 110) / 255)


def _shadow(rng: Generator, height: int, width: int) -> Array:
    """The soft shadow of something outside the picture."""
    canvas = np.zeros((height, width), np.float32)
    corners = rng.uniform(-0.3, 1.3, (int(rng.integers(3, 6)), 2)) * (width, height)
    cv2.fillConvexPoly(canvas, cv2.convexHull(corners.astype(np.int32)), rng.uniform(-55, -15))
    return cv2.GaussianBlur(canvas, (0, 0), width * rng.uniform(0.02, 0.12))


def _dust(rng: Generator, height: int, width: int) -> Array:
    """Grains of a pixel or two."""
    field = np.zeros((height, width), np.float32)
    count = int(rng.integers(5, 120))
    field[rng.integers(0, height, count), rng.integers(0, width, count)] = rng.normal(0, 120, count)
    return cv2.GaussianBlur(field, (0, 0), rng.uniform(0.4, 1))
