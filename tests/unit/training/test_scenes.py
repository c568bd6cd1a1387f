"""Drawn scenes: what they promise to those who learn from them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spoolfarm.training.scenes import Scene, scene
from spoolfarm.training.scenes.compose import LEAST, SEEN, seen
from spoolfarm.training.scenes.grounds import GROUNDS, plain
from spoolfarm.training.scenes.noise import Array
from spoolfarm.training.scenes.shapes import CANVAS, SHAPES, Shape, cup, draw, ellipse, gear, key, nut, ring


@pytest.fixture(scope="module")
def many() -> list[Scene]:
    """Scenes as training sees them."""
    return [scene(5, number, 128, 160) for number in range(150)]


def holes(cover: Array) -> int:
    """How many holes an outline has."""
    padded = cv2.copyMakeBorder((cover > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return int(cv2.connectedComponents(1 - padded, connectivity=4)[0]) - 2


def test_the_same_seed_and_number_give_the_same_scene_and_others_do_not() -> None:
    first, again, other, elsewhere = scene(1, 7), scene(1, 7), scene(1, 8), scene(2, 7)
    assert (first.picture == again.picture).all()
    assert (first.owners == again.owners).all()
    assert (first.picture != other.picture).any()
    assert (first.picture != elsewhere.picture).any()


def test_a_scene_is_a_picture_and_the_owner_of_each_pixel(many: list[Scene]) -> None:
    for one in many:
        assert one.picture.shape == (128, 160, 3)
        assert one.owners.shape == (128, 160)
        assert one.picture.dtype == one.owners.dtype == np.uint8
        masks = one.masks()
        assert len(masks) == one.owners.max()
        assert (masks.sum(axis=0) == (one.owners > 0)).all()


def test_every_object_can_be_seen(many: list[Scene]) -> None:
    for one in many:
        assert all(np.count_nonzero(mask) >= LEAST for mask in one.masks())


def test_scenes_are_empty_full_and_all_between(many: list[Scene]) -> None:
    counts = [int(one.owners.max()) for one in many]
    assert counts.count(0) >= 1
    assert counts.count(1) >= 10
    assert max(counts) >= 25
    assert len(set(counts)) >= 15


def test_objects_are_small_and_large_and_darker_and_brighter_than_their_ground(many: list[Scene]) -> None:
    sides, steps = [], []
    for one in many:
        grey = one.picture.mean(axis=2)
        for mask in one.masks():
            rows, columns = np.nonzero(mask)
            sides.append(max(np.ptp(rows), np.ptp(columns)) / 128)
            around = (cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0) & (one.owners == 0)
            if around.any():
                steps.append(grey[mask > 0].mean() - grey[around].mean())
    assert min(sides) < 0.06
    assert max(sides) > 0.7
    assert np.mean(np.array(steps) > 10) > 0.25
    assert np.mean(np.array(steps) < -10) > 0.25


def test_objects_differ_from_their_ground_by_hue_alone_too(many: list[Scene]) -> None:
    found = 0
    for one in many:
        for mask in one.masks():
            around = (cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0) & (one.owners == 0)
            if around.any():
                step = one.picture[mask > 0].mean(axis=0) - one.picture[around].mean(axis=0)
                found += bool(abs(step.mean()) < 8 and abs(step - step.mean()).mean() > 16)
    assert found >= 20


def test_hardly_anything_is_washed_out(many: list[Scene]) -> None:
    white = [np.mean(one.picture.min(axis=2) == 255) for one in many]
    assert np.mean(np.array(white) > 0.05) < 0.05


def test_an_object_of_its_grounds_colour_is_not_laid() -> None:
    inside = np.ones((20, 20), bool)
    inside[:3] = inside[-3:] = inside[:, :3] = inside[:, -3:] = False
    step = np.zeros((20, 20, 3), np.float32)
    assert not seen(inside, step)
    assert not seen(inside, step + SEEN - 1)
    assert seen(inside, step - SEEN - 1)
    step[:, :8] = 100
    assert not seen(inside, step), "less than half of its edge is seen"
    step[:, :13] = 100
    assert seen(inside, step)


def test_objects_touch_and_cover_each_other_in_some_scenes(many: list[Scene]) -> None:
    def touching(owners: Array) -> bool:
        left, right = owners[:, :-1], owners[:, 1:]
        return bool(((left != right) & (left > 0) & (right > 0)).any())

    assert 10 < sum(touching(one.owners) for one in many) < 120


def test_some_scenes_are_grey_and_some_coloured(many: list[Scene]) -> None:
    grey = sum(bool((np.ptp(one.picture.astype(int), axis=2) <= 8).all()) for one in many)
    assert 30 < grey < 130


@pytest.mark.parametrize("ground", GROUNDS, ids=lambda ground: ground.__name__)
def test_every_ground_has_mean_0_and_deviation_1(ground: object) -> None:
    for number in range(4):
        field = ground(np.random.default_rng(number), 90, 130)  # type: ignore[operator]
        assert field.shape == (90, 130)
        assert field.dtype == np.float32
        assert abs(field.mean()) < 1e-3
        assert abs(field.std() - (0 if ground is plain else 1)) < 1e-3


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("size", [9, 60, CANVAS + 40])
def test_every_shape_is_one_piece_that_fills_its_box(shape: object, size: int) -> None:
    for number in range(6):
        cover = draw(shape(np.random.default_rng(number)), size, 40 * number)  # type: ignore[operator]
        assert max(cover.shape) == size
        assert cover.min() >= 0
        assert cover.max() <= 1
        inside = cover > 0.5
        assert inside.any()
        if size > 50:
            _, _, figures, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
            largest = figures[1:, cv2.CC_STAT_AREA].max()
            assert largest > 0.9 * np.count_nonzero(inside)
            assert inside.any(axis=1).mean() > 0.7  # a crescent's bite is out of its box
            assert inside.any(axis=0).mean() > 0.7  # a crescent's bite is out of its box


def test_rings_and_nuts_have_holes_and_discs_have_none() -> None:
    for number in range(5):
        assert holes(draw(ring(np.random.default_rng(number)), 120, 0)) == 1
        assert holes(draw(nut(np.random.default_rng(number)), 120, 0)) >= 1
        assert holes(draw(ellipse(np.random.default_rng(number)), 120, 0)) == 0
    for shape in (cup, gear, key):
        assert any(holes(draw(shape(np.random.default_rng(number)), 200, 0)) for number in range(8))


def test_a_shape_turns_with_the_clock() -> None:
    flat = Shape([np.array([[-1, -0.1], [1, -0.1], [1, 0.1], [-1, 0.1]])])
    assert draw(flat, 100, 0).shape == (10, 100)
    turned = draw(flat, 100, 30) > 0.5
    rows, columns = np.nonzero(turned)
    slope = np.polyfit(columns, rows, 1)[0]
    assert np.rad2deg(np.arctan(slope)) == pytest.approx(30, abs=2)
