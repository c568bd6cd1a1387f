"""Drawn scenes for the tests of masks and directions: their truth is known."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Picture = np.ndarray[Any, np.dtype[np.uint8]]


def ellipses(seed: int, count: int = 4, height: int = 360, width: int = 480) -> tuple[Picture, list[Mask]]:
    """*count* ellipses at most, apart from each other, each in its colour, on a noisy background that is not even."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, 3)
    slope = np.linspace(-1, 1, width)[None, :, None] * rng.uniform(-20, 20)
    picture = np.zeros((height, width, 3)) + ground + slope + np.linspace(-1, 1, height)[:, None, None] * 15
    taken, masks = np.zeros((height, width), np.uint8), []
    for _ in range(40):
        halves = [int(value) for value in rng.integers(height // 14, height // 5, 2)]
        centre = [int(rng.integers(max(halves), side - max(halves))) for side in (width, height)]
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, centre, halves, float(rng.uniform(0, 180)), 0, 360, (1,), cv2.FILLED)
        colour = rng.integers(0, 256, 3)
        apart = not (cv2.dilate(mask, np.ones((9, 9))) & taken).any()
        if apart and np.linalg.norm(colour - ground) > 80 and len(masks) < count:
            picture[mask > 0] = colour
            taken |= mask
            masks.append(mask > 0)
    return np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8), masks


def bar(degree: float, length: float = 260, thick: float = 44, height: int = 360, width: int = 400) -> Picture:
    """A dark bar on light ground, at *degree* counter-clockwise from the x axis as seen."""
    turn = math.radians(degree)
    along, across = np.array([math.cos(turn), -math.sin(turn)]), np.array([math.sin(turn), math.cos(turn)])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    corners = [np.array([width, height]) / 2 + a * length / 2 * along + b * thick / 2 * across for a, b in signs]
    picture = np.full((height, width, 3), 235, np.uint8)
    cv2.fillPoly(picture, [np.rint(corners).astype(np.int32)], (40, 60, 50), cv2.LINE_AA)
    return picture


def png(picture: Picture) -> bytes:
    """The file of *picture*."""
    return cv2.imencode(".png", picture)[1].tobytes()


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


def between(one: float, other: float) -> float:
    """Degrees between two axes."""
    return abs((one - other + 90) % 180 - 90)
