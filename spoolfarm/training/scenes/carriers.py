"""Carriers: what objects are mounted on or lie in, and what is no object itself; fields in grey levels and colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes.noise import Array, fractal


def board(rng: Generator, height: int, width: int) -> Array:
    """A circuit board with its traces, pads, holes and print, (height, width, 3); it may end within the picture."""
    canvas = np.zeros((height, width, 3), np.float32)
    canvas += _hue(rng, 25)
    for _ in range(int(rng.integers(0, 40))):
        _trace(rng, canvas)
    for _ in range(int(rng.integers(0, 60))):
        _pad(rng, canvas)
    ink = np.zeros((height, width), np.uint8)  # OpenCV writes into bytes only
    for _ in range(int(rng.integers(0, 8))):
        spot = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        text = "".join(rng.choice(list("CRLUDQJ0123456789"), int(rng.integers(1, 7))))
        cv2.putText(ink, text, spot, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.25, 0.6), 255, 1, cv2.LINE_AA)
    canvas += (ink * np.float32(rng.uniform(30, 90) / 255))[..., None]
    if rng.random() < 0.5:
        canvas = _ended(rng, canvas)
    return canvas


def tray(rng: Generator, height: int, width: int) -> Array:
    """A plate, a tray, a bin or a sheet with an edge, (height, width, 3), on something else."""
    canvas = np.zeros((height, width, 3), np.float32)
    canvas += (rng.uniform(0, 10) * fractal(rng, height, width, rng.uniform(4, 80), 3))[..., None]
    return _ended(rng, canvas)


def _ended(rng: Generator, inner: Array) -> Array:
    """*inner* within the outline of a carrier, another ground outside, and a rim between them."""
    height, width = inner.shape[:2]
    mask = np.zeros((height, width), np.float32)
    middle = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6))
    size = (width * rng.uniform(0.7, 1.1), height * rng.uniform(0.7, 1.1))
    if rng.random() < 0.3:
        cv2.ellipse(mask, (middle, (min(size), min(size)), 0.0), 1.0, -1, cv2.LINE_AA)
    else:
        corners = cv2.boxPoints((middle, size, float(rng.normal(0, 6)))).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1.0, cv2.LINE_AA)
    outer = np.float32(rng.uniform(0, 20)) * fractal(rng, height, width, rng.uniform(4, 60), 3)
    outside = outer[..., None] + _hue(rng, 60)
    rim = np.abs(cv2.Laplacian(cv2.GaussianBlur(mask, (0, 0), rng.uniform(1, 4)), cv2.CV_32F))
    rim *= rng.uniform(-60, 60) / max(1e-3, float(rim.max()))
    field: Array = inner * mask[..., None] + outside * (1 - mask[..., None]) + rim[..., None]
    return field


def _trace(rng: Generator, canvas: Array) -> None:
    """A line in steps of 45 degrees."""
    height, width = canvas.shape[:2]
    turns = np.cumsum(rng.integers(-1, 2, 4)) * np.pi / 4 + rng.integers(8) * np.pi / 4
    steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(8, 90, (4, 1))
    points = rng.uniform(0, 1, 2) * (width, height) + np.vstack([[0, 0], np.cumsum(steps, 0)])
    shade = [float(rng.uniform(-25, 30))] * 3
    cv2.polylines(canvas, [points.astype(np.int32)], False, shade, int(rng.integers(1, 4)), cv2.LINE_AA)


def _pad(rng: Generator, canvas: Array) -> None:
    """A drilled hole, a pad of tin, or a row of them."""
    height, width = canvas.shape[:2]
    x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
    size, shade = int(rng.integers(1, 5)), [float(rng.uniform(-60, 90))] * 3
    for _ in range(int(rng.choice([1, 1, 4, 8]))):
        if rng.random() < 0.5:
            cv2.circle(canvas, (x, y), size, shade, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(canvas, (x - size, y - size), (x + size, y + size), shade, -1)
        x += 3 * size + 2


def _hue(rng: Generator, strength: float) -> Array:
    """A colour to add."""
    return rng.normal(0, strength, 3).astype(np.float32)
