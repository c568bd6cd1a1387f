"""Manners: how the objects of a crowd look and lie, for the kinds of pictures in which things are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from spoolfarm.training.scenes import carriers, grounds, shapes
from spoolfarm.training.scenes.noise import Array, fractal
from spoolfarm.training.scenes.shapes import Shape
from spoolfarm.training.scenes.surfaces import FLAT, Surface

#: What draws a ground, in grey levels around 0 or, with a third axis, in colours.
Field = Callable[[Generator, int, int], Array]


@dataclass(frozen=True)
class Manner:
    """How the objects of a crowd look and lie."""

    shapes: Sequence[Callable[[Generator], Shape]]
    #: Pixels of an object's longer side, least and most of a picture's own; and how far they differ within it, as the
    #: deviation of their logarithms.
    side: tuple[float, float]
    differ: float
    #: The part of the picture that objects cover, and the part of one that may cover others.
    cover: tuple[float, float]
    overlap: float
    #: The mean grey levels of the ground, and by how much objects are brighter (or darker) than it.
    ground: tuple[float, float]
    step: tuple[float, float]
    #: The deviation of that from object to object, and of their colours.
    uneven: float = 12.0
    colour: float = 20.0
    surface: Surface = FLAT
    field: Sequence[Field] = (grounds.plain, grounds.clouds, grounds.grain)
    #: Grey levels of the ground's texture at most.
    rough: float = 8.0
    #: How much of an object hides what is under it: 1 all, less for glass and drops.
    opaque: float = 1.0
    #: How dark the seam around each object is, in grey levels, and how soft its edge, in parts of its side.
    seam: float = 0.0
    soft: float = 0.0
    #: Whether they lie side by side all over the picture.
    packed: bool = False


def _surface(rng: Generator, **given: Any) -> Surface:
    return replace(FLAT, across=rng.uniform(2, 12), **given)


def glowing(rng: Generator) -> Manner:
    """Cells that shine on black, some of them faintly."""
    return Manner(
        shapes=(shapes.ellipse, shapes.blob, shapes.blob),
        side=(9, 36),
        differ=rng.uniform(0.1, 0.35),
        cover=(0.05, 0.5),
        overlap=rng.uniform(0, 0.3),
        ground=(3, 35),
        step=(35, 190),
        uneven=rng.uniform(5, 35),
        colour=rng.choice([5, 70]),
        surface=_surface(rng, texture=rng.uniform(0, 18), bulge=rng.uniform(0, 12), rim=-rng.uniform(0, 30)),
        rough=5,
        soft=rng.uniform(0, 0.06),
    )


def stained(rng: Generator) -> Manner:
    """Dark cells on a bright slide."""
    return replace(
        glowing(rng),
        ground=(150, 235),
        step=(-110, -28),
        colour=rng.uniform(20, 70),
        rough=rng.uniform(4, 14),
        field=(grounds.clouds, grounds.grain, _tissue),
    )


def strewn(rng: Generator) -> Manner:
    """Seeds, grains, pills, screws: alike, apart or touching, on something plain."""
    kinds = (shapes.ellipse, shapes.leaf, shapes.blob, shapes.chip, shapes.box, shapes.polygon, shapes.nut, shapes.bend)
    return Manner(
        shapes=(kinds[int(rng.integers(len(kinds)))], kinds[int(rng.integers(len(kinds)))]),
        side=(14, 70),
        differ=rng.uniform(0.03, 0.3),
        cover=(0.05, 0.6),
        overlap=rng.uniform(0, 0.12),
        ground=(15, 225),
        step=(rng.choice([-1, 1]) * rng.uniform(22, 120),) * 2,
        uneven=rng.uniform(3, 20),
        colour=rng.uniform(10, 70),
        surface=_surface(rng, texture=rng.uniform(0, 22), bulge=rng.uniform(0, 40), highlights=int(rng.integers(0, 2))),
        field=(grounds.plain, grounds.slope, grounds.grain, grounds.cloth, grounds.wood, grounds.metal),
        rough=14,
        seam=rng.choice([0, 1]) * rng.uniform(8, 40),
    )


def heaped(rng: Generator) -> Manner:
    """Gravel, beans, nuts: side by side and over each other, all over the picture."""
    return Manner(
        shapes=(shapes.blob, shapes.polygon, shapes.chip, shapes.ellipse),
        side=(18, 80),
        differ=rng.uniform(0.15, 0.5),
        cover=(1, 1),
        overlap=rng.uniform(0.15, 0.45),
        ground=(10, 90),
        step=(25, 120),
        uneven=rng.uniform(8, 35),
        colour=rng.uniform(5, 50),
        surface=_surface(rng, texture=rng.uniform(4, 26), bulge=rng.uniform(5, 55), shade=rng.uniform(0, 25)),
        field=(grounds.grain, grounds.clouds, grounds.specks),
        rough=20,
        seam=rng.uniform(15, 60),
        packed=True,
    )


def charged(rng: Generator) -> Manner:
    """Particles as electrons show them: bright at their edges, grey on grey."""
    return Manner(
        shapes=(shapes.ellipse, shapes.ellipse, shapes.polygon, shapes.box, shapes.chip, shapes.bar),
        side=(14, 120),
        differ=rng.uniform(0.05, 0.5),
        cover=(0.1, 0.9),
        overlap=rng.uniform(0.1, 0.45),
        ground=(10, 120),
        step=(12, 80),
        uneven=rng.uniform(3, 15),
        colour=0,
        surface=_surface(rng, texture=rng.uniform(0, 14), bulge=rng.uniform(0, 35), rim=rng.uniform(15, 90)),
        field=(grounds.plain, grounds.grain, grounds.clouds, grounds.craters),
        rough=16,
        seam=rng.uniform(0, 35),
        packed=bool(rng.random() < 0.3),
    )


def capped(rng: Generator) -> Manner:
    """Caps, buds, berries, bubbles of foam: bright balls in clusters on something dark and rough."""
    return Manner(
        shapes=(shapes.ellipse, shapes.ellipse, shapes.blob),
        side=(14, 70),
        differ=rng.uniform(0.15, 0.5),
        cover=(0.15, 0.9),
        overlap=rng.uniform(0.1, 0.4),
        ground=(20, 110),
        step=(40, 130),
        uneven=rng.uniform(5, 20),
        colour=rng.uniform(5, 40),
        surface=_surface(rng, texture=rng.uniform(0, 12), bulge=rng.uniform(10, 60), shade=rng.uniform(0, 25)),
        field=(grounds.grain, grounds.clouds, grounds.grass, grounds.craters),
        rough=30,
        seam=rng.uniform(10, 50),
    )


def clear(rng: Generator) -> Manner:
    """Drops, bubbles and glass: what they lie on is seen through them, and only their edge is their own."""
    return Manner(
        shapes=(shapes.ellipse, shapes.ellipse, shapes.blob, shapes.box),
        side=(16, 130),
        differ=rng.uniform(0.05, 0.5),
        cover=(0.1, 0.6),
        overlap=rng.uniform(0, 0.1),
        ground=(60, 200),
        step=(-30, 30),
        uneven=4,
        colour=rng.uniform(0, 30),
        surface=_surface(
            rng,
            rim=rng.choice([-1, 1]) * rng.uniform(40, 130),
            bulge=rng.uniform(0, 25),
            highlights=int(rng.integers(0, 3)),
        ),
        opaque=rng.uniform(0.05, 0.4),
    )


def rods(rng: Generator) -> Manner:
    """Bacteria, fibres, needles: long and thin, side by side, often faint."""
    return Manner(
        shapes=(shapes.bar, shapes.bend, _rod),
        side=(16, 110),
        differ=rng.uniform(0.05, 0.4),
        cover=(0.03, 0.35),
        overlap=rng.uniform(0, 0.25),
        ground=(20, 210),
        step=(rng.choice([-1, 1]) * rng.uniform(18, 100),) * 2,
        uneven=rng.uniform(2, 15),
        colour=rng.uniform(0, 40),
        surface=_surface(rng, rim=rng.normal(0, 20), bulge=rng.uniform(0, 30)),
        seam=rng.choice([-1, 1]) * rng.uniform(0, 30),
    )


def flakes(rng: Generator) -> Manner:
    """Faint flakes and crystals of another hue on a flat wafer, among dust that is none."""
    return Manner(
        shapes=(shapes.polygon, shapes.chip, shapes.polygon, shapes.blob),
        side=(12, 60),
        differ=rng.uniform(0.2, 0.7),
        cover=(0.005, 0.12),
        overlap=0,
        ground=(60, 200),
        step=(rng.choice([-1, 1]) * rng.uniform(12, 50),) * 2,
        uneven=rng.uniform(2, 15),
        colour=rng.uniform(30, 80),
        surface=_surface(rng, texture=rng.uniform(0, 5)),
        field=(grounds.plain, grounds.slope, grounds.specks),
        rough=5,
    )


def polished(rng: Generator) -> Manner:
    """Cutlery, tools, cables, screws: long, of metal or dark, with reflections along them."""
    return Manner(
        shapes=(shapes.key, shapes.vessel, shapes.bar, shapes.bend, shapes.key, _spoon),
        side=(80, 300),
        differ=rng.uniform(0.05, 0.35),
        cover=(0.1, 0.7),
        overlap=rng.uniform(0, 0.25),
        ground=(15, 225),
        step=(rng.choice([-1, 1]) * rng.uniform(15, 90),) * 2,
        uneven=rng.uniform(2, 20),
        colour=rng.choice([3, 30]),
        surface=_surface(
            rng,
            pattern=rng.choice([0, 0, 25]),
            shade=rng.uniform(0, 50),
            bulge=rng.uniform(10, 80),
            rim=rng.normal(0, 25),
        ),
        field=(grounds.plain, grounds.wood, grounds.cloth, grounds.slope, grounds.metal, carriers.tray),
        rough=22,
        seam=rng.uniform(0, 40),
    )


def mounted(rng: Generator) -> Manner:
    """Parts on a board, a tray or in a bin: the carrier is no object, what lies on it is."""
    return Manner(
        shapes=(shapes.box, shapes.box, shapes.ellipse, shapes.polygon, shapes.letter, shapes.nut, shapes.heap),
        side=(18, 110),
        differ=rng.uniform(0.1, 0.6),
        cover=(0.03, 0.35),
        overlap=0,
        ground=(40, 180),
        step=(rng.choice([-1, 1]) * rng.uniform(25, 120),) * 2,
        uneven=rng.uniform(5, 35),
        colour=rng.uniform(10, 70),
        surface=_surface(
            rng, texture=rng.uniform(0, 12), bulge=rng.uniform(0, 30), relief=rng.choice([0, 25]), rim=rng.normal(0, 15)
        ),
        field=(carriers.board, carriers.board, carriers.tray),
        seam=rng.uniform(0, 35),
    )


def _rod(rng: Generator) -> Shape:
    """A capsule."""
    thick = rng.uniform(0.1, 0.3)
    x, y = np.cos(shapes.ROUND), np.sin(shapes.ROUND)
    return Shape([np.stack([thick * x + np.sign(x) * (1 - thick), thick * y], 1)])


def _spoon(rng: Generator) -> Shape:
    """A bowl on a long handle."""
    along, thick, bowl = np.linspace(-1, 1, 60), rng.uniform(0.02, 0.06), rng.uniform(0.1, 0.25)
    end = rng.uniform(0.3, 0.65)
    wide = thick + bowl * np.sqrt(np.clip(1 - ((along - (1 + end) / 2) / ((1 - end) / 2)) ** 2, 0, None))
    wide += thick * rng.uniform(0, 1.5) * np.clip(-along, 0, 1)
    return Shape([np.concatenate([np.stack([along, wide], 1), np.stack([along, -wide], 1)[::-1]])], soft=0.01)


def _tissue(rng: Generator, height: int, width: int) -> Array:
    return fractal(rng, height, width, rng.uniform(15, 60), 4)


#: Every manner; each is drawn as often as the others.
MANNERS: tuple[Callable[[Generator], Manner], ...] = (
    *(glowing, stained, strewn, strewn, heaped, charged, capped, clear, rods, flakes, polished, mounted, mounted),
)
