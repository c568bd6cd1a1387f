"""A folder of labelled pictures: checked as a whole, then learned from, turned over, zoomed and re-lit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spoolfarm import images
from spoolfarm.errors import BrokenImage, FarmError
from spoolfarm.training import coco, exports
from spoolfarm.training.options import KEPT
from spoolfarm.training.pictures import Pictures
from spoolfarm.training.samples import LEAST, Sample
from spoolfarm.training.scenes.noise import Array
from spoolfarm.training.tiles import Piece, cut, piece

#: What labels of fewer are passed over as.
SMALL = f"of fewer than {LEAST} pixels"
#: How much darker or brighter a picture is shown.
CONTRAST = 0.75, 1.25


class Labelled:
    """The pictures of a folder, or of the file of labels at *path*, without the kept ones.

    A sample is a tile of one of them, turned over, zoomed and re-lit. One picture in *keep* is kept. Raises FarmError
    when the folder has no pictures with labels, or when a file or an entry is not what it seems.
    """

    def __init__(self, path: Path, keep: int = KEPT) -> None:
        there = exports.find(path)
        file, folder = there.path, there.folder
        self._labels = coco.read(file, there.content)
        self._pictures = self._labels.pictures
        self.names = self._labels.names
        self._classes = {category: number for number, category in enumerate(self.names, 1)}
        here = Pictures(folder, subset=file.stem.removeprefix("instances_"))
        found = coco.sound(file, lambda each: (each, _found(here, each)), self._pictures.values())
        self._paths = {each.id: path for each, path in found}
        self._pieces: dict[coco.Id, tuple[list[Piece], Array | None]] = {}
        self.label = path.name or str(path)
        _distinct(file, found)
        ids = sorted(self._pictures, key=lambda each: (not self._pictures[each].labels, isinstance(each, str), each))
        labelled = sum(bool(each.labels) for each in self._pictures.values())
        #: The kept pictures, some of which have objects; where too few have any, all are learned and kept.
        self.kept = ids[::keep] if labelled >= keep else ids
        self.learned = [each for each in ids if each not in set(self.kept)] if labelled >= keep else ids

    @property
    def parts(self) -> Sequence[Labelled]:
        """Itself alone."""
        return [self]

    def record(self) -> list[dict[str, Any]]:
        """What the file says of its source and its licence, and the pictures that are learned, by name."""
        names = [self._pictures[each].name for each in self.learned]
        return [{"data": self.label, **self._labels.about, "learned": names}]

    def check(self) -> str:
        """Decode every picture and fill every outline; a line that says what there is to learn.

        Raises FarmError for pictures that cannot be read, and for labels that do not fit theirs.
        """
        checked = coco.sound(self._labels.path, self._checked, self._pictures.values())
        passed = self._labels.passed + Counter({SMALL: sum(each.small for each in checked)})
        objects = sum(each.objects for each in checked)
        if not objects:
            raise FarmError(f"{self._labels.path}: no label can be learned from; there are {coco.told(passed)}")
        pictures, kinds = coco.many(len(checked), "picture", "pictures"), len(self.names)
        line = f"{pictures}, {coco.many(objects, 'object', 'objects')}, {coco.many(kinds, 'category', 'categories')}"
        if empty := sum(not each.objects for each in checked):
            line += f"; {empty} without objects"
        if swapped := sum(each.swapped for each in checked):
            line += f"; {swapped} with width and height swapped in the labels, which are read as the picture is upright"
        if passed:
            line += f"; passed over: {coco.told(passed)}"
        if self.kept is self.learned:
            line += "; too few to keep some for the evaluation, which sees those that are learned"
        return line

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        """Sample *number* of *seed*."""
        rng = np.random.default_rng((seed, number))
        chosen = self.learned[int(rng.integers(len(self.learned)))]
        pixels = _pixels(self._paths[chosen])
        pieces, ignored = self._cut_out(chosen, *pixels.shape[:2])
        return _lit(rng, cut(rng, pixels, pieces, ignored, height, width))

    def held_out(self, count: int, stream: int = 0) -> Iterator[Sample]:
        """The kept pictures as they are, *count* at most."""
        return (self.read(each) for each in self.kept[:count])

    def read(self, number: coco.Id) -> Sample:
        """The picture with that id. Raises FarmError when it is not there or broken."""
        picture = self._pictures[number]
        pixels = _pixels(self._paths[number])
        height, width = pixels.shape[:2]
        masks = [each.outline.mask(height, width) for each in picture.labels]
        classes = np.array([self._classes[each.category] for each in picture.labels], np.int64)
        ignored = [each.mask(height, width) for each in picture.ignored]
        unsure = np.bitwise_or.reduce(ignored) if ignored else None
        return _only_seen(Sample(pixels, np.array(masks, np.uint8).reshape(-1, height, width), classes, unsure))

    def _cut_out(self, number: coco.Id, height: int, width: int) -> tuple[list[Piece], Array | None]:
        """The objects of the picture with that id, and what of it is to be ignored; kept, for they are read often."""
        if number not in self._pieces:
            picture = self._pictures[number]
            pieces = [piece(each.outline.mask(height, width), self._classes[each.category]) for each in picture.labels]
            ignored = [each.mask(height, width) for each in picture.ignored]
            whole = np.bitwise_or.reduce(ignored) if ignored else None
            self._pieces[number] = [each for each in pieces if each], whole
        return self._pieces[number]

    def _checked(self, picture: coco.Picture) -> _Checked:
        height, width = _pixels(self._paths[picture.id]).shape[:2]
        if picture.size and sorted(picture.size) != sorted((width, height)):
            said = "x".join(map(str, picture.size))
            raise FarmError(f"{picture.place} says that {picture.name} has {said} pixels, but it has {width}x{height}")
        areas = []
        for where in picture.ignored:
            try:
                where.fit(height, width)
            except FarmError as error:
                raise FarmError(f"{picture.place} has an ignored region that does not fit it: {error}") from error
        for label in picture.labels:
            try:
                areas.append(label.outline.area(height, width))
            except FarmError as error:
                raise FarmError(f"{label.place} does not fit {picture.name}: {error}") from error
        small = sum(area < LEAST for area in areas)
        return _Checked(len(areas) - small, small, picture.size not in (None, (width, height)))


@dataclass(frozen=True)
class _Checked:
    """How many objects of a picture can be learned, how many are too small, and whether its size is said sideways."""

    objects: int
    small: int
    swapped: bool


def _found(pictures: Pictures, picture: coco.Picture) -> Path:
    try:
        return pictures.find(picture.name)
    except FarmError as error:
        raise FarmError(f"{picture.place}: {error}") from error


def _distinct(file: Path, found: Iterable[tuple[coco.Picture, Path]]) -> None:
    """Raise FarmError when two entries are one picture: one might be kept, and the other one learned."""
    first: dict[Path, coco.Picture] = {}
    for picture, path in found:
        other = first.setdefault(path, picture)
        if other is not picture:
            raise FarmError(f"{file}: {other.place} and {picture.place} are both the picture {path}")


def _pixels(path: Path) -> Array:
    try:
        picture: Array = images.decode(path.read_bytes())[..., ::-1]
    except OSError as error:
        raise FarmError(f"{path} cannot be read: {error.strerror}") from error
    except BrokenImage as error:
        raise FarmError(f"{path}: {error}") from error
    return picture


def _lit(rng: np.random.Generator, sample: Sample) -> Sample:
    lit = sample.picture * rng.uniform(*CONTRAST) + rng.normal(0, 12)
    return replace(sample, picture=np.clip(lit, 0, 255).astype(np.uint8))


def _only_seen(sample: Sample) -> Sample:
    """Without the objects of which next to nothing is in the picture."""
    seen = np.count_nonzero(sample.masks, axis=(1, 2)) >= LEAST
    return replace(sample, masks=sample.masks[seen], classes=sample.classes[seen])
