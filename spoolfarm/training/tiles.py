"""Tiles: parts of a labelled picture at a scale at which its objects can be read, with the labels cut at the border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spoolfarm.training.samples import LEAST, Sample
from spoolfarm.training.scenes.noise import Array

#: How much smaller or larger than it fits a picture is shown.
ZOOM = (0.6, 1.3)
#: The side of a picture's middle object, in pixels of its tile, under which the picture is a crowd.
CROWD = 28
#: How often a crowd is cut into tiles; otherwise it is seen whole.
CUT = 0.7
#: The side of its middle object, in pixels, that a tile is scaled to.
READABLE = (14, 48)
#: How much a picture is enlarged at most.
ENLARGED = 4.0
#: How often a tile is upside down.
UPSIDE_DOWN = 0.25


@dataclass(frozen=True)
class Piece:
    """An object's mask, (height, width) uint8, with the place of its top left pixel in the picture, and its class."""

    top: int
    left: int
    mask: Array
    label: int

    @property
    def side(self) -> float:
        """The side of a square as large as it, in pixels."""
        return float(np.sqrt(np.count_nonzero(self.mask)))


def piece(mask: Array, label: int) -> Piece | None:
    """What is inside *mask*, (height, width) uint8; None when nothing is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Piece(int(rows[0]), int(columns[0]), np.ascontiguousarray(part), label)


def cut(
    rng: np.random.Generator, picture: Array, pieces: Sequence[Piece], ignored: Array | None, height: int, width: int
) -> Sample:
    """A tile of that size of *picture*: all of it, zoomed and shifted, or a part of a crowd; mirrored half the time."""
    matrix = _placed(rng, picture, pieces, height, width)
    scale = abs(matrix[0, 0])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    if scale < 0.5 and rng.random() < 0.5:  # a warp takes samples, as serving does; others average before
        wide = round(1 / scale)
        picture = cv2.blur(picture, (wide, wide))
    seen = cv2.warpAffine(picture, matrix, (width, height), flags=how, borderValue=picture.mean(axis=(0, 1)).tolist())
    unsure: Array = np.zeros((height, width), np.uint8)
    if ignored is not None:
        unsure = cv2.warpAffine(ignored, matrix, (width, height), flags=cv2.INTER_NEAREST)
    masks, classes = [], []
    for each in pieces:
        mask = _shown(each, matrix, height, width)
        if mask is None:
            continue
        if np.count_nonzero(mask) >= LEAST:
            masks.append(mask)
            classes.append(each.label)
        else:  # too little of it to be learned, and yet no ground
            unsure |= mask
    stacked = np.stack(masks) if masks else np.zeros((0, height, width), np.uint8)
    return Sample(seen, stacked, np.array(classes, np.int64), unsure if unsure.any() else None)


def _placed(rng: np.random.Generator, picture: Array, pieces: Sequence[Piece], height: int, width: int) -> Array:
    """Where the pixels of *picture* lie in a tile of that size: (2, 3), as OpenCV has it."""
    high, wide = picture.shape[:2]
    fitting = min(height / high, width / wide)
    scale, centre = fitting * rng.uniform(*ZOOM), None
    middle = float(np.median([each.side for each in pieces])) if pieces else 0.0
    if middle and middle * fitting < CROWD and rng.random() < CUT:
        wanted = np.exp(rng.uniform(*np.log(READABLE))) / middle
        scale = max(scale, min(wanted, ENLARGED))
        chosen = pieces[int(rng.integers(len(pieces)))]
        centre = (chosen.left + chosen.mask.shape[1] / 2, chosen.top + chosen.mask.shape[0] / 2)
    matrix = np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])
    for axis, (room, long) in enumerate(((width, wide), (height, high))):
        taken = long * scale
        if centre is None or taken <= room:
            matrix[axis, 2] = rng.uniform(min(0, room - taken), max(0, room - taken))
        else:
            matrix[axis, 2] = np.clip(rng.uniform(0.2, 0.8) * room - centre[axis] * scale, room - taken, 0)
    for axis, (often, last) in enumerate(((0.5, width - 1), (UPSIDE_DOWN, height - 1))):
        if rng.random() < often:
            matrix[axis] = -matrix[axis]
            matrix[axis, 2] += last
    return matrix


def _shown(each: Piece, matrix: Array, height: int, width: int) -> Array | None:
    """What of *each* is seen in the tile, (height, width) uint8; None when it lies outside."""
    high, wide = each.mask.shape
    spans = []
    for axis, (start, long, room) in enumerate(((each.left, wide, width), (each.top, high, height))):
        ends = sorted(matrix[axis, axis] * end + matrix[axis, 2] for end in (start - 1, start + long))
        spans.append((max(0, int(np.floor(ends[0]))), min(room, int(np.ceil(ends[1])) + 1)))
    (first, last), (upper, lower) = spans
    if first >= last or upper >= lower:
        return None
    own = matrix.copy()
    own[:, 2] += matrix[:, :2] @ (each.left, each.top) - (first, upper)
    part = cv2.warpAffine(each.mask * np.uint8(255), own, (last - first, lower - upper), flags=cv2.INTER_LINEAR)
    mask = np.zeros((height, width), np.uint8)
    mask[upper:lower, first:last] = part > 127
    return mask
