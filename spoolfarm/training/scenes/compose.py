"""Composing: a ground, objects laid on it one after another, light, and the camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes import camera, clutter
from spoolfarm.training.scenes.grounds import GROUNDS
from spoolfarm.training.scenes.noise import Array
from spoolfarm.training.scenes.shapes import LIMBED, SHAPES, Shape, draw
from spoolfarm.training.scenes.surfaces import FLAT, Surface, paint, surface

#: Raised whenever the same seed gives other pictures.
VERSION = 2
#: The part of the scenes that hold no object.
EMPTY = 0.04
#: Tries to find room for an object.
TRIES = 10
#: The least part of an object that may stay in sight, and of one at the picture's edge.
IN_SIGHT, INSIDE = 0.4, 0.45
#: The darkest and the brightest an object is before it is lit: light must not wash it out.
INK = 5, 235
#: Pixels an object must show.
LEAST = 20
#: And the square that must fit into it somewhere: the camera blurs what is thinner.
THICK = np.ones((3, 3), np.uint8)
#: By how many grey levels an object's edge must differ from what is under it, and for how much of its length.
SEEN, OUTLINE = 12, 0.6

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Scene:
    """A picture, (height, width, 3) uint8 RGB, and at each pixel the number of its object, 0 for none, uint8."""

    picture: Array
    owners: Array

    def masks(self) -> Array:
        """The part of each object in sight, (objects, height, width) uint8, 0 or 1."""
        numbers = np.arange(1, int(self.owners.max()) + 1, dtype=np.uint8)
        masks: Array = (self.owners == numbers[:, None, None]).astype(np.uint8)
        return masks


@dataclass(frozen=True)
class _Plan:
    """What the objects of a scene have in common."""

    count: int
    #: Least and most of an object's longer side, as a part of the picture's shorter.
    sizes: tuple[float, float]
    kinds: tuple[tuple[Callable[[Generator], Shape], Surface, Array], ...]
    #: Whether objects may lie on each other, and the pixels kept free between those that may not.
    piled: bool
    gap: int
    rows: bool
    #: Whether each object lies on one before it: a cup on its saucer.
    stacked: bool
    shadow: float
    halo: float
    light: float
    cut: bool
    #: Whether the camera sees no colour.
    grey: bool


class _Board:
    """The scene while it is laid: brightness and colour, and who owns each pixel."""

    def __init__(self, rng: Generator, height: int, width: int) -> None:
        self.height, self.width = height, width
        base = _colour(rng, rng.uniform(15, 230))
        strength = rng.uniform(1, 12) if rng.random() < 0.6 else rng.uniform(8, 40)
        field = _drawn(rng, GROUNDS)(rng, height, width) * np.float32(strength)
        tint = (base / max(20.0, float(base.mean()))).astype(np.float32)
        self.scene = base.astype(np.float32) + (field + clutter.under(rng, height, width))[..., None] * tint
        self.owners = np.zeros((height, width), np.uint8)
        self.whole = [0]

    def room(self, inside: Array, top: int, left: int, plan: _Plan) -> tuple[slice, slice, slice, slice] | None:
        """Where an object at (top, left) lies on the board and in its own box; None when it may not lie there."""
        high, wide = inside.shape
        first, last = max(0, top), min(self.height, top + high)
        start, end = max(0, left), min(self.width, left + wide)
        if last <= first or end <= start:
            return None
        mine = inside[first - top : last - top, start - left : end - left]
        shown = int(np.count_nonzero(mine))
        if shown < max(LEAST, INSIDE * np.count_nonzero(inside)):
            return None
        if plan.piled:
            below = self.owners[first:last, start:end][mine]
            if below.any() and not self._in_sight(below, shown):
                return None
        else:
            gap = plan.gap
            around = self.owners[max(0, first - gap) : last + gap, max(0, start - gap) : end + gap]
            if around.any():
                padded: Array = np.zeros_like(around)
                y, x = first - max(0, first - gap), start - max(0, start - gap)
                padded[y : y + last - first, x : x + end - start] = mine
                if gap:
                    padded = cv2.dilate(padded, np.ones((2 * gap + 1, 2 * gap + 1), np.uint8))
                if (around[padded > 0] > 0).any():
                    return None
        return slice(first, last), slice(start, end), slice(first - top, last - top), slice(start - left, end - left)

    def _in_sight(self, below: Array, shown: int) -> bool:
        """Whether enough is seen of the objects whose pixels *below* would be covered."""
        covered = np.bincount(below, minlength=len(self.whole))
        for number in np.flatnonzero(covered[1:]) + 1:
            left = np.count_nonzero(self.owners == number) - covered[number]
            if left < max(LEAST, IN_SIGHT * self.whole[number]) or covered[number] > 0.95 * shown:
                return False
        return True

    def lay(
        self, rng: Generator, cover: Array, colour: Array, look: Array, place: tuple[slice, ...], plan: _Plan
    ) -> bool:
        """Put an object on top, unless it could not be seen there."""
        rows, columns, own_rows, own_columns = place
        alpha = cover[own_rows, own_columns]
        tint = (colour / max(20.0, float(colour.mean()))).astype(np.float32)
        skin = colour.astype(np.float32) + look[own_rows, own_columns, None] * tint
        part = self.scene[rows, columns]
        if not seen(alpha > 0.5, np.clip(skin, 0, 255) - np.clip(part, 0, 255)):
            return False
        if plan.shadow or plan.halo:
            self._around(rng, cover, rows.start - own_rows.start, columns.start - own_columns.start, plan)
        part += (skin - part) * alpha[..., None]
        self.whole.append(int(np.count_nonzero(cover > 0.5)))
        self.owners[rows, columns][alpha > 0.5] = len(self.whole) - 1
        return True

    def _around(self, rng: Generator, cover: Array, top: int, left: int, plan: _Plan) -> None:
        """Darken the ground by the object's shadow, or light it by its halo."""
        size = max(cover.shape)
        reach = max(2, round(size * 0.25))
        wide = cv2.copyMakeBorder(cover, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
        sigma = max(0.7, size * rng.uniform(0.01, 0.07))
        if plan.shadow:
            far = size * rng.uniform(0.01, 0.1)
            shift = np.array([[1, 0, -far * np.cos(plan.light)], [0, 1, -far * np.sin(plan.light)]])
            cast = cv2.GaussianBlur(cv2.warpAffine(wide, shift, wide.shape[::-1]), (0, 0), sigma) * -plan.shadow
        else:
            cast = (cv2.GaussianBlur(wide, (0, 0), sigma) * plan.halo).astype(np.float32)
        top, left = top - reach, left - reach
        first, start = max(0, top), max(0, left)
        part = self.scene[first : top + wide.shape[0], start : left + wide.shape[1]]
        part += cast[first - top :, start - left :][: part.shape[0], : part.shape[1], None]


def scene(seed: int, number: int, height: int = 256, width: int = 256, *, crowded: float = 1.0) -> Scene:
    """Scene *number* of *seed*: the same arguments give the same scene.

    More than 1 for *crowded* draws scenes of many objects more often.
    """
    rng = np.random.default_rng((VERSION, seed, number))
    board = _Board(rng, height, width)
    plan = _plan(rng, crowded)
    for spot in range(plan.count):
        _add(rng, board, plan, spot)
    lit = board.scene * camera.light(rng, height, width)[..., None] + clutter.over(rng, height, width)[..., None]
    if plan.grey:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    return Scene(camera.take(rng, lit), board.owners)


def _crowd(rng: Generator, crowded: float) -> tuple[int, tuple[float, float]]:
    """How many objects, and their least and most size as parts of the side."""
    crowd = rng.random()
    if crowd >= EMPTY:
        crowd = max(EMPTY, crowd**crowded)
    if crowd < EMPTY:
        count, sizes = 0, (0.1, 0.2)
    elif crowd < 0.2:
        count, sizes = int(rng.integers(12, 61)), (0.05, 0.16)
    elif crowd < 0.48:
        count, sizes = int(rng.integers(3, 25)), (0.08, 0.35)
    elif crowd < 0.7:
        count, sizes = int(rng.integers(1, 7)), (0.25, 0.6)
    else:
        count, sizes = 1, (0.45, 0.97)
    if rng.random() < 0.1:
        sizes = (0.03, sizes[1])
    return count, sizes


def _plan(rng: Generator, crowded: float) -> _Plan:
    count, sizes = _crowd(rng, crowded)
    large = sizes[0] >= 0.25
    number = 1 if rng.random() < 0.5 else int(rng.integers(2, 5))
    flat = rng.random() < (0.22 if count == 1 else 0.05)
    grey = rng.random() < 0.45
    names = [
        LIMBED[int(rng.integers(len(LIMBED)))] if large and rng.random() < 0.6 else _drawn(rng, SHAPES)
        for _ in range(number)
    ]
    looks = [FLAT if flat else surface(rng) for _ in names]
    kinds = tuple((name, look, _step(rng, look, grey)) for name, look in zip(names, looks, strict=True))
    around, piled = rng.random(), rng.random() < 0.25
    return _Plan(
        count=count,
        sizes=sizes,
        kinds=kinds,
        piled=piled,
        gap=int(rng.integers(0, 5)),
        rows=rng.random() < 0.12,
        stacked=piled and rng.random() < 0.25,
        shadow=rng.uniform(10, 70) if around < 0.35 else 0.0,
        halo=rng.choice([-1, 1]) * rng.uniform(10, 60) if around > 0.9 else 0.0,
        light=rng.uniform(0, 2 * np.pi),
        cut=rng.random() < 0.4,
        grey=grey,
    )


def _step(rng: Generator, look: Surface, grey: bool) -> Array:
    """How an object's colour differs from the ground's: by brightness mostly, by hue or by texture alone."""
    kind = rng.random()
    if kind < 0.05 and look.busy:
        faint: Array = rng.normal(0, 3, 3)
        return faint
    if kind > 0.8 and not grey:
        hue: Array = rng.normal(0, 1, 3)
        hue -= hue.mean()
        hue *= rng.uniform(20, 110) / abs(hue).mean()
        return hue
    strength = rng.uniform(16, 40) if kind < 0.4 else rng.uniform(40, 170)
    colour: Array = rng.choice([-1, 1]) * strength + rng.normal(0, 1, 3) * rng.choice([0, 8, 30])
    return colour


def _add(rng: Generator, board: _Board, plan: _Plan, spot: int) -> None:
    make, kind, step = plan.kinds[int(rng.integers(len(plan.kinds)))]
    least, most = plan.sizes
    upright = 0.5 if make in LIMBED and rng.random() < 0.6 else 1.0
    shape, degrees = make(rng), float(rng.normal(0, 8)) if upright < 1 else float(rng.uniform(0, 360))
    room = _room(board, shape, degrees) if least >= 0.25 else min(board.height, board.width)
    for attempt in range(TRIES):
        shrink = 0.85 ** (attempt // 3) * (rng.uniform(0.4, 0.8) if plan.stacked and spot else 1)
        size = round(room * float(np.exp(rng.uniform(np.log(least), np.log(most)))) * shrink)
        cover = draw(shape, max(7, size), degrees)
        inside = cover > 0.5
        if np.count_nonzero(inside) < LEAST or not cv2.erode(inside.astype(np.uint8), THICK).any():
            return
        place = board.room(inside, *_spot(rng, board, plan, spot, cover.shape), plan)
        if place is None:
            continue
        rows, columns, own_rows, own_columns = place
        under = board.scene[rows, columns][inside[own_rows, own_columns]].mean(axis=0)
        look = paint(rng, kind, cover, plan.light + np.pi * (kind.bulge < 0))
        if board.lay(rng, cover, _apart(under, step), look, place, plan):
            return


def seen(inside: Array, difference: Array) -> bool:
    """Whether an object differs enough from what is under it, along the edge of what is *inside* it."""
    core = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2, borderValue=1)
    edge = cv2.blur(difference, (3, 3))[inside & (core == 0)]
    return bool(np.count_nonzero(np.abs(edge).mean(axis=1) > SEEN) > OUTLINE * len(edge))


def _room(board: _Board, shape: Shape, degrees: float) -> float:
    """The longer side with which *shape* would fill the picture from border to border."""
    high, wide = draw(shape, 64, degrees).shape
    return 64 * min(board.height / int(high), board.width / int(wide))


def _apart(under: Array, step: Array) -> Array:
    """A colour that differs from *under* by *step*, in the other direction where there is no room for it."""
    wanted = under + step
    if abs(np.clip(wanted, *INK) - under).mean() < 0.6 * abs(step).mean():
        wanted = under - step
    colour: Array = np.clip(wanted, *INK)
    return colour


def _spot(rng: Generator, board: _Board, plan: _Plan, spot: int, box: tuple[int, ...]) -> tuple[int, int]:
    """The top and left of an object's box."""
    high, wide = box
    if plan.rows:
        across = max(1, round(np.sqrt(plan.count * board.width / board.height)))
        down = -(-plan.count // across)
        y = (spot // across + 0.5 + rng.normal(0, 0.06)) * board.height / down
        x = (spot % across + 0.5 + rng.normal(0, 0.06)) * board.width / across
        return round(y - high / 2), round(x - wide / 2)
    if plan.stacked and len(board.whole) > 1:
        ys, xs = np.nonzero(board.owners == rng.integers(1, len(board.whole)))
        y, x = (ys.mean(), xs.mean()) + rng.normal(0, 0.15, 2) * (high, wide)
        return round(y - high / 2), round(x - wide / 2)
    over = 0.45 if plan.cut else 0.0
    return (
        _between(rng, -over * high, board.height - (1 - over) * high),
        _between(rng, -over * wide, board.width - (1 - over) * wide),
    )


def _between(rng: Generator, least: float, most: float) -> int:
    return round(rng.uniform(least, most) if most > least else (least + most) / 2)


def _drawn(rng: Generator, choices: Mapping[Kind, float]) -> Kind:
    """One of *choices*, each as often as its weight says."""
    weights = np.array(list(choices.values()))
    return list(choices)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _colour(rng: Generator, brightness: float) -> Array:
    """A colour of that mean brightness: grey, tinted or strong."""
    colour: Array = np.clip(brightness + rng.normal(0, 1, 3) * rng.choice([0, 6, 15, 45]), 0, 255)
    return colour
