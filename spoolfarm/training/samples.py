"""Samples: pictures with the masks of their objects, drawn or from a user's folder, in batches for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment.instance import OBJECT
from spoolfarm.training import scenes
from spoolfarm.training.options import SYNTHETIC
from spoolfarm.training.scenes.noise import Array

#: Pixels an object must show to be learned.
LEAST = 4
#: The seed of the scenes that no training ever sees; trainings may have any other.
HELD_OUT = 2_000_000_011
#: Their side in pixels.
HELD_OUT_SIDE = 320
#: By how much drawn scenes are enlarged, in turn: small pictures are when they are served.
ENLARGED = (1.0, 1.2, 1.0, 1.5)
#: One drawn picture in this many is a crowd of like objects.
CROWDS = 3
#: How crowded the other scenes are: most objects lie in crowds, of which a picture teaches a few regions each.
CROWDED = 1.5
#: One in this many has its colours turned: what differs by brightness then differs by hue, on a ground of any hue.
TURNED = 5


@dataclass(frozen=True)
class Sample:
    """A picture, (height, width, 3) uint8 RGB; masks, (objects, height, width) uint8; a class from 1 for each.

    What is *ignored*, (height, width) uint8, teaches nothing: there may be an object, or none.
    """

    picture: Array
    masks: Array
    classes: Array
    ignored: Array | None = None


class Source(Protocol):
    """Where samples come from."""

    #: The categories' names by id, in the order of the classes.
    names: dict[int, str]
    #: What it is called.
    label: str

    @property
    def parts(self) -> Sequence[Source]:
        """The sources that it consists of, or itself."""

    def record(self) -> list[dict[str, Any]]:
        """What each of its parts is and what is learned of it, for the weights file."""

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        """Sample *number* of *seed*, of that size."""

    def held_out(self, count: int, stream: int = 0) -> Iterator[Sample]:
        """Up to *count* samples that are never learned; those of another *stream* are others where there are more."""


class Drawn:
    """Scenes of the generator."""

    def __init__(self) -> None:
        self.names = {1: OBJECT}
        self.label = SYNTHETIC

    @property
    def parts(self) -> Sequence[Source]:
        """Itself alone."""
        return [self]

    def record(self) -> list[dict[str, Any]]:
        """Which scenes are drawn."""
        return [{"data": self.label, "scenes": scenes.VERSION, "crowds": scenes.CROWDS_VERSION}]

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        """Scene or crowd *number* of *seed*; for some numbers drawn smaller, for some in other colours."""
        factor = ENLARGED[number % len(ENLARGED)]
        high, wide = round(height / factor), round(width / factor)
        if number % CROWDS == 2:
            made = scenes.crowd(seed, number, high, wide)
            drawn = Sample(made.picture, made.masks, np.ones(len(made.masks), np.int64), made.hidden)
        else:
            drawn = _sample(scenes.scene(seed, number, high, wide, crowded=CROWDED))
        if number % TURNED == 0:
            drawn = replace(drawn, picture=_turned(drawn.picture, np.random.default_rng((seed, number))))
        return drawn if factor == 1 else _enlarged(drawn, height, width)

    def held_out(self, count: int, stream: int = 0) -> Iterator[Sample]:
        """Scenes of a seed of their own."""
        side = HELD_OUT_SIDE
        return (_sample(scenes.scene(HELD_OUT + stream, number, side, side)) for number in range(count))


def _sample(scene: scenes.Scene) -> Sample:
    masks = scene.masks()
    return Sample(scene.picture, masks, np.ones(len(masks), np.int64))


def _enlarged(sample: Sample, height: int, width: int) -> Sample:
    """*sample* of that size; a mask keeps its outline between the pixels of before."""
    masks = [cv2.resize(mask * np.uint8(255), (width, height)) > 127 for mask in sample.masks]
    picture = cv2.resize(sample.picture, (width, height))
    ignored = sample.ignored
    if ignored is not None:
        ignored = cv2.resize(ignored, (width, height), interpolation=cv2.INTER_NEAREST)
    return Sample(picture, np.array(masks, np.uint8).reshape(-1, height, width), sample.classes, ignored)


def _turned(picture: Array, rng: np.random.Generator) -> Array:
    """*picture* with its colours turned around the middle grey, in a direction of *rng*'s."""
    turn, _ = np.linalg.qr(rng.normal(0, 1, (3, 3)))
    turned: Array = cv2.transform(picture, np.column_stack([turn, 128 - turn @ (128, 128, 128)]))
    return turned


class _Batches(IterableDataset[list[Sample] | FarmError]):
    def __init__(self, source: Source, seed: int, first: int, size: int, side: int, part: slice) -> None:
        self._source = source
        self._seed = seed
        self._first = first
        self._size = size
        self._side = side
        self._part = part

    def __iter__(self) -> Iterator[list[Sample] | FarmError]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        own, step = (worker.id, worker.num_workers) if worker else (0, 1)
        shapes = _shapes(self._side)
        batch = self._first + own
        while True:
            height, width = shapes[batch % len(shapes)]
            numbers = range(batch * self._size, (batch + 1) * self._size)[self._part]
            try:
                yield [self._source.sample(self._seed, number, height, width) for number in numbers]
            except FarmError as error:  # raised here, it would come out with the traceback of this process in its words
                yield error
            batch += step


def _shapes(side: int) -> list[tuple[int, int]]:
    """Heights and widths, one for each batch in turn: small, middle and large, wide and high; multiples of 32."""
    scales = ((1, 1), (0.75, 0.75), (1.25, 1.25), (0.85, 1.15), (0.7, 0.85), (1.3, 1.1), (1.15, 0.85))
    return [(max(64, round(side * high / 32) * 32), max(64, round(side * wide / 32) * 32)) for high, wide in scales]


def batches(
    source: Source, seed: int, first: int, size: int, side: int, processes: int, part: slice = slice(None)
) -> Iterator[list[Sample]]:
    """Batches of *size* samples without end, or that *part* of each, beginning with batch *first*.

    They are the same for the same arguments, however many *processes* draw them. Raises what *source* raises.
    """
    loader = DataLoader(
        _Batches(source, seed, first, size, side, part),
        batch_size=None,
        num_workers=processes,
        multiprocessing_context="spawn" if processes else None,  # a fork after torch has run may hang
        prefetch_factor=6 if processes else None,
    )
    for drawn in loader:
        if isinstance(drawn, FarmError):
            raise drawn
        yield drawn
