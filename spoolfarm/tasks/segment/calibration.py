"""Calibration: the scores in a picture, set against the surest of them so that what exceeds .5 counts best."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from spoolfarm.tasks.segment.instance import Pixels
from spoolfarm.tasks.segment.likeness import unlike
from spoolfarm.tasks.segment.pasting import INSIDE
from spoolfarm.tasks.segment.soft_nms import overlaps
from spoolfarm.tasks.segment.tiles import HINT
from spoolfarm.tasks.segment.two_views import Detected, sureness

#: A piece of an object lies by this part of itself in a larger and surer one, and its score is worth this much.
WITHIN, PIECE = 0.35, 0.7
#: One in how many of the scores over HINT is one of a picture's surest, and the least that these count for: where
#: nothing is sure, there may be no objects.
SUREST, LEAST = 4, 0.75
#: The probability nearest to 0 and to 1 whose odds are told.
NEAREST = 1e-6


@dataclass(frozen=True)
class Calibration:
    """A score's odds set against the picture's surest ones, less for a vague mask and for a colour unlike theirs.

    logit(calibrated) = slope * (logit(score) - share * logit(surest) + lift) - vague * (1 - sureness) - colour * unlike

    *surest* is a mean of the picture's own scores, *sureness* one of the mask's probabilities. Of objects of a kind
    that it has never seen a net is less sure, and so it is of what else it takes for one.
    """

    slope: float
    share: float
    lift: float
    vague: float
    colour: float

    def floor(self, score: float) -> float:
        """The least score that may become *score*."""
        return _chance(_odds(score) / self.slope + self.share * _odds(LEAST) - self.lift)

    def applied(self, seen: Detected, picture: Pixels) -> Detected:
        """What was *seen* in a *picture*, all of it that scored over HINT, with calibrated scores, the surest first."""
        scores = seen["scores"].where(~_pieces(seen), seen["scores"] * PIECE)
        likely = scores[scores > HINT].sort(descending=True).values
        surest = likely[: max(1, len(likely) // SUREST)].mean().item() if len(likely) else LEAST
        above = self.share * _odds(max(surest, LEAST)) - self.lift
        less = self.vague * (1 - sureness(seen["masks"])) + self.colour * unlike(picture, seen)
        worth = (self.slope * (scores.logit(NEAREST) - above) - less).sigmoid()
        order = worth.argsort(descending=True, stable=True)
        return {name: (worth if name == "scores" else values)[order] for name, values in seen.items()}


#: That of the net in the package, by the labelled pictures of docs/model.md.
DEFAULT = Calibration(slope=1.4, share=0.3, lift=1.95, vague=8.0, colour=0.6)


def _pieces(seen: Detected) -> Tensor:
    """Which (N,) are pieces of an object of their label."""
    scores, labels = seen["scores"], seen["labels"]
    surer = (scores[:, None] < scores) & (labels[:, None] == labels)
    common, areas = overlaps(seen["boxes"], seen["masks"][:, 0] > INSIDE, surer)
    return ((common > WITHIN * areas[:, None]) & (areas[:, None] < areas) & surer).any(1)


def _odds(chance: float) -> float:
    """The logarithm of the odds."""
    chance = min(max(chance, NEAREST), 1 - NEAREST)
    return math.log(chance / (1 - chance))


def _chance(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
