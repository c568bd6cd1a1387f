"""Mixtures: samples from several sources, each as often as its weight says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spoolfarm.errors import FarmError
from spoolfarm.training.samples import Sample, Source


class Mixture:
    """Several *sources* learned from together, the weight of each beside it.

    All must have the same categories, or one each: a single one always fits. Raises FarmError where they have not.
    """

    def __init__(self, sources: Sequence[tuple[Source, float]]) -> None:
        self._sources = [source for source, _ in sources]
        weights = np.array([weight for _, weight in sources], float)
        self._shares = weights / weights.sum()
        self.names = self._sources[0].names
        for each in self._sources[1:]:
            if not fitting(self.names, each.names):
                one, other = (", ".join(names.values()) for names in (self.names, each.names))
                labels = f"{self._sources[0].label} and {each.label}"
                raise FarmError(f"{labels} cannot be learned together: {one} on one side, {other} on the other")
        self.label = " ".join(each.label for each in self._sources)

    @property
    def parts(self) -> Sequence[Source]:
        """The sources one by one."""
        return self._sources

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        """Sample *number* of *seed*, of the source whose turn it is."""
        turn = np.random.default_rng((seed, number)).choice(len(self._sources), p=self._shares)
        return self._sources[int(turn)].sample(seed, number, height, width)

    def held_out(self, count: int, stream: int = 0) -> Iterator[Sample]:
        """Up to *count* of each source."""
        for each in self._sources:
            yield from each.held_out(count, stream)

    def record(self) -> list[dict[str, Any]]:
        """What each source is, with its part of the samples."""
        told = [entry for each in self._sources for entry in each.record()]
        return [{**entry, "share": round(float(share), 3)} for entry, share in zip(told, self._shares, strict=True)]


def fitting(known: dict[int, str], told: dict[int, str]) -> bool:
    """Whether the same categories are told apart; a single one always fits."""
    one, other = list(known.values()), list(told.values())
    return len(one) == len(other) and (len(one) == 1 or one == other)
