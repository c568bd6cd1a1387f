"""Masks as COCO's files, read by COCO's own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from spoolfarm.tasks.segment import export
from spoolfarm.tasks.segment.task import Segment
from tests.support.drawn_scenes import ellipses, overlap, png
from tests.unit.tasks.segment.test_segment import run, task

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' own


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """The lines of a batch over three pictures, and one that failed."""
    made = task(Segment)
    records = []
    for seed, encoding in ((4, "base64"), (5, "ascii"), (6, "base64")):
        [result] = run(made, png(ellipses(seed)[0]), counts_encoding=encoding)
        records.append({"file": f"in/{seed}.png", "task": "segment", "status": "succeeded", "result": result})
    return [*records, {"file": "in/bad.png", "task": "segment", "status": "failed", "error": "damaged"}]


def exported(path: Path, lines: list[dict[str, Any]], *more: str) -> Path:
    (path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert export.main([str(path / "results.jsonl"), "--out", str(path / "coco"), *more]) == 0
    return path / "coco"


def test_a_batch_becomes_a_data_set_with_the_masks_that_were_drawn(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    made = COCO(str(exported(tmp_path, lines) / "dataset.json"))
    assert [image["file_name"] for image in made.imgs.values()] == ["in/4.png", "in/5.png", "in/6.png"]
    assert {(image["width"], image["height"]) for image in made.imgs.values()} == {(480, 360)}
    assert made.loadCats(made.getCatIds()) == [{"id": 1, "name": "object"}]
    for seed, image in zip((4, 5, 6), made.imgs, strict=True):
        found = [made.annToMask(each) > 0 for each in made.imgToAnns[image]]
        for mask in ellipses(seed)[1]:
            assert max(overlap(mask, each) for each in found) > 0.8
        assert all(each["area"] == mask.sum() for each, mask in zip(made.imgToAnns[image], found, strict=True))


def test_the_results_are_taken_by_cocos_evaluation(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    names = ["6.png", "none.png", "4.png", "5.png"]
    labels = json.loads((exported(tmp_path, lines) / "dataset.json").read_text())
    ids = {name: number for number, name in enumerate(names, 70)}
    old = {image["id"]: ids[Path(image["file_name"]).name] for image in labels["images"]}
    labels["images"] = [{"id": number, "file_name": name, "width": 480, "height": 360} for name, number in ids.items()]
    for annotation in labels["annotations"]:
        annotation["image_id"] = old[annotation["image_id"]]
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    exported(tmp_path, lines, "--labels", str(tmp_path / "labels.json"))
    truth = COCO(str(tmp_path / "labels.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "coco/results.json")), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert np.isclose(evaluation.stats[0], 1)  # the labels were made from the same masks


def test_single_records_are_exported_by_their_names(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    record = {key: value for key, value in lines[0].items() if key != "file"}
    (tmp_path / "part.png.json").write_text(json.dumps(record))
    assert export.main([str(tmp_path / "part.png.json"), "--out", str(tmp_path / "coco")]) == 0
    assert json.loads((tmp_path / "coco/dataset.json").read_text())["images"][0]["file_name"] == "part.png"


@pytest.mark.parametrize("what", ["no file", "no JSON", "unknown picture"])
def test_what_cannot_be_exported_is_named(
    tmp_path: Path, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    path, more = tmp_path / "results.jsonl", []
    if what == "no JSON":
        path.write_text("{")
    elif what == "unknown picture":
        path.write_text(json.dumps(lines[0]))
        (tmp_path / "labels.json").write_text('{"images": []}')
        more = ["--labels", str(tmp_path / "labels.json")]
    with pytest.raises(SystemExit) as ended:
        export.main([str(path), "--out", str(tmp_path / "coco"), *more])
    assert ended.value.code == 2
    assert {"no file": "No such file", "no JSON": "Expecting", "unknown picture": "4.png"}[
        what
    ] in capsys.readouterr().err
