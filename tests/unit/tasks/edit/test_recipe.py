"""Recipes: the order of operations, the names of what they make, and limits that hold before anything runs."""

from __future__ import annotations

import numpy as np
import pytest

from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.edit.formats import FORMATS
from spoolfarm.tasks.edit.operations import Size, size_of
from spoolfarm.tasks.edit.recipe import MAX_OPERATIONS, Recipe, names
from tests.unit.tasks.edit.test_operations import noise

PIXELS = 50_000_000
SPLITS = ["splitQuadrants=True", "resize=2", "splitQuadrants=True", "resize=2"]


def outputs(operations: list[str], size: Size, suffix: str = "png", max_pixels: int = PIXELS) -> list[Size]:
    """The sizes that *operations* come to."""
    return Recipe.parse(operations).outputs(size, FORMATS[suffix], max_pixels)


def test_operations_run_from_left_to_right() -> None:
    picture = noise(40, 30)
    [result] = Recipe.parse(["crop=0,0,10,10", "resize=2", "crop=10,10,4,4"]).run(picture)
    [other] = Recipe.parse(["resize=2", "crop=0,0,10,10", "crop=10,10,4,4"]).run(picture)
    assert (size_of(result), size_of(other)) == ((4, 4), (10, 10))


def test_two_splits_and_two_doublings_give_16_pictures_of_the_size_of_the_original() -> None:
    assert outputs(SPLITS, (400, 300)) == [(400, 300)] * 16
    assert [size_of(made) for made in Recipe.parse(SPLITS).run(noise(40, 30))] == [(40, 30)] * 16


def test_splits_nest_in_reading_order() -> None:
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
    order = [int(made[0, 0]) for made in Recipe.parse(["split=1", "split=1"]).run(picture)]
    assert order == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


def test_what_is_skipped_is_no_step() -> None:
    recipe = Recipe.parse(["resize=0.01", "split=None", "blur=-3", "resize=500", "quality=500"])
    assert recipe == Recipe(())


def test_the_last_quality_counts_wherever_it_stands() -> None:
    assert Recipe.parse(["quality=10", "resize=2", "quality=20", "quality=0"]).quality == 20
    assert Recipe.parse([]).quality == 95


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("string", "no operation is called 'string'"),
        ("", "no operation is called ''"),
        ("Resize=2", "no operation is called 'Resize'"),
        ("resize", "write resize=s"),
        ("split", "write split=v"),
        ("resize=x", "resize takes a number, not 'x'"),
        ("flip=d", "flip takes h or v, not 'd'"),
    ],
)
def test_what_is_unknown_or_malformed_is_named_with_its_place(text: str, word: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        Recipe.parse(["resize=1", text])
    assert str(raised.value).startswith(f"operations[1]: {word}")


def test_blanks_around_name_and_value_do_no_harm() -> None:
    assert Recipe.parse([" resize = 2 "]) == Recipe.parse(["resize=2"])


@pytest.mark.parametrize(
    ("operations", "size", "suffix", "word"),
    [
        (["split=1"] * 5, (400, 400), "png", "more than 256 pictures"),
        (["split=1"] * 100, (16384, 3000), "png", "more than 256 pictures"),
        (["resize=100"], (400, 300), "png", "40000 x 30000 pixels"),
        (["resize=100", "resize=0.06"], (400, 300), "png", "40000 x 30000 pixels"),
        (["resize=2"], (9000, 1), "png", "18000 x 2 pixels"),
        (["rotate=45"], (16000, 3000), "png", "pixels, over the limit"),
        (["split=1", "resize=3.9"], (6000, 6000), "png", "pixels, over the limit"),
        (["split=1", "split=1", "resize=2.5"], (6600, 6600), "png", "come out of one picture"),
        (["resize=1"], (16384, 10), "webp", "a webp has at most 16383"),
        (["denoise=10"] * 2, (6000, 4000), "png", "operations: 48000000 pixels are put through denoise; 25000000 may"),
        (["split=1", "denoise=10", "denoise=10"], (6000, 4000), "png", "put through denoise"),
        (["blur=31"] * 100, (6000, 4000), "png", "operations: 2400000000 pixels are made on the way"),
        (["resize=2", "resize=0.5"] * 12, (3000, 3000), "png", "made on the way"),
        (["resize=1"] * (MAX_OPERATIONS + 1), (4, 4), "png", "at most 100"),
    ],
)
def test_what_comes_to_too_much_is_refused_before_it_runs(
    operations: list[str], size: Size, suffix: str, word: str
) -> None:
    with pytest.raises(InvalidParams, match=word):
        outputs(operations, size, suffix)


def test_an_ordinary_photograph_may_be_split_and_doubled_twice() -> None:
    assert len(outputs(SPLITS, (4000, 3000))) == 16


@pytest.mark.parametrize("operations", [["blur=100001"], ["denoise=10"], ["blur=31"] * 20, ["flip=h"] * 20])
def test_what_the_picture_bounds_is_taken(operations: list[str]) -> None:
    assert outputs(operations, (6000, 4000)) == [(6000, 4000)]


def test_one_output_keeps_its_name_and_several_are_numbered_before_the_suffix() -> None:
    assert names("a/b.c.jpg", 1) == ["a/b.c.jpg"]
    assert names("a/b.c.jpg", 3) == ["a/b.c_1.jpg", "a/b.c_2.jpg", "a/b.c_3.jpg"]
