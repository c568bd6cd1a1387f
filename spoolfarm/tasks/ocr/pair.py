"""The pair: a quick recogniser for the lines it is sure of, and a careful one for all others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.recogniser import HEIGHT, Recogniser
from spoolfarm.tasks.ocr.tesseract import Reading

#: Few letters tell little of how sure one is: a quick reading of a shorter line, in pixels, needs this score.
SHORT, VERY_SURE = 4 * HEIGHT, 0.99
#: The score from which a quick reading is believed, after so many that were proved on the page; and for those in haste.
SURE, PROOFS = 0.97, 3
FAIRLY_SURE, PROOF = 0.9, 1
#: With fewer long lines on a page, its proofs cost more than the quick recogniser saves.
ENOUGH = 5
#: With so many more doubtful readings than sure ones, a page is not for the quick recogniser.
PATIENCE = 5


def pays(boxes: Iterable[Box]) -> bool:
    """Whether a page with these *boxes* has enough long lines to prove the quick recogniser by some of them."""
    return sum(max(box.w, box.h) * HEIGHT >= min(box.w, box.h) * SHORT for box in boxes) >= ENOUGH


class Pair:
    """Reads the lines of one page.

    The first lines of which *quick* is sure are read by *careful* too. Where they differ, be it in one letter,
    *careful* reads the rest of the page: *quick* knows fewer letters, and takes others, such as 資 and ț, for them.
    """

    def __init__(self, quick: Recogniser, careful: Recogniser, *, haste: bool = False) -> None:
        self._quick = quick
        self.careful = careful
        self._sure, self._proofs = (FAIRLY_SURE, PROOF) if haste else (SURE, PROOFS)
        self._trust = PATIENCE

    def read(self, line: np.ndarray[Any, Any]) -> Reading:
        """Read a picture that `cut` made: its text, how sure that is, 0 to 1, and its words."""
        short = line.shape[1] < SHORT
        if self._trust <= 0 or (short and self._proofs):
            return self.careful.read(line)
        said = self._quick.read(line)
        if short:
            return said if said[1] >= VERY_SURE else self.careful.read(line)
        if said[1] < self._sure:
            self._trust -= 1
            return self.careful.read(line)
        self._trust += 1
        if self._proofs == 0:
            return said
        self._proofs -= 1
        proof = self.careful.read(line)
        if proof[0] != said[0]:
            self._trust = 0
        return proof
