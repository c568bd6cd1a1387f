"""ONNX models of the RF-DETR-Seg kind behind segment: tiny ones whose answers are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spoolfarm.config import load
from spoolfarm.errors import FarmError, InvalidParams
from spoolfarm.tasks.registry import Registry
from spoolfarm.tasks.segment import engines
from spoolfarm.tasks.segment.detr import Detr
from spoolfarm.tasks.segment.instance import Instance, Wanted
from spoolfarm.tasks.segment.measure import Measure
from spoolfarm.tasks.segment.task import Segment
from tests.support.drawn_scenes import Mask, Picture, overlap, png
from tests.support.onnx_file import bright_halves
from tests.support.running_farm import ROOT
from tests.unit.tasks.segment.test_segment import run, task

#: Height and width of the pictures, and the bright things in them: left, top, right, bottom.
SIZE = 240, 400
LEFT, RIGHT = (50, 60, 150, 180), (250, 30, 350, 90)


def picture(*boxes: tuple[int, int, int, int]) -> Picture:
    found = np.zeros((*SIZE, 3), np.uint8)
    for x0, y0, x1, y1 in boxes:
        found[y0:y1, x0:x1] = 255
    return found


def whole(instance: Instance, size: tuple[int, int] = SIZE) -> Mask:
    full = np.zeros(size, bool)
    rows, columns = instance.mask.shape
    full[instance.top : instance.top + rows, instance.left : instance.left + columns] = instance.mask > 0
    return full


def find(engine: Detr, seen: Picture, **wanted: Any) -> list[Instance]:
    return list(engine.find([seen], [Wanted(**wanted)])[0].instances)


@pytest.mark.parametrize("probabilities", [False, True])
def test_what_a_model_finds_becomes_objects(tmp_path: Path, probabilities: bool) -> None:
    engine = Detr(bright_halves(tmp_path / "halves.onnx", (0, 2), 4, probabilities=probabilities))
    assert (engine.name, engine.model) == ("onnx", "halves.onnx")
    assert engine.labels == {1: "class 1", 2: "class 2", 3: "class 3"}  # the last slot is the ground
    seen = picture(LEFT, RIGHT)
    found = find(engine, seen)
    assert [(each.category, round(each.score, 3)) for each in found] == [(1, 0.953), (3, 0.622)]
    assert found[0].box == pytest.approx((0, 0, 200, 240))
    for each, box in zip(found, (LEFT, RIGHT), strict=True):
        assert overlap(whole(each), picture(box)[..., 0] > 0) > 0.75  # cells of 50 x 30 pixels
    assert [each.category for each in find(engine, seen, score=0.7)] == [1]
    assert [each.category for each in find(engine, seen, most=1)] == [1]
    assert [each.category for each in find(engine, seen, categories=frozenset([3]))] == [3]
    assert find(engine, seen, categories=frozenset([2])) == []
    assert [each.category for each in find(engine, picture(RIGHT))] == [3]  # a mask without pixels is no object


def test_a_mask_is_enlarged_as_a_whole_one_would_be(tmp_path: Path) -> None:
    engine = Detr(bright_halves(tmp_path / "halves.onnx", (0, 0), 1))
    rng = np.random.default_rng(1)
    for height, width in ((64, 64), (97, 211), (300, 40), (33, 31)):
        coarse = rng.integers(0, 256, (8, 8), np.uint8)
        seen = cv2.resize(cv2.merge([coarse] * 3), (width, height), interpolation=cv2.INTER_CUBIC)
        fed = engine._prepared(seen)
        masks = engine._session.run(["masks"], {"input": fed})[0][0]
        full = [cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) > 0 for each in masks]
        found = [whole(each, (height, width)) for each in find(engine, seen)]
        assert [overlap(one, other) > 0.98 for one, other in zip(found, full, strict=True)] == [True, True]


def test_classes_are_named_by_a_text_beside_the_model_by_its_metadata_or_as_cocos(tmp_path: Path) -> None:
    path = bright_halves(tmp_path / "coco.onnx", (1, 18), 91)
    assert len(Detr(path).labels) == 80
    assert [Detr(path).labels[each.category] for each in find(Detr(path), picture(LEFT, RIGHT))] == ["person", "dog"]
    for said in ('["nut", "bolt"]', "{0: 'nut', 1: 'bolt'}"):
        assert Detr(bright_halves(path, (0, 1), 3, metadata={"names": said})).labels == {1: "nut", 2: "bolt"}
    path.with_suffix(".txt").write_text("screw\n\nwasher\n")
    assert Detr(path).labels == {1: "screw", 3: "washer"}
    only = bright_halves(tmp_path / "one.onnx", (0, 0), 2)
    assert Detr(only).labels == {1: "object"}


def test_a_model_serves_the_tasks(tmp_path: Path) -> None:
    path = bright_halves(tmp_path / "halves.onnx", (0, 1), 3, metadata={"names": "['nut', 'bolt']"})
    made = task(Segment, str(path))
    [found] = run(made, png(picture(LEFT, RIGHT)))
    assert [each["label"] for each in found["masks"]] == ["nut", "bolt"]
    assert (found["engine"], found["model"]) == ("onnx", "halves.onnx")
    [refused] = run(made, png(picture(LEFT)), classes=["screw"])
    assert isinstance(refused, InvalidParams)
    [measured] = run(task(Measure, str(path)), png(picture(LEFT, RIGHT)), classes=["bolt"])
    assert measured["count"] == 1
    assert measured["objects"][0]["area_px"] == pytest.approx(100 * 60, rel=0.3)


def test_it_needs_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bright_halves(tmp_path / "halves.onnx", (0, 1), 3)
    told = (
        "import sys; from spoolfarm.tasks.segment.engines import engine, prepare; "
        f"prepare({str(path)!r}); assert 'onnxruntime' not in sys.modules; "  # it starts threads
        f"engine({str(path)!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", told], cwd=ROOT, check=True)
    settings = load({"FARM_SEGMENT_MODEL": str(path)}).by_name()
    monkeypatch.setattr("spoolfarm.tasks.extras.there", lambda name: "torch" not in name)
    assert {"measure", "orient", "segment"} <= set(Registry(settings=settings).names())


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"outputs": ("boxes", "labels", "masks")}, "gives boxes, labels, masks, not dets, labels, masks"),
        ({"given": (1, 3, "high", "wide")}, "not \\(1, 3, height, width\\) with a fixed height and width"),
        ({"metadata": {"names": "['a', 'b', 'c', 'd']"}}, "has 3 classes, and 4 are named"),
    ],
)
def test_other_models_are_refused_in_a_line(tmp_path: Path, made: dict[str, Any], said: str) -> None:
    path = bright_halves(tmp_path / "other.onnx", (0, 1), 3, **made)
    with pytest.raises(FarmError, match=f"FARM_SEGMENT_MODEL={path} .*{said}"):
        engines.engine(str(path))


def test_what_is_no_model_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model at all")
    with pytest.raises(FarmError, match=r"no\.onnx is no model that onnxruntime opens: [^\n]+$"):
        engines.engine(str(tmp_path / "no.onnx"))
