"""The marks: what the network misses where marks and small letters of Chinese and Japanese stand.

A vertical line is read lying on its left side, and its marks then stand in corners that they have in no level line. The
network takes many for nothing, but leaves a gap as wide as a letter, in which the mark is the next likeliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: What is missed: marks and small kana; and what paper without ink looks like to the network.
MISSED, PAPER = "、。，．・「」『』（）()〈〉《》っッゃゅょャュョ", "\u3000"
#: Letters with a gap between them are so many times as far apart as most, and few letters tell not how far that is.
APART, FEW = 1.6, 4
#: A chance of less is noise; at an end of a line, where there may well be nothing, one of less than the second. Lines
#: that are read less surely than this tell nothing of their ends.
LEAST, LEAST_AT_ENDS, SURE = 1e-6, 0.01, 0.9


class Marks:
    """Puts marks into the gaps of lines that are read with *characters*, of which the first stands for nothing."""

    def __init__(self, characters: Sequence[str]) -> None:
        self._missed = {number for number, letter in enumerate(characters) if letter and letter in MISSED}
        self._letters = {number for number, letter in enumerate(characters) if letter.isalnum()}
        paper = {number for number, letter in enumerate(characters) if letter == PAPER}
        self._possible = np.array(sorted(self._missed | self._letters | paper))

    def put(self, best: Array, chances: Array, kept: Array) -> Array:
        """The likeliest characters of each step, *best*, with the marks between those that are *kept*, and at the ends.

        *chances* are (steps, characters), *kept* the steps at which a letter begins. A mark is put where no letter, nor
        paper, is likelier but those on both sides; other signs, such as degrees, are what marks look like there.
        """
        if len(kept) < FEW:
            return best
        best = best.copy()
        apart = np.diff(kept)
        for number in np.flatnonzero(apart >= APART * np.median(apart)):
            self._fill(best, chances, range(kept[number], kept[number + 1] + 1), LEAST)
        if chances[kept, best[kept]].mean() >= SURE:
            self._fill(best, chances, range(kept[0] + 1), LEAST_AT_ENDS)
            self._fill(best, chances, range(kept[-1], len(best)), LEAST_AT_ENDS)
        return best

    def _fill(self, best: Array, chances: Array, steps: range, least: float) -> None:
        """Put the likeliest mark into *best* among *steps*, of which none has a sign: those have paper beside them."""
        gap = np.array([step for step in steps if best[step] == 0], int)
        beside = np.unique([best[step] for step in steps if best[step]])
        if not len(gap) or not self._letters.issuperset(beside.tolist()):
            return
        told = chances[gap][:, self._possible].max(axis=0)
        told[np.isin(self._possible, beside)] = 0
        likeliest = int(self._possible[told.argmax()])
        if likeliest in self._missed and told.max() >= least:
            best[gap[chances[gap, likeliest].argmax()]] = likeliest
