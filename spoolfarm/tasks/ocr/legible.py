"""What is legible: whether the letters of lines were large enough to be found and read surely."""

from __future__ import annotations

from collections.abc import Sequence

from spoolfarm.tasks.ocr.growth import ENDS
from spoolfarm.tasks.ocr.letters import mostly_square
from spoolfarm.tasks.ocr.page import Line

#: Pixels of a letter's height, as it is looked at, below which it is hardly seen, and what it gets in a nearer look.
LEAST, WANTED = 7.0, 11.0
#: The part of the lines that must be hardly seen.
PART = 0.2
#: The width of a letter by its height, in the mean.
WIDTH, SQUARE = 0.52, 1.0
#: Fewer letters, or a reading less sure, say nothing; in a box so many times as long as high, that there were more.
FEW, GUESS, LONG = 4, 0.5, 4.0
#: Where a picture is shrunk below this scale, letters may be there of which nothing is found.
FAINT = 0.26
#: What is said: where letters are so small because the picture was shrunk, and where they are so in the picture.
SHRUNK = "some letters are too small to be read surely at this side; raise it, or leave it out"
LOW = "some letters are too small to be read surely; send a larger picture"


def nearer(lines: Sequence[Line], scale: float) -> float | None:
    """The scale at which *lines*, found at *scale*, would be seen; None when they are."""
    told = [size for line in lines if (size := _height(line)) is not None]
    found = [size for size in told if size] or told  # what is not read tells of nothing beside what is
    low = sorted(size * scale for size in found if size * scale < LEAST)
    if len(low) <= PART * len(found):
        return None
    return scale * WANTED / max(low[len(low) // 2], LEAST / 2)


def warnings(lines: Sequence[Line], scale: float) -> tuple[str, ...]:
    """What to say of *lines* that were found at *scale*."""
    own = min(scale, 1.0)  # a letter is read no better where its picture was enlarged
    if nearer(lines, own) is None and (lines or own >= FAINT):
        return ()
    return (SHRUNK if own < 1 else LOW,)


def surety(lines: Sequence[Line]) -> float:
    """How sure a letter of *lines* is in the mean, 0 to 1."""
    return sum(len(line.text) * line.score for line in lines) / max(sum(len(line.text) for line in lines), 1)


def _height(line: Line) -> float | None:
    """About how high the letters are, by their number; 0 when there are more than were read, None when nobody knows."""
    if len(line.text) < FEW or line.score < GUESS:
        return 0.0 if line.box.w > LONG * line.box.h else None
    length = line.box.w - 2 * ENDS * line.box.h
    return max(length, 0.0) / (len(line.text) * (SQUARE if mostly_square(line.text) else WIDTH))
