"""Shapes: the outlines of objects, as polygons in a square from -1 to 1 that are filled or cut out in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes.noise import Array

#: Points on a full turn.
ROUND = np.linspace(0, 2 * np.pi, 72, endpoint=False)
#: Most pixels of the side of the canvas a shape is drawn on before it is shrunk to its size.
CANVAS = 384


@dataclass(frozen=True)
class Shape:
    """Polygons that are filled, then polygons that are cut out, then the joints rounded by *soft* of the size."""

    solids: list[Array]
    holes: list[Array] = field(default_factory=list)
    soft: float = 0.0


def draw(shape: Shape, size: int, degrees: float) -> Array:
    """How much of each pixel *shape* covers, 0 to 1; its longer side is *size* pixels after a turn with the clock."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    solids, holes = [each @ turn for each in shape.solids], [each @ turn for each in shape.holes]
    least, most = np.min([s.min(0) for s in solids], 0), np.max([s.max(0) for s in solids], 0)
    fine = min(CANVAS, max(64, 2 * size)) / size
    scale = size * fine / max(most - least)
    width, height = (max(1, round(float(side))) for side in np.ceil((most - least) * scale / fine - 1e-6))
    canvas: Array = np.zeros((max(1, round(height * fine)), max(1, round(width * fine))), np.uint8)
    for polygons, value in ((solids, 255), (holes, 0)):
        for polygon in polygons:
            cv2.fillPoly(canvas, [np.round((polygon - least) * scale * 16).astype(np.int32)], value, shift=4)
    if shape.soft:
        canvas = cv2.GaussianBlur(canvas, (0, 0), shape.soft * size * fine)
        canvas = np.where(canvas > 127, 255, 0).astype(np.uint8)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


# Plain ones.


def ellipse(rng: Generator) -> Shape:
    """A disc, often, or an egg."""
    ratio = 1.0 if rng.random() < 0.5 else rng.uniform(0.35, 1)
    return Shape([_oval(0, 0, 1, ratio)])


def box(rng: Generator) -> Shape:
    """A rectangle, its corners more or less rounded."""
    power = rng.choice([2 / 3, 0.4, 0.2, 0.08])
    x, y = np.cos(ROUND), np.sin(ROUND)
    outline = np.stack([np.sign(x) * abs(x) ** power, rng.uniform(0.3, 1) * np.sign(y) * abs(y) ** power], 1)
    return Shape([outline])


def polygon(rng: Generator) -> Shape:
    """Three to nine corners, regular or not."""
    corners = int(rng.integers(3, 10))
    angles = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 0.6) * rng.uniform(-0.5, 0.5, corners)) / corners
    return Shape([_polar(angles, 1 - rng.uniform(0, 0.4) * rng.random(corners))], soft=rng.choice([0, 0, 0.02]))


def star(rng: Generator) -> Shape:
    """Four to nine points."""
    points = int(rng.integers(4, 10))
    radii = np.tile([1, rng.uniform(0.3, 0.75)], points)
    return Shape([_polar(np.arange(2 * points) * np.pi / points, radii)], soft=rng.choice([0, 0.015]))


def bar(rng: Generator) -> Shape:
    """A rod, a pencil or a nail: long and straight, with ends of its own."""
    thick = rng.uniform(0.04, 0.25)
    solids = [_path([[-1, 0], [1, 0]], thick, thick * rng.choice([1, 1, 0.6]))]
    if rng.random() < 0.3:
        solids.append(_oval(-1, 0, thick * rng.uniform(0.5, 2), thick * rng.uniform(1, 2.5)))
    if rng.random() < 0.3:
        solids.append(np.array([[1, thick], [1 + 3 * thick, 0], [1, -thick]]))
    return Shape(solids)


def bend(rng: Generator) -> Shape:
    """A worm, a hook, a banana: a thick curve."""
    heading = rng.uniform(0, 6) + np.cumsum(rng.normal(rng.normal(0, 0.25), 0.2, 14))
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) / 7
    thick = rng.uniform(0.05, 0.25)
    return Shape([_path(points, thick, thick * rng.uniform(0.3, 1))], soft=0.01)


def leaf(rng: Generator) -> Shape:
    """Two arcs, toothed or smooth, with a stem."""
    along = np.linspace(-1, 1, 40)
    wide = rng.uniform(0.2, 0.6) * (1 - along**2) ** rng.uniform(0.6, 1.2) * (1 - rng.uniform(-0.4, 0.4) * along)
    wide += rng.choice([0, 0.04]) * (np.arange(40) % 2) * (wide > 0.05)
    curve = rng.uniform(-0.3, 0.3) * along**2
    outline = np.concatenate([np.stack([along, curve + wide], 1), np.stack([along, curve - wide], 1)[::-1]])
    stem = [[-0.95, curve[0]], [-1 - rng.uniform(0, 0.5), curve[0] + rng.uniform(-0.2, 0.2)]]
    return Shape([outline, _path(stem, 0.03, 0.03)])


def blob(rng: Generator) -> Shape:
    """A pebble, a cell, a puddle: a circle with slow waves."""
    radii = np.ones_like(ROUND)
    for wave in range(2, int(rng.integers(4, 9))):
        radii += rng.normal(0, 0.28 / wave) * np.cos(wave * ROUND + rng.uniform(0, 6))
    return Shape([_polar(ROUND, np.clip(radii, 0.2, 2)) * [1, rng.uniform(0.45, 1)]])


def chip(rng: Generator) -> Shape:
    """A splinter, a crumb, a scrap: a rough outline."""
    rough = cv2.resize(rng.standard_normal((1, int(rng.integers(6, 20)))), (len(ROUND), 1))[0]
    radii = np.clip(1 + rng.uniform(0.08, 0.25) * rough, 0.45, 1.7)
    return Shape([_polar(ROUND, radii) * [1, rng.uniform(0.4, 1)]])


def crescent(rng: Generator) -> Shape:
    """A disc bitten by another: the bite is open to the ground."""
    shift = rng.uniform(0.4, 1.0)
    return Shape([_oval(0, 0, 1, 1)], [_oval(shift, rng.uniform(-0.2, 0.2), 0.9, 0.9)])


def letter(rng: Generator) -> Shape:
    """An L, T, U, H, X or plus of straight strokes."""
    thick = rng.uniform(0.12, 0.3)
    strokes = (
        ((-1, -1, -1, 1), (-1, 1, 0.7, 1)),
        ((-1, -1, 1, -1), (0, -1, 0, 1)),
        ((-0.8, -1, -0.8, 1), (-0.8, 1, 0.8, 1), (0.8, -1, 0.8, 1)),
        ((-0.8, -1, -0.8, 1), (-0.8, 0, 0.8, 0), (0.8, -1, 0.8, 1)),
        ((-1, -1, 1, 1), (-1, 1, 1, -1)),
        ((-1, 0, 1, 0), (0, -1, 0, 1)),
    )
    chosen = strokes[int(rng.integers(len(strokes)))]
    return Shape([_path([[a, b], [c, d]], thick, thick, square=True) for a, b, c, d in chosen])


# With holes.


def ring(rng: Generator) -> Shape:
    """A washer, a tyre, a band."""
    ratio, hole = (1.0 if rng.random() < 0.6 else rng.uniform(0.5, 1)), rng.uniform(0.25, 0.85)
    return Shape([_oval(0, 0, 1, ratio)], [_oval(0, 0, hole, hole * ratio)])


def nut(rng: Generator) -> Shape:
    """A nut, a plate with holes, a button."""
    corners = int(rng.choice([4, 6, 6, 6, 8]))
    solid = _polar(2 * np.pi * np.arange(corners) / corners, np.ones(corners))
    if rng.random() < 0.6:
        return Shape([solid], [_oval(0, 0, *[rng.uniform(0.35, 0.7)] * 2)], soft=rng.choice([0, 0.02]))
    holes = [_oval(0.45 * np.cos(a), 0.45 * np.sin(a), 0.16, 0.16) for a in np.arange(4) * np.pi / 2]
    return Shape([solid if rng.random() < 0.5 else _oval(0, 0, 1, 1)], holes[: int(rng.integers(2, 5))])


def gear(rng: Generator) -> Shape:
    """Teeth around a disc, with or without a hole."""
    teeth = int(rng.integers(7, 20))
    radii = np.where(np.sin(teeth * ROUND) > 0, 1, rng.uniform(0.75, 0.9))
    holes = [_oval(0, 0, *[rng.uniform(0.15, 0.6)] * 2)] if rng.random() < 0.7 else []
    return Shape([_polar(ROUND, radii)], holes)


def cup(rng: Generator) -> Shape:
    """A body with a handle that one can look through."""
    narrow, low = rng.uniform(0.4, 0.9), rng.uniform(0.5, 1.1)
    body = np.array([[-0.7, -low], [0.7, -low], [0.7 * narrow, low], [-0.7 * narrow, low]])
    side, high = 0.7 * (1 + narrow) / 2, rng.uniform(0.3, 0.6) * low
    handle, hole = _oval(side, 0, 0.4, high), _oval(side + 0.05, 0, 0.25, high * 0.65)
    hole[:, 0] = np.maximum(hole[:, 0], side - 0.05)
    return Shape([handle, _oval(0, -low, 0.7, rng.uniform(0.02, 0.3)), body], [hole])


def key(rng: Generator) -> Shape:
    """A bow with a hole, a shaft and teeth; or a wrench, a spoon, a hammer."""
    thick, head = rng.uniform(0.05, 0.14), rng.uniform(0.25, 0.45)
    solids = [_path([[-0.6, 0], [1, 0]], thick, thick, square=True)]
    kind = rng.integers(3)
    if kind == 0:
        solids += [_path([[x, 0], [x, rng.uniform(0.1, 0.35)]], 0.05, 0.05, square=True) for x in (0.95, 0.8, 0.65)]
        solids.append(_oval(-0.8, 0, head, head))
        return Shape(solids, [_oval(-0.85, 0, head * 0.4, head * 0.5)])
    if kind == 1:
        return Shape([*solids, _oval(-0.8, 0, head * rng.uniform(0.8, 1.5), head)], soft=0.01)
    return Shape([*solids, np.array([[-0.6, -head], [-0.9, -head], [-0.95, head], [-0.6, head * 1.2]])])


# With limbs.


def animal(rng: Generator) -> Shape:
    """Four legs, a neck, a head and a tail, seen from the side."""
    long, deep = rng.uniform(0.45, 0.75), rng.uniform(0.18, 0.36)
    body = [_oval(0, 0, long, deep), _oval(-0.5 * long, 0.02, 0.5 * long, deep * rng.uniform(0.9, 1.3))]
    leg, wide = rng.uniform(0.3, 0.95), rng.uniform(0.04, 0.1)
    for hip in (-0.85, -0.65, 0.6, 0.85):
        x, knee = hip * long, rng.normal(0, 0.12)
        foot = [x + 1.3 * knee + rng.normal(0, 0.08), deep * 0.6 + leg]
        points = [[x, 0], [x + knee, deep * 0.6 + leg / 2], foot, [foot[0] + rng.uniform(-0.12, 0.12), foot[1]]]
        body.append(_path(points, wide * 1.9, wide * 0.8))
    neck, rise = [long + rng.uniform(0, 0.3), -rng.uniform(0, 0.8)], rng.uniform(0.08, 0.2)
    body.append(_path([[long * 0.8, -deep * 0.2], neck], deep * rng.uniform(0.4, 0.8), rise))
    muzzle = [neck[0] + rng.uniform(0.1, 0.4), neck[1] + rng.uniform(-0.1, 0.35)]
    body.append(_path([neck, muzzle], rise * 1.1, rise * rng.uniform(0.4, 1)))
    body.append(_path([neck, [neck[0] - rng.uniform(-0.1, 0.1), neck[1] - rng.uniform(0.1, 0.4)]], 0.07, 0.02))
    tail = [[-long, -0.05], [-long - rng.uniform(0.1, 0.3), rng.normal(0, 0.2)]]
    tail.append([tail[-1][0] + rng.normal(-0.05, 0.1), tail[-1][1] + rng.uniform(-0.2, 0.5)])
    body.append(_path(tail, rng.uniform(0.03, 0.1), rng.uniform(0.02, 0.12)))
    return _mirrored(rng, Shape(body, soft=rng.uniform(0.003, 0.015)))


def figure(rng: Generator) -> Shape:
    """A body on two legs with arms, in any pose."""
    wide, limb = rng.uniform(0.13, 0.3), rng.uniform(0.05, 0.12)
    solids = [_path([[0, -0.35], [0, 0.25]], wide, wide * rng.uniform(0.7, 1.1)), _oval(0, -0.72, 0.16, 0.19)]
    solids.append(_path([[0, -0.6], [0, -0.3]], 0.08, 0.08))
    for side in (-1, 1):
        elbow = [side * (wide + rng.uniform(0, 0.3)), rng.uniform(-0.5, 0.1)]
        hand = [elbow[0] + rng.uniform(-0.3, 0.3), elbow[1] + rng.uniform(-0.4, 0.4)]
        solids.append(_path([[side * wide * 0.8, -0.38], elbow, hand], limb, limb * 0.7))
        knee = [side * rng.uniform(0.02, 0.45), rng.uniform(0.5, 0.7)]
        foot = [knee[0] + rng.uniform(-0.2, 0.2), rng.uniform(0.9, 1.2)]
        toe = [foot[0] + rng.uniform(-0.15, 0.15), foot[1]]
        solids.append(_path([[side * wide * 0.5, 0.2], knee, foot, toe], limb * 1.3, limb * 0.8))
    return Shape(solids, soft=rng.uniform(0.003, 0.015))


def swimmer(rng: Generator) -> Shape:
    """A fish, a bird or an aeroplane: a body with fins or wings and a tail."""
    body = [_oval(0, 0, 0.8, rng.uniform(0.12, 0.4))]
    tail = rng.uniform(0.15, 0.4)
    body.append(np.array([[-0.6, 0], [-1.1, -tail], [-0.95, 0], [-1.1, tail * rng.uniform(0.3, 1)]]))
    for side in (-1, 1):
        root, reach = rng.uniform(-0.3, 0.3), side * rng.uniform(0.2, 1.0)
        sweep = root - rng.uniform(-0.2, 0.6)
        body.append(np.array([[root + 0.25, 0], [sweep + 0.1, reach], [sweep - 0.1, reach], [root - 0.2, 0]]))
    return _mirrored(rng, Shape(body, soft=rng.uniform(0.003, 0.02)))


def crawler(rng: Generator) -> Shape:
    """A hand, a starfish, an insect, a nerve cell: a middle with arms around it."""
    arms, wide = int(rng.integers(3, 10)), rng.uniform(0.05, 0.16)
    middle = rng.uniform(0.2, 0.5)
    solids = [_oval(0, 0, middle, middle * rng.uniform(0.6, 1))]
    for angle in 2 * np.pi * (np.arange(arms) + rng.uniform(-0.3, 0.3, arms)) / arms:
        lengths = np.array([[0], [0.55], [rng.uniform(0.75, 1.1)]])
        turns = angle + np.array([0, 0, rng.normal(0, 0.3)])
        solids.append(_path(lengths * np.stack([np.cos(turns), np.sin(turns)], 1), wide, wide * rng.uniform(0.2, 0.9)))
    return Shape(solids, soft=rng.uniform(0.005, 0.025))


def branch(rng: Generator) -> Shape:
    """A twig, a tree, a coral: limbs that fork."""
    solids: list[Array] = []

    def grow(point: Array, angle: float, length: float, thick: float, depth: int) -> None:
        tip = point + length * np.array([np.cos(angle), np.sin(angle)])
        solids.append(_path([point, tip], thick, thick * 0.7))
        for _ in range(int(rng.integers(1, 4)) if depth else 0):
            grow(tip, angle + rng.normal(0, 0.6), length * rng.uniform(0.5, 0.9), thick * 0.7, depth - 1)

    grow(np.zeros(2), 0, 0.6, rng.uniform(0.05, 0.15), 3)
    if rng.random() < 0.4:
        solids += [_oval(*s[0], *rng.uniform(0.1, 0.3, 2)) for s in solids[2:] if rng.random() < 0.7]
    return Shape(solids, soft=0.006)


def vessel(rng: Generator) -> Shape:
    """A bottle, a vase, a lamp, a pawn: the same on both sides of its axis."""
    knots = rng.uniform(0.1, 0.55, int(rng.integers(4, 9)))
    wide = cv2.resize(knots[None], (60, 1), interpolation=rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))[0]
    wide = np.maximum(0.06, wide)
    along = np.linspace(-1, 1, 60)
    return Shape([np.concatenate([np.stack([wide, along], 1), np.stack([-wide, along], 1)[::-1]])])


def heap(rng: Generator) -> Shape:
    """Several plain parts grown into one: a toy, a machine part, a cactus."""
    solids = []
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)
        a, b = rng.uniform(0.15, 0.6, 2)
        angle = rng.uniform(0, 3)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        part = _oval(0, 0, a, b) if rng.random() < 0.5 else np.array([[-a, -b], [a, -b], [a, b], [-a, b]])
        solids += [part @ turn + [x, y], _path([[0, 0], [x, y]], 0.12, 0.12)]
    return Shape(solids, soft=rng.choice([0, 0.01, 0.03]))


def _mirrored(rng: Generator, shape: Shape) -> Shape:
    flip = rng.choice([-1, 1])
    return Shape([each * [flip, 1] for each in shape.solids], shape.holes, shape.soft)


def _oval(x: float, y: float, a: float, b: float) -> Array:
    return np.stack([x + a * np.cos(ROUND), y + b * np.sin(ROUND)], 1)


def _polar(angles: Array, radii: Array) -> Array:
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def _path(points: object, first: float, last: float, square: bool = False) -> Array:
    """The outline of a line through *points* that is *first* half-wide at its start and *last* at its end."""
    line = np.asarray(points, dtype=float)
    ahead = np.gradient(line, axis=0)
    ahead /= np.maximum(1e-9, np.hypot(ahead[:, 0], ahead[:, 1]))[:, None]
    aside = ahead[:, ::-1] * [1, -1]
    wide = np.linspace(first, last, len(line))[:, None]
    caps = []
    for end, along, radius in ((-1, 1, last), (0, -1, first)):
        turns = np.linspace(np.pi / 2, -np.pi / 2, 3 if square else 9)
        stretch = 0 if square else 1
        caps.append(
            line[end]
            + radius * along * (np.sin(turns)[:, None] * aside[end] + stretch * np.cos(turns)[:, None] * ahead[end])
        )
    return np.concatenate([line + wide * aside, caps[0], (line - wide * aside)[::-1], caps[1]])


#: Every shape and how often it is drawn.
SHAPES: dict[Callable[[Generator], Shape], float] = {
    ellipse: 0.17,
    box: 0.09,
    polygon: 0.06,
    star: 0.02,
    bar: 0.05,
    bend: 0.04,
    leaf: 0.04,
    blob: 0.1,
    chip: 0.06,
    crescent: 0.015,
    letter: 0.02,
    ring: 0.04,
    nut: 0.03,
    gear: 0.02,
    cup: 0.03,
    key: 0.03,
    animal: 0.06,
    figure: 0.03,
    swimmer: 0.03,
    crawler: 0.03,
    branch: 0.015,
    vessel: 0.03,
    heap: 0.05,
}
#: Those that fill a picture alone more often than by the dozen.
LIMBED = (animal, animal, figure, swimmer, crawler, branch, vessel, heap, cup, key)
