"""Grounds: what objects lie on, as fields of brightness with mean 0 and deviation 1."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes.noise import Array, diagonal, fractal, smooth, turned, unit, white


def plain(rng: Generator, height: int, width: int) -> Array:
    """Nothing at all."""
    return np.zeros((height, width), np.float32)


def slope(rng: Generator, height: int, width: int) -> Array:
    """Brighter to one side, evenly."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return unit(np.cos(angle) * columns + np.sin(angle) * rows)


def clouds(rng: Generator, height: int, width: int) -> Array:
    """Hills of brightness as wide as the picture's half."""
    return fractal(rng, height, width, rng.uniform(0.15, 0.6) * width, int(rng.integers(1, 6)))


def grain(rng: Generator, height: int, width: int) -> Array:
    """Sand, paper and asphalt: fine noise."""
    field = smooth(rng, height, width, rng.uniform(1.2, 5)) + rng.uniform(0, 1) * white(rng, height, width)
    return unit(field)


def paper(rng: Generator, height: int, width: int) -> Array:
    """Faint fibres, and sometimes ruled lines or squares."""
    field = 0.4 * grain(rng, height, width)
    step, thick = int(rng.integers(9, 40)), int(rng.integers(1, 3))
    ruled = rng.random()
    if ruled < 0.5:
        for row in range(int(rng.integers(step)), height, step):
            field[row : row + thick] -= 2
    if ruled < 0.3:
        for column in range(int(rng.integers(step)), width, step):
            field[:, column : column + thick] -= 2
    return unit(field)


def wood(rng: Generator, height: int, width: int) -> Array:
    """Growth rings cut lengthwise, fine streaks, and the gaps between planks."""
    side = diagonal(height, width)
    rows = np.linspace(0, rng.uniform(3, 25), side, dtype=np.float32)[:, None]
    rings = np.sin(2 * np.pi * (rows + rng.uniform(0.2, 1.5) * smooth(rng, side, side, side / 3, side)))
    field = rings + rng.uniform(0.3, 1.5) * smooth(rng, side, side, 2, side / rng.uniform(2, 8))
    if rng.random() < 0.4:
        for row in range(int(rng.integers(side // 3)), side, int(rng.integers(side // 6, side // 2))):
            field[row:] += rng.normal(0, 0.7)
            field[row : row + int(rng.integers(1, 4))] -= 3
    return unit(turned(field, rng.uniform(0, 360), height, width))


def metal(rng: Generator, height: int, width: int) -> Array:
    """Brushed in one direction, with broad reflections across."""
    side = diagonal(height, width)
    field = smooth(rng, side, side, 1.5, side / rng.uniform(1, 6))
    field += rng.uniform(0, 3) * smooth(rng, side, side, side, side / rng.uniform(1.5, 5))
    return unit(turned(field, rng.uniform(0, 360), height, width))


def grass(rng: Generator, height: int, width: int) -> Array:
    """Blades: short strokes over each other, mostly in one direction."""
    canvas = np.full((height, width), 128, np.uint8)
    count, length = int(rng.integers(300, 900)), rng.uniform(5, 25)
    angles = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.uniform(0.1, 1.5), count)
    roots = rng.uniform(0, 1, (count, 2)) * (width, height)
    tips = roots + length * np.stack([np.cos(angles), np.sin(angles)], 1)
    shades = rng.integers(0, 256, count)
    for root, tip, shade in zip(roots.astype(int).tolist(), tips.astype(int).tolist(), shades.tolist(), strict=True):
        cv2.line(canvas, root, tip, shade, 1 + shade % 2, cv2.LINE_AA)
    return unit(canvas.astype(np.float32))


def stones(rng: Generator, height: int, width: int) -> Array:
    """Gravel, cobbles, cracked earth: cells with dark seams, each of its own brightness and roundness."""
    count = int(rng.integers(20, 500))
    canvas = np.full((height, width), 255, np.uint8)
    canvas[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        canvas, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    shades = rng.normal(0, 1, count + 1).astype(np.float32)[labels % (count + 1)]
    field = rng.uniform(0, 1.2) * shades - rng.uniform(0.3, 1.5) * unit(distance)
    if rng.random() < 0.5:
        seams = cv2.Laplacian(shades, cv2.CV_32F) != 0
        field[seams] -= rng.uniform(1, 4)
    field += rng.uniform(0, 0.6) * fractal(rng, height, width, 8, 3)
    return unit(cv2.GaussianBlur(field, (0, 0), rng.uniform(0.5, 1.5)))


def cloth(rng: Generator, height: int, width: int) -> Array:
    """A weave, stripes or a check."""
    side = diagonal(height, width)
    steps = np.arange(side, dtype=np.float32)
    period = rng.uniform(3, 24)
    wave = np.sin(2 * np.pi * steps / period)
    if rng.random() < 0.3:
        wave = np.sign(wave)
    other = wave if rng.random() < 0.6 else np.zeros_like(wave)
    field = wave[:, None] + other[None, :] if rng.random() < 0.5 else wave[:, None] * (other[None, :] + 0.3)
    field = field + rng.uniform(0, 1) * white(rng, side, side)
    return unit(turned(field.astype(np.float32), rng.uniform(0, 360), height, width))


def bricks(rng: Generator, height: int, width: int) -> Array:
    """A wall or a tiled floor with its joints."""
    side = diagonal(height, width)
    field = 0.5 * fractal(rng, side, side, 10)
    high = int(rng.integers(14, 70))
    wide = int(high * rng.uniform(1, 3))
    thick = int(rng.integers(1, 5))
    shift = int(rng.integers(0, 2))
    joint = rng.choice([-3.0, 3.0])
    for number, row in enumerate(range(0, side, high)):
        for column in range(-(number * shift % 2) * wide // 2, side, wide):
            part = field[row : row + high, max(0, column) : column + wide]
            part += rng.normal(0, 0.6)
            if column > 0:
                part[:, :thick] = joint
        field[row : row + thick] = joint
    angle = rng.uniform(0, 360) if rng.random() < 0.3 else rng.normal(0, 4)
    return unit(turned(field, angle, height, width))


def craters(rng: Generator, height: int, width: int) -> Array:
    """Dents lit from one side, of all sizes: a moon, a hammered sheet, skin."""
    relief = fractal(rng, height, width, width / 3, 6, 0.55)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    for radius in (width / 100 + width / 12 * rng.random(int(rng.integers(5, 60))) ** 3).tolist():
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        top, left = max(0, int(y - 2 * radius)), max(0, int(x - 2 * radius))
        reach = int(4 * radius) + 1
        window = np.s_[top : top + reach, left : left + reach]
        away = ((rows[window] - y) ** 2 + (columns[window] - x) ** 2) / radius**2
        relief[window] -= 0.25 * radius * np.exp(-(away**2)) * rng.uniform(0.2, 1)
    angle = rng.uniform(0, 2 * np.pi)
    lit = np.cos(angle) * cv2.Sobel(relief, cv2.CV_32F, 1, 0) + np.sin(angle) * cv2.Sobel(relief, cv2.CV_32F, 0, 1)
    return unit(np.clip(unit(lit), -4, 4) + 0.4 * relief)


def specks(rng: Generator, height: int, width: int) -> Array:
    """Dots too small to be objects."""
    canvas = np.zeros((height, width), np.uint8)
    count = int(rng.integers(20, 400))
    for x, y, shade in zip(
        rng.integers(0, width, count).tolist(),
        rng.integers(0, height, count).tolist(),
        rng.integers(60, 256, count).tolist(),
        strict=True,
    ):
        cv2.circle(canvas, (x, y), shade % 3, shade, -1, cv2.LINE_AA)
    field = canvas.astype(np.float32) * rng.choice([-1.0, 1.0]) + 30 * fractal(rng, height, width, 30, 3)
    return unit(field)


def halves(rng: Generator, height: int, width: int) -> Array:
    """Two grounds that meet in a straight line: a table before a wall."""
    first, second = (SINGLE[int(each)](rng, height, width) for each in rng.integers(len(SINGLE), size=2))
    angle = rng.normal(np.pi / 2, 0.3) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    side = np.cos(angle) * (columns - rng.uniform(0.1, 0.9) * width)
    side += np.sin(angle) * (rows - rng.uniform(0.1, 0.9) * height)
    return unit(np.where(side > 0, first + rng.normal(0, 2), second))


#: Every ground but the one made of two.
SINGLE: tuple[Callable[[Generator, int, int], Array], ...] = (
    *(plain, slope, clouds, grain, paper, wood, metal, grass, stones, cloth, bricks, craters, specks),
)
#: Every ground and how often it is drawn.
GROUNDS: dict[Callable[[Generator, int, int], Array], float] = {
    plain: 0.15,
    slope: 0.08,
    clouds: 0.13,
    grain: 0.1,
    paper: 0.07,
    wood: 0.09,
    metal: 0.06,
    grass: 0.05,
    stones: 0.07,
    cloth: 0.04,
    bricks: 0.04,
    craters: 0.06,
    specks: 0.03,
    halves: 0.03,
}
