"""A Gaussian blur by cosines: the wider its kernel, the less time it takes.

A picture that is mirrored at its edges, as OpenCV mirrors it, is a sum of cosines: its discrete cosine transform (of
type I). A blur leaves each cosine what it is and only makes it smaller, the shorter its waves the more. So of a wide
kernel a few long waves are all that is left; to find them and to add them up are two products of slender matrices.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spoolfarm.images import Array

#: Waves are left out whose phase turns by more than this over one standard deviation: a 7000th of them would be left.
SHORTEST = 4.2
#: Places at which a kernel is looked at to see what it leaves of a wave.
SAMPLES = 256
#: Rows of a picture that are worked on at once.
STRIP = 256


def deviation(side: int) -> float:
    """The standard deviation, in pixels, of a kernel *side* pixels long, as `cv2.getGaussianKernel` has it."""
    return 0.3 * ((side - 1) * 0.5 - 1) + 0.8


def blurred(picture: Array, side: int) -> Array:
    """*picture* under a Gaussian kernel of *side* x *side* pixels, to within one grey level of the exact.

    OpenCV itself is up to eight levels off, on fine stripes: of the weights of a long kernel eight bits are too few.
    """
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    find_rows, add_rows = _transforms(height, side)
    find_columns, add_columns = _transforms(width, side)
    strips = [slice(top, top + STRIP) for top in range(0, height, STRIP)]
    channels = []
    for channel in cv2.split(picture):
        waves = np.zeros((len(find_rows), width), np.float32)
        for strip in strips:
            waves += find_rows[:, strip] @ channel[strip].astype(np.float32)
        rows = add_rows @ (waves @ find_columns.T)
        channels.append(np.vstack([cv2.convertScaleAbs(rows[strip] @ add_columns.T) for strip in strips]))
    return cv2.merge(channels)


def _transforms(length: int, side: int) -> tuple[Array, Array]:
    """Matrices (waves, length) that finds the waves which a line of pixels has, and (length, waves) that adds them up.

    Between the two stands the blur: the second has each wave as much smaller as the kernel makes it.
    """
    import numpy as np

    if length == 1:  # its mirror images are all alike
        return np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)
    last, sigma = length - 1, deviation(side)
    place, wave = np.arange(length), np.arange(min(length, 1 + int(SHORTEST * last / (math.pi * sigma))))
    turn = np.cos(np.arange(2 * last) * (math.pi / last)).astype(np.float32)
    waves = turn[np.outer(place, wave) % (2 * last)]
    sample = (np.arange(0.5, SAMPLES) / SAMPLES - 0.5) * (side / sigma)  # in deviations, from one end to the other
    weights = np.exp(-(sample**2) / 2)
    left = np.cos(np.outer(math.pi / last * sigma * wave, sample)) @ (weights / weights.sum())
    once = 2 / last * np.where(wave % last == 0, 0.5, 1)  # the mirrors show all but the ends twice
    ends = np.where(place % last == 0, 0.5, 1)
    return (waves * ends[:, None] * once).T.astype(np.float32), (waves * left).astype(np.float32)
