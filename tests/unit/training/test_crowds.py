"""Drawn crowds: what they promise to those who learn from them."""

from __future__ import annotations

import numpy as np
import pytest

from spoolfarm.training.samples import CROWDS, Drawn
from spoolfarm.training.scenes import Crowd, carriers, crowd, crowds
from spoolfarm.training.scenes.manners import MANNERS, clear, heaped


@pytest.fixture(scope="module")
def many() -> list[Crowd]:
    """Crowds as training sees them."""
    return [crowd(5, number, 160, 192) for number in range(60)]


def test_the_same_seed_and_number_give_the_same_crowd_and_others_do_not() -> None:
    first, again, other, elsewhere = crowd(1, 7, 96, 96), crowd(1, 7, 96, 96), crowd(1, 8, 96, 96), crowd(2, 7, 96, 96)
    assert (first.picture == again.picture).all()
    assert (first.masks == again.masks).all()
    assert (first.picture != other.picture).any()
    assert (first.picture != elsewhere.picture).any()


def test_a_crowd_is_a_picture_and_masks_that_do_not_lie_over_each_other(many: list[Crowd]) -> None:
    for one in many:
        assert one.picture.shape == (160, 192, 3)
        assert one.masks.shape[1:] == one.hidden.shape == (160, 192)
        assert one.picture.dtype == one.masks.dtype == one.hidden.dtype == np.uint8
        assert (one.masks.sum(axis=0) + one.hidden <= 1).all()
        assert all(np.count_nonzero(mask) >= crowds.LEAST for mask in one.masks)


def test_crowds_are_of_few_and_of_many_and_mostly_of_small_objects(many: list[Crowd]) -> None:
    counts = [len(one.masks) for one in many]
    sides = np.concatenate([np.sqrt(one.masks.sum(axis=(1, 2))) for one in many])
    assert max(counts) > 80
    assert max(counts) <= crowds.MOST
    assert sum(count < 12 for count in counts) >= 5
    assert np.median(sides) < 20
    assert sides.max() > 40


def test_dark_ground_with_bright_objects_and_the_reverse(many: list[Crowd]) -> None:
    steps = []
    for one in many:
        inside = one.masks.any(axis=0)
        if 0.02 < inside.mean() < 0.98:
            ground = one.picture[~inside].mean()
            steps.append((ground, one.picture[inside].mean() - ground))
    assert sum(ground < 60 and step > 15 for ground, step in steps) >= 5
    assert sum(ground > 120 and step < -15 for ground, step in steps) >= 5


def test_what_lies_in_a_heap_covers_the_picture_and_what_is_clear_lets_it_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowds, "MANNERS", (heaped,))
    heaps = [crowd(3, number, 160, 160) for number in range(6)]
    assert np.mean([one.masks.any(axis=0).mean() for one in heaps]) > 0.5
    rng = np.random.default_rng(1)
    assert all(clear(rng).opaque < 0.5 for _ in range(5))
    assert len({make.__name__ for make in MANNERS}) >= 10


def test_a_carrier_is_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    for draw in (carriers.board, carriers.tray):
        assert {draw(rng, 80, 120).shape for _ in range(8)} == {(80, 120, 3)}
    monkeypatch.setattr(crowds, "_places", lambda *_: np.zeros((0, 2)))
    bare = crowd(3, 1, 96, 96)
    assert len(bare.masks) == 0
    assert not bare.hidden.any()


def test_one_drawn_sample_in_three_is_a_crowd_and_what_is_hardly_in_sight_of_it_teaches_nothing() -> None:
    samples = [Drawn().sample(4, CROWDS * number + 2, 96, 96) for number in range(40)]
    assert all(sample.picture.shape == (96, 96, 3) for sample in samples)
    ignored = [sample.ignored for sample in samples if sample.ignored is not None and sample.ignored.any()]
    assert len(ignored) > 5
    assert all(each.shape == (96, 96) for each in ignored)
