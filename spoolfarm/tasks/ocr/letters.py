"""The letters: what their script tells about them."""

from __future__ import annotations

#: The most that a letter with its box is wide, in heights of the box: a Chinese one, and one of most others.
WIDE, NARROW = 2.0, 1.4


def is_square(letter: str) -> bool:
    """Whether *letter* is as wide as high: Chinese, Japanese and full-width signs. A line may end after any of them."""
    return letter >= "\u2e80"


def widest(letter: str) -> float:
    """The most that a letter with its box may be wide, in heights of the box."""
    return WIDE if is_square(letter) or letter in "mwMW%@" else NARROW


def mostly_square(text: str) -> bool:
    """Whether most of *text* is Chinese or Japanese."""
    return 2 * sum(map(is_square, text)) > len(text)


def runs_leftwards(text: str) -> bool:
    """Whether most of the letters of *text* are Hebrew, Arabic or of a script like them."""
    leftwards = sum("\u0590" <= letter <= "\u08ff" or "\ufb1d" <= letter <= "\ufefc" for letter in text)
    return 2 * leftwards > sum(map(str.isalpha, text))
