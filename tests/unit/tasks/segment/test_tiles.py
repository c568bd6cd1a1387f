"""Crowds: tiles and their seams, what is told of them, and who looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.segment import engines, maskrcnn, tiles
from spoolfarm.tasks.segment.instance import Wanted
from spoolfarm.tasks.segment.seams import joined
from spoolfarm.tasks.segment.task import Segment
from spoolfarm.tasks.segment.tiles import Grid, Window, planned
from tests.support.drawn_scenes import Picture, png
from tests.support.onnx_file import bright_halves
from tests.unit.tasks.segment.test_segment import run, task

pytestmark = pytest.mark.usefixtures("one_thread")

#: A crowd's columns and rows, and pixels from one object to the next.
COLUMNS, ROWS, STEP = 21, 15, 50


def crowd(columns: int = COLUMNS, rows: int = ROWS, step: int = STEP) -> tuple[Picture, list[tuple[int, int]]]:
    """Dark discs in columns and rows on light ground, not quite in line, and their middles."""
    rng = np.random.default_rng(3)
    picture = np.full((rows * step, columns * step, 3), 215.0)
    middles = []
    for row in range(rows):
        for column in range(columns):
            x, y = ((place + 0.5) * step + rng.uniform(-0.12, 0.12) * step for place in (column, row))
            middles.append((round(x), round(y)))
            radius = round(step * rng.uniform(0.26, 0.34))
            cv2.circle(picture, middles[-1], radius, rng.uniform(40, 110, 3).tolist(), cv2.FILLED, cv2.LINE_AA)
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8), middles


def hits(told: list[dict[str, Any]], middles: list[tuple[int, int]], near: float = STEP / 6) -> np.ndarray[Any, Any]:
    """How many of what was found lie at each of the *middles*."""
    found = np.array([each["centroid"] for each in told]).reshape(-1, 1, 2)
    return (np.linalg.norm(found - np.array(middles), axis=2) < near).sum(axis=0)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the net in the package finds in a crowd, in tiles as it needs them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(maskrcnn, "SECONDS", 600.0)  # a busy machine shall not make it another answer
        [told] = run(task(Segment, "default"), png(crowd()[0]), engine="net")
    return told


def test_a_crowd_is_found_whole_and_nothing_in_it_twice(found: dict[str, Any]) -> None:
    at = hits(found["masks"], crowd()[1])
    assert (at >= 1).mean() > 0.98
    assert (at <= 1).all()
    assert abs(found["count"] - COLUMNS * ROWS) < 0.03 * COLUMNS * ROWS


def test_an_answer_says_its_tiles(found: dict[str, Any]) -> None:
    told = found["tiles"]
    assert told["columns"] * told["rows"] == told["looked"] >= 1
    assert told["scale"] > 1.4 * 448 / (COLUMNS * STEP)
    assert "tiles" in found["timing_ms"]


def test_no_tile_begins_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maskrcnn, "SECONDS", -1.0)
    picture, middles = crowd(8, 6, 50)
    [told] = run(task(Segment, "default"), png(picture), engine="net", tiles=2)
    assert told["tiles"]["looked"] == 0
    assert told["tiles"]["columns"] == 2
    assert (hits(told["masks"], middles, 12) == 1).mean() > 0.9


@pytest.mark.parametrize("wrong", [0, 9, -1, 2.5, "many", True, None])
def test_tiles_that_are_none_are_named(wrong: Any) -> None:
    with pytest.raises(InvalidParams, match=r"params\.tiles"):
        Segment().validate({"tiles": wrong})


@pytest.mark.parametrize("right", ["auto", "off", 1, 8])
def test_tiles_are_a_number_or_a_word(right: Any) -> None:
    assert Segment().validate({"tiles": right})["tiles"] == right


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidParams, match=r"params\.engine"):
        Segment().validate({"engine": "best"})
    [refused] = run(task(Segment), png(crowd(4, 3)[0]), engine="net")
    assert isinstance(refused, InvalidParams)
    assert "params.engine" in str(refused)


def test_the_classical_engine_can_be_asked_alone() -> None:
    picture, middles = crowd(8, 6)
    [told] = run(task(Segment, "default"), png(picture), engine="classical")
    assert told["engine"] == "classical"
    assert told["model"] == "classical"
    assert (hits(told["masks"], middles) == 1).all()


def test_tiles_are_refused_by_name_where_pictures_are_looked_at_as_a_whole(tmp_path: Path) -> None:
    seen = png(crowd(4, 3)[0])
    onnx = bright_halves(tmp_path / "halves.onnx", (0, 2), 4)
    for segment, who, wishes in [
        (task(Segment, str(onnx)), "the model halves.onnx", {}),
        (task(Segment), "the model classical", {}),
        (task(Segment, "default"), "the classical engine", {"engine": "classical"}),
    ]:
        [refused] = run(segment, seen, tiles=2, **wishes)
        assert isinstance(refused, InvalidParams)
        assert str(refused) == f"params.tiles: {who} looks at a picture as a whole; leave it out"
        [told] = run(segment, seen, tiles=1, **wishes)
        assert told["tiles"]["looked"] == 1


@pytest.mark.parametrize("size", [(3000, 4000), (640, 480), (200, 9000), (1, 1)])
@pytest.mark.parametrize("asked", ["auto", 1, 2, 5, 8])
def test_tiles_cover_the_picture_and_are_bounded(size: tuple[int, int], asked: Any) -> None:
    grid = planned(size, 448 / max(size), [max(size) / 60] * 40, [0.6] * 40, asked)
    if grid is None:
        return
    covered = np.zeros(size, bool)
    windows = list(grid)
    for one in windows:
        assert min(one.left, one.top) >= 0
        assert min(one.width, one.height) >= 1
        covered[one.top : one.top + one.height, one.left : one.left + one.width] = True
    assert covered.all()
    assert len(windows) == grid.columns * grid.rows <= max(tiles.MOST, 64)
    if isinstance(asked, int):
        assert max(grid.columns, grid.rows) == asked


def closer(size: tuple[int, int], *found: tuple[float, float], asked: Any = "auto") -> Grid | None:
    """What is planned after a first look of 448 pixels that *found* objects of these sides and scores."""
    sides, scores = zip(*found, strict=True) if found else ((), ())
    return planned(size, 448 / max(size), sides, scores, asked)


def test_large_objects_and_pictures_shown_whole_need_no_tiles() -> None:
    assert closer((300, 400), *[(120.0, 0.9)] * 9) is None
    assert closer((256, 256), *[(9.0, 0.9)] * 50) is None
    assert closer((300, 400)) is None
    assert closer((3000, 4000), *[(60.0, 0.9)] * 500, asked="off") is None


def test_a_crowd_in_a_small_picture_is_enlarged_until_it_fills_a_tile() -> None:
    grid = closer((640, 512), *[(15.0, 0.9)] * 50)
    assert grid is not None
    assert (grid.columns, grid.rows, grid.scale) == (1, 1, pytest.approx(1.6))
    grid = closer((300, 400), *[(9.0, 0.9)] * 50)
    assert grid is not None
    assert grid.scale == pytest.approx(1.75)


@pytest.mark.parametrize("size", [(512, 512), (1713, 2048), (3000, 4000), (741, 1000)])
def test_a_few_small_objects_are_looked_at_closer_in_one_tile_and_hardly_enlarged(size: tuple[int, int]) -> None:
    side = max(size) / 40
    grid = closer(size, (side, 0.9), (side, 0.6), (3 * side, 0.4))
    assert grid is not None
    assert grid.columns == grid.rows == 1
    assert grid.scale == pytest.approx(min(1024 / max(size), 1.2))
    assert closer(size, (max(size) / 10, 0.9), (side, 0.4)) is None, "what is sure is large enough"


def test_a_crowd_is_many_sure_objects_or_very_many_hints() -> None:
    assert tiles.crowd([9.0] * 7 + [5.0] * 20, [0.6] * 7 + [0.4] * 20) == []
    assert tiles.crowd([9.0] * 8 + [5.0] * 29, [0.6] * 8 + [0.4] * 29) == [9.0] * 8
    assert tiles.crowd([5.0] * 30, [0.4] * 30) == [5.0] * 30
    assert tiles.crowd([5.0] * 300, [0.1] * 300) == []


def test_faint_hints_are_a_crowd_where_next_to_nothing_is_sure() -> None:
    assert tiles.faint([5.0] * 20, [0.2] * 20) == [5.0] * 20
    assert tiles.faint([5.0] * 19, [0.2] * 19) == []
    assert tiles.faint([9.0] * 3 + [5.0] * 20, [0.6] * 3 + [0.2] * 20) == [], "beside objects it may be their ground"
    assert tiles.faint([9.0] * 3 + [5.0] * 21, [0.6] * 3 + [0.2] * 21) == [9.0] * 3 + [5.0] * 21
    assert tiles.faint([90.0] + [5.0] * 99, [0.6] + [0.2] * 99) == [], "and on a large one its texture"
    grid = closer((1713, 2048), *[(30.0, 0.2)] * 20)
    assert grid is not None
    assert (grid.columns, grid.rows) == (1, 1)


def test_a_large_picture_in_which_nothing_is_sure_is_looked_at_closer() -> None:
    near = tiles.unseen((3000, 4000), 0.112, [0.4, 0.2])
    assert near is not None
    assert (near.columns, near.rows, near.scale) == (1, 1, pytest.approx(0.252))
    assert tiles.unseen((3000, 4000), 0.112, [0.6, 0.2]) is None
    assert tiles.unseen((600, 800), 0.56, []) is None


def seen(*boxes: tuple[float, float, float, float], score: float = 0.9) -> dict[str, torch.Tensor]:
    """Full masks in *boxes*, each a little less sure than the one before."""
    count = len(boxes)
    scores = score - 0.01 * torch.arange(count)
    masks = torch.ones(count, 1, 28, 28)
    return {"boxes": torch.tensor(boxes), "labels": torch.ones(count).long(), "scores": scores, "masks": masks}


def test_what_a_seam_cuts_is_taken_from_the_neighbour_and_what_both_see_once() -> None:
    grid = Grid(2, 1, 1.0, 40.0, 100, 200)
    left, right = Window(0, 0, 120, 100), Window(80, 0, 120, 100)
    whole = (95.0, 20.0, 135.0, 60.0)
    parts_ = [
        (left, seen((10.0, 10, 30, 30), (95.0, 20, 120, 60), (85.0, 70, 105, 90))),
        (right, seen(whole, (86.0, 70, 105, 90), score=0.8)),
    ]
    first = seen((0.0, 0, 190, 99), (12.0, 11, 29, 31), score=0.7)
    told = joined(first, parts_, grid)["boxes"].tolist()
    assert sorted(told) == [[0, 0, 190, 99], [10, 10, 30, 30], [85, 70, 105, 90], [95, 20, 135, 60]]


def test_where_no_tile_was_looked_at_the_first_look_stays() -> None:
    grid = Grid(2, 1, 1.0, 40.0, 100, 200)
    first = seen((10.0, 10, 30, 30), (150.0, 10, 170, 30))
    told = joined(first, [(Window(0, 0, 120, 100), seen((50.0, 50, 60, 60)))], grid)
    assert sorted(told["boxes"][:, 0].tolist()) == [50.0, 150.0]


def test_a_score_threshold_chooses_among_what_is_found() -> None:
    engine = engines.engine("default")
    picture = crowd(6, 5)[0]
    every = [each.score for each in engine.find([picture], [Wanted(0.1)])[0].instances]
    limit = sorted(every)[len(every) // 2]
    chosen = [each.score for each in engine.find([picture], [Wanted(limit)])[0].instances]
    assert chosen == pytest.approx([each for each in every if each > limit], abs=1e-6)


def test_a_picture_that_is_seen_whole_says_so() -> None:
    found = engines.engine("default").find([crowd(6, 5)[0]], [Wanted()])[0]
    assert (found.looked.columns, found.looked.rows, found.looked.looked) == (1, 1, 1)
