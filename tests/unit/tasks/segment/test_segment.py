"""The tasks segment and orient, by the classical engine: what they tell, refuse and draw."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from pycocotools import mask as coco

from spoolfarm.errors import BrokenImage, InvalidParams, NoObject
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer
from spoolfarm.tasks.segment.orient import Orient
from spoolfarm.tasks.segment.task import Seeing, Segment
from tests.support.drawn_scenes import bar, between, ellipses, overlap, png
from tests.support.silent_context import Silence


def task(kind: type[Seeing], model: str = "classical") -> Seeing:
    made = kind()
    made.settings = {"FARM_SEGMENT_MODEL": model, "FARM_SEGMENT_PRECISION": "fp32"}
    made.setup()
    return made


def run(made: Seeing, *pictures: bytes, **params: Any) -> list[Any]:
    return made.run([Job("segment", made.validate(params), [picture]) for picture in pictures], Silence())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' own
def test_segment_tells_all_of_every_mask() -> None:
    picture, masks = ellipses(4)
    [found] = run(task(Segment), png(picture), polygon=True)
    assert found["status"] == "success"
    assert found["count"] == len(found["masks"]) == len(masks)
    assert found["image"] == {"width": 480, "height": 360}
    assert (found["engine"], found["model"]) == ("classical", "classical")
    assert found["timing_ms"].keys() == {"decode", "resize", "net", "masks"}
    for number, told in enumerate(found["masks"]):
        assert told["mask_id"] == number
        assert told["mask_rle"]["size"] == [360, 480]
        counts = base64.b64decode(told["mask_rle"]["counts"])
        mask = coco.decode({"size": [360, 480], "counts": counts})
        assert told["area"] == mask.sum()
        assert told["bbox"] == pytest.approx(coco.toBbox({"size": [360, 480], "counts": counts}))
        assert told["label"] == "object"
        assert 0.5 < told["score"] <= 1
        again = np.zeros((360, 480), np.uint8)
        cv2.fillPoly(again, [np.array(each).reshape(-1, 2) for each in told["polygon"]], (1,))
        assert overlap(again > 0, mask > 0) == 1
    json.dumps(found)


def test_segment_obeys_its_parameters() -> None:
    made, picture = task(Segment), png(ellipses(4)[0])
    [every] = run(made, picture)
    [ascii_counts] = run(made, picture, counts_encoding="ascii")
    for one, other in zip(every["masks"], ascii_counts["masks"], strict=True):
        assert base64.b64decode(one["mask_rle"]["counts"]).decode() == other["mask_rle"]["counts"]
    assert run(made, picture, max_detections=2)[0]["count"] == 2
    assert run(made, picture, score_threshold=1.0)[0]["count"] == 0
    assert run(made, picture, classes=["object"])[0]["count"] == every["count"]
    [unknown] = run(made, picture, classes=["spanner"])
    assert isinstance(unknown, InvalidParams)
    assert "params.classes: the model classical knows no 'spanner', only object" in str(unknown)


def test_the_overlay_is_the_picture_with_its_objects_tinted() -> None:
    picture, masks = ellipses(4)
    [found] = run(task(Segment), png(picture), overlay=True)
    assert isinstance(found, Answer)
    drawn = cv2.imdecode(np.frombuffer(found.files["overlay.png"], np.uint8), cv2.IMREAD_COLOR)  # type: ignore[arg-type]
    changed = (drawn != picture).any(axis=2)
    assert all(changed[mask].mean() > 0.95 for mask in masks)
    assert changed[~np.logical_or.reduce(masks)].mean() < 0.05


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"score_threshold": 1.5}, "params.score_threshold"),
        ({"score_threshold": "high"}, "params.score_threshold"),
        ({"max_detections": 0}, "params.max_detections"),
        ({"max_detections": 2.5}, "params.max_detections"),
        ({"classes": "object"}, "params.classes"),
        ({"classes": [""]}, "params.classes.0"),
        ({"polygon": "yes"}, "params.polygon"),
        ({"counts_encoding": "hex"}, "params.counts_encoding"),
        ({"threshold": 0.5}, "params.threshold"),
    ],
)
def test_bad_parameters_are_named(params: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidParams, match=word.replace(".", r"\.")):
        Segment().validate(params)


def test_one_broken_picture_of_a_batch_fails_alone() -> None:
    good = png(ellipses(4)[0])
    first, broken, last = run(task(Segment), good, good[:4000], good)
    assert isinstance(broken, BrokenImage)
    assert first["masks"] == last["masks"]


def test_orient_answers_the_direction_of_the_largest_object() -> None:
    picture = bar(35)
    cv2.rectangle(picture, (5, 5), (45, 25), (40, 60, 50), cv2.FILLED)
    [found] = run(task(Orient), png(picture))
    assert found["count"] == 2
    assert between(found["degree"], 35) < 1
    assert found["eccentricity"] > 0.9
    assert found["centroid"] == pytest.approx([200, 180], abs=2)


def test_orient_without_an_object_says_so() -> None:
    blank = png(np.full((60, 80, 3), 200, np.uint8))
    [failed] = run(task(Orient), blank)
    assert isinstance(failed, NoObject)
    [kept] = run(task(Orient), blank, outputs=True)
    assert kept.value["degree"] is None
    assert kept.value["reason"] == str(failed)
    assert kept.files.keys() == {"picture.jpg", "object.jpg"}


def test_the_outputs_of_orient_are_the_picture_and_what_was_measured() -> None:
    sent = cv2.imencode(".jpg", bar(-20))[1].tobytes()
    [found] = run(task(Orient), sent, outputs=True)
    assert found.files["picture.jpg"] == sent
    white = cv2.imdecode(np.frombuffer(found.files["object.jpg"], np.uint8), cv2.IMREAD_GRAYSCALE)
    measured = cv2.moments((white > 127).astype(np.uint8), binaryImage=True)
    degree = np.degrees(np.arctan2(-2 * measured["mu11"], measured["mu20"] - measured["mu02"])) / 2
    assert between(degree, found.value["degree"]) < 0.1
    [converted] = run(task(Orient), png(bar(-20)), outputs=True)
    assert converted.files["picture.jpg"][:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("kind", [Segment, Orient])
@pytest.mark.parametrize(("dtype", "scale"), [("uint16", 1), ("uint16", 16), ("int16", 100), ("float32", 0.001)])
def test_samples_that_fill_a_small_part_of_their_range_are_stretched_and_the_answer_says_so(
    kind: type[Seeing], dtype: str, scale: float
) -> None:
    grey = cv2.cvtColor(ellipses(4)[0], cv2.COLOR_BGR2GRAY)
    samples = (grey.astype(np.float64) * scale).astype(dtype)
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="minisblack")
    [found], [plain] = run(task(kind), file.getvalue()), run(task(kind), png(cv2.merge([grey] * 3)))
    assert found["scaled"] == [samples.min(), samples.max()]
    assert found["count"] == plain["count"] > 0
    assert "scaled" not in plain
    json.dumps(found)


def test_the_overlay_shows_the_picture_as_it_was_stretched() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, cv2.cvtColor(ellipses(4)[0], cv2.COLOR_BGR2GRAY).astype(np.uint16), photometric="minisblack")
    [found] = run(task(Segment), file.getvalue(), overlay=True)
    drawn = cv2.imdecode(np.frombuffer(found.files["overlay.png"], np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.max() == 255
    assert drawn.mean() > 30
    assert found.value["scaled"]
