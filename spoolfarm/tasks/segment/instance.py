"""Instances: one object found in a picture each, as a mask that is no larger than the object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from spoolfarm.tasks.segment.tiles import Tiles

#: A picture (height, width, 3) in BGR order, or a mask (height, width) of zeros and ones.
Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
#: What an object is called where a model knows but one kind.
OBJECT = "object"
#: Who looks: the net, the classical engine, or whichever a model comes with first.
Eyes: TypeAlias = Literal["auto", "net", "classical"]


@dataclass(frozen=True)
class Instance:
    """One object. Its mask is a crop whose first pixel lies at (*left*, *top*) of the picture."""

    mask: Pixels
    left: int
    top: int
    #: x, y, width and height in pixels; what the mask covers may be a little less or more.
    box: tuple[float, float, float, float]
    score: float
    category: int


@dataclass(frozen=True)
class Wanted:
    """Which objects a caller wants, and how they are to be looked for."""

    score: float = 0.5
    most: int = 100
    #: Categories by id; None stands for all.
    categories: frozenset[int] | None = None
    tiles: Tiles = "off"
    engine: Eyes = "auto"


@dataclass(frozen=True)
class Looked:
    """How closely a picture was looked at: tiles in columns and rows, and how many of them there was time for."""

    columns: int = 1
    rows: int = 1
    looked: int = 1
    #: Pixels that the engine saw for each of the picture's.
    scale: float = 1.0


@dataclass(frozen=True)
class Found:
    """What an engine saw in one picture.

    The instances come one at a time, the surest first, so that no more than one full mask is ever held.
    """

    instances: Iterator[Instance]
    #: Milliseconds by stage.
    ms: Mapping[str, float]
    looked: Looked = Looked()
    #: Who looked, where that is another one than was asked.
    by: Engine | None = None


class Engine(Protocol):
    """A way to find objects."""

    #: "mask-rcnn", "classical" or "onnx".
    name: str
    #: Which weights: "default", "coco", a file's name, or "classical".
    model: str
    #: What each category id stands for.
    labels: Mapping[int, str]
    #: How many pictures it takes at once with profit.
    batch: int
    #: What a caller may ask it for.
    eyes: frozenset[Eyes]
    #: And who of them can look at a picture in tiles.
    tiled: frozenset[Eyes]

    def find(self, pictures: list[Pixels], wanted: list[Wanted]) -> list[Found]:
        """Look for what is wanted in each picture."""


def crop(mask: Pixels, score: float, category: int) -> Instance | None:
    """The instance of a mask as large as the picture; None when it is empty."""
    import cv2

    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    inner = np.ascontiguousarray(mask[top : top + height, left : left + width])
    return Instance(inner, left, top, (float(left), float(top), float(width), float(height)), score, category)
