"""Crowds: pictures of many like objects, dense, touching, faint or see-through, as microscopes and conveyors show."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes import camera, clutter
from spoolfarm.training.scenes.manners import MANNERS, Manner
from spoolfarm.training.scenes.noise import Array
from spoolfarm.training.scenes.shapes import draw
from spoolfarm.training.scenes.surfaces import paint

#: Raised whenever the same seed gives other pictures.
VERSION = 1
#: Different objects that a crowd is made of; each lies in it many times.
STAMPS = 14
#: The least part of an object that must be in sight to be learned, and its least pixels.
IN_SIGHT, LEAST = 0.4, 12
#: The most objects of a picture: a net learns from some tens of them at a time.
MOST = 160


@dataclass(frozen=True)
class Crowd:
    """A picture, (height, width, 3) uint8 RGB; masks, (objects, height, width) uint8; and what is hardly in sight."""

    picture: Array
    masks: Array
    hidden: Array


@dataclass(frozen=True)
class _Stamp:
    """An object to lay: how much it covers of each pixel, its brightness around its own, and its shade around it."""

    cover: Array
    look: Array
    around: Array


def crowd(seed: int, number: int, height: int, width: int) -> Crowd:
    """Crowd *number* of *seed*: the same arguments give the same crowd."""
    rng = np.random.default_rng((VERSION, 77, seed, number))
    manner = MANNERS[int(rng.integers(len(MANNERS)))](rng)
    level = rng.uniform(*manner.ground)
    strength = manner.rough * rng.uniform(0.1, 1)
    field = manner.field[int(rng.integers(len(manner.field)))](rng, height, width)
    tint = _tint(rng, manner.colour)
    scene = (level * tint + (field if field.ndim == 3 else (strength * field)[..., None] * tint)).astype(np.float32)
    if rng.random() < 0.3 and not manner.packed:
        scene += clutter.under(rng, height, width)[..., None]
    owners, whole = _laid(rng, scene, manner, level)
    grey = rng.random() < 0.35
    lit = scene * camera.light(rng, height, width)[..., None]
    if rng.random() < 0.06:
        lit *= _tube(rng, height, width)[..., None]
    if grey:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    return Crowd(camera.take(rng, lit), *_seen(owners, whole))


def _laid(rng: Generator, scene: Array, manner: Manner, level: float) -> tuple[Array, list[int]]:
    """Lay the objects; who owns each pixel, from 1, and how many pixels each has in all."""
    height, width = scene.shape[:2]
    side = float(np.exp(rng.uniform(*np.log(manner.side))))
    light = float(rng.uniform(0, 2 * np.pi))
    stamps = [_stamp(rng, manner, side, light) for _ in range(STAMPS)]
    tint, step = _tint(rng, manner.colour), _step(rng, manner, level)
    owners, whole = np.zeros((height, width), np.int32), [0]
    for x, y in _places(rng, manner, side, height, width):
        stamp = _turned(rng, stamps[int(rng.integers(len(stamps)))])
        high, wide = stamp.cover.shape
        top, left = round(y - high / 2), round(x - wide / 2)
        rows, columns = slice(max(0, top), min(height, top + high)), slice(max(0, left), min(width, left + wide))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        own = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        cover = stamp.cover[own]
        inside = cover > 0.5
        shown = int(np.count_nonzero(inside))
        if shown < LEAST or np.count_nonzero(owners[rows, columns][inside]) > manner.overlap * shown:
            continue
        colour = np.clip(level + step + rng.normal(0, manner.uneven), 2, 250) * tint
        colour += rng.normal(0, 1, 3) * manner.colour * 0.2
        part = scene[rows, columns]
        part -= manner.seam * stamp.around[own][..., None]
        skin = np.maximum(0, colour + stamp.look[own][..., None] * tint)
        if manner.opaque < 1:
            skin = part + manner.opaque * (skin - part) + (1 - manner.opaque) * stamp.look[own][..., None]
        part += (skin - part) * cover[..., None]
        whole.append(int(np.count_nonzero(stamp.cover > 0.5)))
        owners[rows, columns][inside] = len(whole) - 1
        if len(whole) > MOST:
            break
    return owners, whole


def _stamp(rng: Generator, manner: Manner, side: float, light: float) -> _Stamp:
    make = manner.shapes[int(rng.integers(len(manner.shapes)))]
    size = round(max(6.0, side * float(np.exp(rng.normal(0, manner.differ)))))
    cover = draw(make(rng), size, float(rng.uniform(0, 360)))
    margin = max(2, size // 8)
    cover = cv2.copyMakeBorder(cover, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    around = cv2.GaussianBlur(cover, (0, 0), max(0.7, size * 0.05)) if manner.seam else cover
    look = paint(rng, manner.surface, cover, light)
    if manner.soft:
        cover = cv2.GaussianBlur(cover, (0, 0), max(0.4, manner.soft * size))
    return _Stamp(cover, look, around)


def _turned(rng: Generator, stamp: _Stamp) -> _Stamp:
    """*stamp* in one of four ways."""
    rows, columns = (slice(None, None, int(each)) for each in rng.choice([-1, 1], 2))
    return _Stamp(*(each[rows, columns] for each in (stamp.cover, stamp.look, stamp.around)))


def _step(rng: Generator, manner: Manner, level: float) -> float:
    """How much brighter objects are, or darker where there is no room for that."""
    step = float(rng.uniform(*manner.step))
    return step if 8 <= level + step <= 235 else -step


def _places(rng: Generator, manner: Manner, side: float, height: int, width: int) -> Array:
    """The middles of the objects, (objects, 2): x and y."""
    cover = rng.uniform(*manner.cover)
    if manner.packed:
        apart = max(5.0, side * rng.uniform(0.7, 0.95))
        y, x = np.mgrid[0 : height + apart : apart, 0 : width + apart : apart]
        x = x + (np.arange(len(x)) % 2)[:, None] * apart / 2
        places = np.stack([x.ravel(), y.ravel()], 1) + rng.normal(0, apart * 0.16, (x.size, 2))
        return rng.permutation(places)
    count = int(np.clip(cover * height * width / (0.6 * side**2), 2, 3 * MOST))
    places = rng.uniform(0, 1, (count, 2)) * (width, height)
    if rng.random() < 0.35:  # in groups
        middles = rng.uniform(0, 1, (int(rng.integers(2, 12)), 2)) * (width, height)
        chosen = middles[rng.integers(len(middles), size=count)]
        places = chosen + rng.normal(0, side * rng.uniform(1, 4), (count, 2))
    return np.clip(places, 0, (width, height))


def _tint(rng: Generator, colour: float) -> Array:
    """What a grey level is as a colour: around 1 in each channel."""
    tint = np.clip(1 + rng.normal(0, 1, 3) * rng.choice([0, 0.3, 1]) * colour / 100, 0.25, 1.9)
    even: Array = tint / tint.mean()
    return even.astype(np.float32, copy=False)


def _tube(rng: Generator, height: int, width: int) -> Array:
    """The round field of a microscope: black outside."""
    canvas = np.zeros((height, width), np.float32)
    radius = round(min(height, width) * rng.uniform(0.5, 0.68))
    cv2.circle(canvas, (width // 2, height // 2), radius, 1.0, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.6, 3))


def _seen(owners: Array, whole: list[int]) -> tuple[Array, Array]:
    """The masks of what can be seen, and the pixels of what can hardly."""
    sizes = np.bincount(owners.ravel(), minlength=len(whole))
    shown = [n for n in range(1, len(whole)) if sizes[n] >= max(LEAST, IN_SIGHT * whole[n])]
    masks = np.zeros((len(shown), *owners.shape), np.uint8)
    for mask, owner in zip(masks, shown, strict=True):
        mask[owners == owner] = 1
    seen = np.zeros(len(whole), bool)
    seen[[0, *shown]] = True
    hidden: Array = (~seen[owners]).astype(np.uint8)
    return masks, hidden
