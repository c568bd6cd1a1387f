"""The letters: what their script tells about them."""

from __future__ import annotations


def is_square(letter: str) -> bool:
    """Whether *letter* is as wide as high: Chinese, Japanese and full-width signs. A line may end after any of them."""
    return letter >= "\u2e80"


def mostly_square(text: str) -> bool:
    """Whether most of *text* is Chinese or Japanese."""
    return 2 * sum(map(is_square, text)) > len(text)
