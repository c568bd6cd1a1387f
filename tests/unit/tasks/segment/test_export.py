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


def test_outlines_are_filled_to_the_same_masks(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    whole = COCO(str(exported(tmp_path, lines) / "dataset.json"))
    outlined = COCO(str(exported(tmp_path, lines, "--polygons") / "dataset.json"))
    assert len(outlined.anns) == len(whole.anns) > 10
    for number, annotation in outlined.anns.items():
        assert all(len(polygon) >= 6 for polygon in annotation["segmentation"])
        mask, filled = whole.annToMask(whole.anns[number]), outlined.annToMask(annotation)
        assert (filled >= mask).all()
        assert overlap(filled > 0, mask > 0) > 0.99, "but for holes"
    assert all(
        isinstance(each["segmentation"], dict) for each in json.loads((tmp_path / "coco/results.json").read_text())
    )


def same_names(path: Path, lines: list[dict[str, Any]], how: str) -> list[str]:
    """What is to be exported of three pictures in two folders, two of which have the same name."""
    answers = {"a/p.png": lines[0], "b/p.png": lines[1], "b/q.png": lines[2]}
    given = []
    for name, line in answers.items():
        folder, file = name.split("/")
        (path / folder).mkdir(exist_ok=True)
        if how == "records":
            given.append(path / folder / f"{file}.json")
            given[-1].write_text(json.dumps({**line, "file": "other"}))
        elif how == "batches":
            given.append(path / folder / "results.jsonl")
            with given[-1].open("a") as written:
                written.write(json.dumps({**line, "file": file}) + "\n")
        else:
            given.append(path / "results.jsonl")
            with given[-1].open("a") as written:
                written.write(json.dumps({**line, "file": name}) + "\n")
    return [str(each) for each in dict.fromkeys(given)]


@pytest.mark.parametrize("how", ["records", "batches", "batch"])
def test_pictures_of_one_name_in_two_folders_are_told_apart(
    tmp_path: Path, lines: list[dict[str, Any]], how: str
) -> None:
    given = same_names(tmp_path, lines, how)
    assert export.main([*given, "--out", str(tmp_path / "coco")]) == 0
    made = json.loads((tmp_path / "coco/dataset.json").read_text())
    assert {image["id"]: image["file_name"] for image in made["images"]} == {1: "a/p.png", 2: "b/p.png", 3: "b/q.png"}
    counts = [sum(each["image_id"] == number for each in made["annotations"]) for number in (1, 2, 3)]
    assert counts == [line["result"]["count"] for line in lines[:3]]
    images = [
        {"id": 70 + number, "file_name": f"images\\{name}"} for number, name in enumerate(["b\\p.png", "b\\q.png"])
    ]
    images.append({"id": 90, "file_name": "a/p.png"})
    (tmp_path / "labels.json").write_text(json.dumps({"images": images}))
    assert export.main([*given, "--out", str(tmp_path / "coco"), "--labels", str(tmp_path / "labels.json")]) == 0
    made = json.loads((tmp_path / "coco/results.json").read_text())
    assert list(dict.fromkeys(each["image_id"] for each in made)) == [90, 70, 71]


def test_of_two_answers_for_one_picture_the_later_counts(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    again = [lines[0], {**lines[1], "file": lines[0]["file"]}]
    made = json.loads((exported(tmp_path, again) / "dataset.json").read_text())
    assert [image["file_name"] for image in made["images"]] == ["in/4.png"]
    assert len(made["annotations"]) == lines[1]["result"]["count"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["p.png", "b/q.png"], "a/p.png and b/p.png would both be the picture p.png"),
        (["c/p.png", "b/p.png", "b/q.png"], "the labels have no picture a/p.png; there is c/p.png"),
        (["x/a/p.png", "y/a/p.png", "b/p.png", "b/q.png"], "a/p.png could be x/a/p.png or y/a/p.png"),
    ],
)
def test_labels_that_do_not_tell_pictures_apart_are_refused(
    tmp_path: Path, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], names: list[str], reason: str
) -> None:
    given = same_names(tmp_path, lines, "records")
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    (tmp_path / "labels.json").write_text(json.dumps({"images": images}))
    with pytest.raises(SystemExit):
        export.main([*given, "--out", str(tmp_path / "coco"), "--labels", str(tmp_path / "labels.json")])
    assert reason in capsys.readouterr().err


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
