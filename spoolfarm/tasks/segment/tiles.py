"""Tiles: overlapping parts of a picture that are looked at closer, at a scale that what a first look found decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

#: How a picture is looked at: once, in this many tiles along its longer side, or as what is found there needs it.
Tiles: TypeAlias = Literal["auto", "off"] | int

#: Pixels that the middle one of the objects shall have across where it is seen closer: the net finds more of 32 to 64
#: pixels than of any smaller ones.
WANTED_SIDE = 50.0
#: How much closer it must be for another look to be worth its time, and how much at most.
CLOSER, CLOSEST = 1.25, 4.0
#: From how many objects on they are a crowd, and from how many that are not sure: of fewer a picture shows fragments
#: when it is much enlarged.
CROWD, HINTS = 8, 30
#: From how many faint ones on, if they are so many times the sure ones, and these at most so many times their size:
#: beside objects they may be what the ground is made of.
FAINTS, TIMES, LIKE = 20, 8, 4
#: The scores from which an object is sure, from which there is a hint of one, and from which a faint one.
SURE, HINT, FAINT = 0.5, 0.3, 0.15
#: Where nothing is sure in a picture of which the first look saw fewer pixels than this for each of its own, it is
#: looked at this much closer: what is there may be too small.
FAR, UNSEEN = 0.4, 2.25
#: The most that a picture's own pixels are enlarged, for there is hardly more to see in them; and the most that those
#: of a crowd are until it fills a tile, beyond which blurred edges are taken for objects.
ENLARGED, BLURRED = 1.2, 1.75
#: Pixels across a tile, as the net sees it.
TILE = 1024
#: What two neighbours share, as a part of a tile. An object of that size or less is whole in one of them.
SHARED = 1 / 6
#: The most tiles of a picture, which bounds its time.
MOST = 36


@dataclass(frozen=True)
class Window:
    """A part of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """Windows of one size in columns and rows that cover a picture, each seen at *scale*."""

    columns: int
    rows: int
    #: Pixels that the net sees for each of the picture's.
    scale: float
    #: Pixels of the picture that neighbours share.
    shared: float
    #: The picture's.
    height: int
    width: int

    def __iter__(self) -> Iterator[Window]:
        wide, high = _part(self.width, self.columns, self.shared), _part(self.height, self.rows, self.shared)
        for top in _starts(self.height, high, self.rows):
            for left in _starts(self.width, wide, self.columns):
                yield Window(left, top, wide, high)


def crowd(sides: Sequence[float], scores: Sequence[float]) -> list[float]:
    """Those of the *sides* that belong to a crowd: of the sure objects, or of the hints where these are many."""
    sure, hints = (_over(least, sides, scores) for least in (SURE, HINT))
    if len(sure) >= CROWD:
        return sure
    return hints if len(hints) >= HINTS else []


def faint(sides: Sequence[float], scores: Sequence[float]) -> list[float]:
    """Those of the *sides* that belong to a crowd of which next to nothing is sure, for it is too small to be seen."""
    sure, hints = (_over(least, sides, scores) for least in (SURE, FAINT))
    many = len(hints) >= max(FAINTS, TIMES * len(sure))
    return hints if many and (not sure or _middle(sure) <= LIKE * _middle(hints)) else []


def unseen(size: tuple[int, int], scale: float, scores: Sequence[float]) -> Grid | None:
    """The closer look at a large picture in whose first look, at *scale*, nothing was found for sure."""
    if scale >= FAR or any(score > SURE for score in scores):
        return None
    return _covering(size, scale * UNSEEN)


def planned(
    size: tuple[int, int], scale: float, sides: Sequence[float], scores: Sequence[float], tiles: Tiles
) -> Grid | None:
    """The tiles for a picture of *size* (height, width), or None where one look is enough.

    *scale* is that of the first look, *sides* are the roots of the areas of what it found, in pixels of the picture. A
    few objects, and a faint crowd, are looked at in no more than one tile.
    """
    if isinstance(tiles, int):
        return _divided(size, scale, tiles) if tiles > 1 else None
    whole = TILE / max(size)
    if small := crowd(sides, scores):
        most = max(ENLARGED, min(BLURRED, whole))
    elif small := faint(sides, scores):
        most = min(BLURRED, whole)
    else:
        small, most = _over(SURE, sides, scores), min(ENLARGED, whole)
    if tiles == "off" or not small:
        return None
    closer = min(WANTED_SIDE / max(1.0, _middle(small) * scale), CLOSEST, most / scale)
    return _covering(size, scale * closer) if closer >= CLOSER else None


def _over(least: float, sides: Sequence[float], scores: Sequence[float]) -> list[float]:
    """The *sides* of what scores more than *least*."""
    return [side for side, score in zip(sides, scores, strict=True) if score > least]


def _middle(sides: Sequence[float]) -> float:
    return sorted(sides)[len(sides) // 2]


def _covering(size: tuple[int, int], scale: float) -> Grid:
    """Tiles at *scale*, or at the largest scale at which they are no more than MOST."""
    while True:
        rows, columns = (_count(side * scale) for side in size)
        if rows * columns <= MOST:
            return Grid(columns, rows, scale, TILE * SHARED / scale, *size)
        scale *= 0.95


def _count(side: float) -> int:
    """Tiles along a *side*, in pixels as the net sees them."""
    return max(1, math.ceil((side / TILE - SHARED) / (1 - SHARED) - 1e-6))


def _divided(size: tuple[int, int], scale: float, count: int) -> Grid:
    """*count* tiles along the longer side, each as large to the net as the whole picture was in the first look."""
    part = max(size) / (count - (count - 1) * SHARED)
    rows, columns = (max(1, math.ceil((side / part - SHARED) / (1 - SHARED) - 1e-6)) for side in size)
    return Grid(columns, rows, scale * max(size) / part, part * SHARED, *size)


def _part(side: int, count: int, shared: float) -> int:
    """Pixels of a window along a *side* that *count* of them cover."""
    return min(side, math.ceil((side + (count - 1) * shared) / count))


def _starts(side: int, part: int, count: int) -> list[int]:
    return [round(number * (side - part) / max(1, count - 1)) for number in range(count)]
