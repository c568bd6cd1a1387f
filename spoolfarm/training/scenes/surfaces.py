"""Surfaces: how an object looks within its outline, as brightness in grey levels around its own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes import grounds
from spoolfarm.training.scenes.noise import Array, fractal, smooth, white


@dataclass(frozen=True)
class Surface:
    """What the objects of one kind share, each strength in grey levels."""

    texture: float
    #: Pixels between the hills of the texture.
    across: float
    pattern: float
    shade: float
    #: 0 is flat, 1 is round like a ball.
    bulge: float
    relief: float
    rim: float
    highlights: int

    @property
    def busy(self) -> bool:
        """Whether it is seen on a ground of its own colour."""
        return self.texture + self.pattern + self.bulge + self.relief > BUSY


#: The strength, in grey levels, from which a texture alone tells an object from its ground.
BUSY = 12
#: Nothing but one colour: a silhouette.
FLAT = Surface(0, 8, 0, 0, 0, 0, 0, 0)


def surface(rng: Generator) -> Surface:
    """Draw a kind of surface."""
    if rng.random() < 0.12:
        return FLAT
    return Surface(
        texture=rng.uniform(0, 22) * (rng.random() < 0.8),
        across=rng.uniform(2, 40),
        pattern=rng.uniform(15, 70) * (rng.random() < 0.22),
        shade=rng.uniform(0, 35) * (rng.random() < 0.6),
        bulge=rng.uniform(5, 70) * (rng.random() < 0.35),
        relief=rng.uniform(15, 70) * (rng.random() < 0.3),
        rim=rng.normal(0, 35) * (rng.random() < 0.3),
        highlights=int(rng.integers(1, 4)) * int(rng.random() < 0.3),
    )


def paint(rng: Generator, kind: Surface, cover: Array, light: float) -> Array:
    """Brightness over *cover*, an object's box, lit from the direction *light* in radians."""
    height, width = cover.shape
    field = np.zeros((height, width), np.float32)
    if kind.texture:
        field += kind.texture * fractal(rng, height, width, kind.across, 3)
        field += kind.texture * rng.uniform(0, 0.4) * white(rng, height, width)
    if kind.pattern:
        field += kind.pattern * _pattern(rng, height, width)
    if kind.shade:
        rows, columns = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
        slope = np.cos(light) * columns[None, :] + np.sin(light) * rows[:, None]
        field += (kind.shade * slope).astype(np.float32)
    if kind.bulge or kind.rim:
        field += _depth(rng, kind, cover, light)
    if kind.relief:
        field += kind.relief * _relief(rng, height, width, light)
    for _ in range(kind.highlights):
        field += _highlight(rng, height, width, light)
    return field


def _pattern(rng: Generator, height: int, width: int) -> Array:
    """Patches, stripes, spots or a ground's own texture: -1 to 1 or so."""
    kind = rng.integers(4)
    if kind == 0:
        return np.sign(fractal(rng, height, width, max(3.0, max(height, width) * rng.uniform(0.15, 0.6)), 2))
    if kind == 1:
        angle = rng.uniform(0, 3)
        rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
        period = max(4.0, max(height, width) * rng.uniform(0.08, 0.4))
        wave = np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 2 * np.pi / period)
        stripes: Array = np.clip(wave * rng.choice([1, 6]), -1, 1).astype(np.float32)
        return stripes
    if kind == 2:
        return np.where(smooth(rng, height, width, max(3.0, max(height, width) * 0.15)) > 0.9, 1, 0).astype(np.float32)
    if max(height, width) < 40:
        return fractal(rng, height, width, 6, 2)
    choice = (grounds.wood, grounds.metal, grounds.cloth, grounds.craters, grounds.stones, grounds.grain)
    return 0.6 * choice[int(rng.integers(len(choice)))](rng, height, width)


def _depth(rng: Generator, kind: Surface, cover: Array, light: float) -> Array:
    """Shading of a bulging body, and a rim brighter or darker than the rest."""
    inside = cv2.copyMakeBorder((cover > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_3)
    deepest = float(depth.max()) or 1.0
    field = np.zeros_like(depth)
    if kind.bulge:
        part = rng.uniform(0.3, 1)
        hill = np.sqrt(np.clip(depth / (deepest * part), 0, 1)) * deepest * part
        hill = cv2.GaussianBlur(hill, (0, 0), 0.5 + deepest * 0.08)
        lit = np.cos(light) * cv2.Sobel(hill, cv2.CV_32F, 1, 0) + np.sin(light) * cv2.Sobel(hill, cv2.CV_32F, 0, 1)
        field += kind.bulge * np.clip(lit / 6, -1.2, 1.2)
    if kind.rim:
        field += np.float32(kind.rim) * np.exp(-depth / max(1.0, deepest * rng.uniform(0.08, 0.3)))
    return field[1:-1, 1:-1]


def _relief(rng: Generator, height: int, width: int, light: float) -> Array:
    """A coin's face: rings, strokes, heads and signs pressed into the object, lit from one side."""
    size = max(height, width)
    canvas = np.zeros((height, width), np.uint8)
    middle = (width // 2, height // 2)
    thick = max(1, round(size * rng.uniform(0.015, 0.06)))
    if rng.random() < 0.6:
        axes = (int(width * rng.uniform(0.28, 0.46)), int(height * rng.uniform(0.28, 0.46)))
        cv2.ellipse(canvas, middle, axes, 0, 0, 360, 180, thick, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        spot = rng.normal(0.5, 0.12, 2) * (width, height)
        axes = (max(1, int(size * rng.uniform(0.05, 0.25))), max(1, int(size * rng.uniform(0.05, 0.25))))
        shade, fill = int(rng.integers(80, 256)), -1 if rng.random() < 0.7 else thick
        cv2.ellipse(canvas, spot.astype(int).tolist(), axes, rng.uniform(0, 360), 0, 360, shade, fill, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 7))):
        points = rng.normal(0.5, 0.2, (int(rng.integers(2, 5)), 2)) * (width, height)
        shade = int(rng.integers(80, 256))
        cv2.polylines(canvas, [points.astype(np.int32)], False, shade, thick, cv2.LINE_AA)
    if rng.random() < 0.3 and size > 30:
        text = "".join(rng.choice(list("ABCDEHKMNRSTXZ0123456789"), int(rng.integers(1, 6))))
        start = (int(width * rng.uniform(0.1, 0.4)), int(height * rng.uniform(0.4, 0.8)))
        cv2.putText(canvas, text, start, cv2.FONT_HERSHEY_SIMPLEX, size / rng.uniform(60, 160), 220, thick, cv2.LINE_AA)
    hill = cv2.GaussianBlur(canvas, (0, 0), max(0.6, size * rng.uniform(0.005, 0.03))).astype(np.float32)
    lit = np.cos(light) * cv2.Sobel(hill, cv2.CV_32F, 1, 0) + np.sin(light) * cv2.Sobel(hill, cv2.CV_32F, 0, 1)
    strongest = float(np.abs(lit).max()) or 1.0
    pressed: Array = lit / strongest + rng.uniform(-0.6, 0.6) * hill / 255
    return pressed


def _highlight(rng: Generator, height: int, width: int, light: float) -> Array:
    """A reflection of a lamp, on the side of the light more often than not."""
    size = max(height, width)
    canvas = np.zeros((height, width), np.float32)
    toward = np.array([np.cos(light), np.sin(light)]) * rng.uniform(0, 0.3) + rng.normal(0, 0.1, 2)
    spot = ((0.5 + toward) * (width, height)).astype(int).tolist()
    axes = (max(1, int(size * rng.uniform(0.02, 0.15))), max(1, int(size * rng.uniform(0.02, 0.15))))
    cv2.ellipse(canvas, spot, axes, rng.uniform(0, 180), 0, 360, rng.uniform(40, 160), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(canvas, (0, 0), max(0.5, size * rng.uniform(0.01, 0.06)))
