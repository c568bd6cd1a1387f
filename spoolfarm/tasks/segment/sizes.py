"""Sizes: the named classes that a caller sorts objects into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: What an object that is in none of them is counted as.
OTHER = "other"

#: Of each name the limits: from the first, or 0, to below the second, or without an end.
Sizes = Mapping[str, Sequence[float | None]]


def class_of(value: float, sizes: Sizes) -> str:
    """The class that *value* is in."""
    for name, (low, high) in sizes.items():
        if (low or 0) <= value and (high is None or value < high):
            return name
    return OTHER
