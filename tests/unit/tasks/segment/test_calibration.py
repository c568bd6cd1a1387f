"""Calibration: scores against the surest of their picture, pieces of objects, and the least score looked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spoolfarm.tasks.segment.calibration import DEFAULT, LEAST, PIECE
from spoolfarm.tasks.segment.engines import engine
from spoolfarm.tasks.segment.instance import Wanted
from spoolfarm.tasks.segment.two_views import Detected
from tests.support.drawn_scenes import Picture
from tests.unit.tasks.segment.test_tiles import crowd

Box = tuple[float, float, float, float]

#: A picture of one colour, which tells no objects apart.
EVEN = np.full((50, 320, 3), 128, np.uint8)


def seen(*found: tuple[float, Box], labels: list[int] | None = None, sure: float = 0.9) -> Detected:
    """Detections of these scores whose masks fill these boxes, and are so *sure* of it."""
    scores, boxes = zip(*found, strict=True)
    masks = torch.full((len(scores), 1, 56, 56), sure)
    named = torch.tensor(labels or [1] * len(scores))
    return {"scores": torch.tensor(scores), "boxes": torch.tensor(boxes), "masks": masks, "labels": named}


def apart(*scores: float, sure: float = 0.9) -> Detected:
    return seen(
        *((score, (50.0 * place, 0.0, 50.0 * place + 40, 40.0)) for place, score in enumerate(scores)), sure=sure
    )


def told(found: Detected, picture: Picture = EVEN) -> list[float]:
    values: list[float] = DEFAULT.applied(found, picture)["scores"].tolist()
    return values


def test_what_is_as_sure_as_the_rest_counts_and_the_same_beside_much_surer_ones_does_not() -> None:
    assert min(told(apart(0.45, 0.45, 0.45, 0.45))) > 0.5
    assert told(apart(0.45, 0.99, 0.99, 0.99))[-1] < 0.5


def test_without_pieces_the_order_of_the_scores_stays_and_the_surest_come_first() -> None:
    found = DEFAULT.applied(apart(0.2, 0.9, 0.4, 0.6, 0.05, 0.97), EVEN)
    assert found["boxes"][:, 0].tolist() == [250.0, 50.0, 150.0, 100.0, 0.0, 200.0]
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)


def test_where_nothing_is_sure_nothing_is_made_sure() -> None:
    lone, beside = told(apart(0.25)), told(apart(0.25, LEAST))
    assert lone[0] == pytest.approx(beside[1])
    assert lone[0] < 0.5


def test_a_piece_of_a_surer_object_is_worth_less_than_the_same_beside_it() -> None:
    whole, within, beside = (0.0, 0.0, 40.0, 40.0), (10.0, 10.0, 25.0, 25.0), (60.0, 10.0, 75.0, 25.0)
    assert told(seen((0.9, whole), (0.6, within)))[1] == pytest.approx(
        told(seen((0.9, whole), (0.6 * PIECE, beside)))[1]
    )
    assert told(seen((0.6, whole), (0.9, within))) == pytest.approx(told(seen((0.6, beside), (0.9, within)))), (
        "the surer one of both is no piece, nor is what holds it"
    )
    of_another = seen((0.9, whole), (0.6, within), labels=[1, 2])
    assert told(of_another) == pytest.approx(told(seen((0.9, whole), (0.6, beside))))


def test_a_vague_mask_counts_for_less() -> None:
    box = (0.0, 0.0, 40.0, 40.0)
    sure, vague = (told(seen((0.6, box), sure=each))[0] for each in (0.95, 0.75))
    assert vague < told(seen((0.6, box)))[0] < sure


def test_what_has_another_colour_than_the_sure_ones_counts_for_less_and_alone_it_does_not() -> None:
    picture = EVEN.copy()
    picture[:40, 250:290] = (30, 40, 200)
    scores = (0.9, 0.92, 0.94, 0.9, 0.92, 0.6)
    alike, unlike = told(apart(*scores)), told(apart(*scores), picture)
    assert unlike[-1] < alike[-1] - 0.2
    assert unlike[:5] == pytest.approx(alike[:5], abs=0.05)
    other = seen((0.6, (250.0, 0.0, 290.0, 40.0)))
    assert told(other, picture) == pytest.approx(told(other))


def test_where_the_sure_ones_are_of_many_colours_one_more_is_as_good() -> None:
    picture = EVEN.copy()
    hues = [(40, 60, 200), (200, 60, 40), (60, 190, 60), (40, 200, 220), (220, 220, 220), (30, 30, 30)]
    for place, hue in enumerate(hues):
        picture[:40, 50 * place : 50 * place + 40] = hue
    scores = (0.9, 0.92, 0.94, 0.9, 0.92, 0.6)
    assert told(apart(*scores), picture)[-1] > told(apart(*scores))[-1] - 0.2


def test_nothing_is_calibrated_to_nothing() -> None:
    empty = {name: values[:0] for name, values in apart(0.5).items()}
    assert told(empty) == []


@pytest.mark.parametrize("score", [0.05, 0.3, 0.5, 0.8])
def test_the_floor_is_the_least_score_that_becomes_what_is_asked_for(score: float) -> None:
    floor = DEFAULT.floor(score)
    assert told(apart(floor - 1e-3, sure=1.0))[0] < score < told(apart(floor + 1e-3, sure=1.0))[0]


@pytest.mark.usefixtures("one_thread")
def test_a_threshold_leaves_out_what_scores_less_and_changes_no_other_score() -> None:
    picture, _ = crowd(8, 6)
    blurred = np.ascontiguousarray(picture // 3 + 90)
    eyes = engine("default")

    def scores(least: float) -> list[float]:
        return [each.score for each in eyes.find([blurred], [Wanted(least, 1000)])[0].instances]

    every = scores(0.02)
    for least in (0.5, 0.8):
        assert scores(least) == pytest.approx([each for each in every if each > least], abs=1e-5)
    assert len(every) > len(scores(0.5)) > 40
