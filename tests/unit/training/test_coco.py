"""Files of labels as tools write them: what is understood, what is passed over, and how the rest is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import FarmError
from spoolfarm.training import coco

SQUARE = [4, 4, 14, 4, 14, 14, 4, 14]


def content(**more: Any) -> dict[str, Any]:
    """Two pictures, each with a square."""
    return {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 40, "height": 30} for number in (1, 2)],
        "annotations": [
            {"id": 10 + number, "image_id": number, "category_id": 5, "segmentation": [SQUARE]} for number in (1, 2)
        ],
        "categories": [{"id": 5, "name": "part"}],
        **more,
    }


def read(path: Path, said: Any, encoding: str = "utf-8") -> coco.Coco:
    (path / "labels.json").write_text(json.dumps(said), encoding=encoding)
    return coco.read(path / "labels.json")


def label(**more: Any) -> dict[str, Any]:
    """The second picture's label, differently."""
    said = content()
    said["annotations"][1] |= more
    return said


def picture(**more: Any) -> dict[str, Any]:
    """The second picture, differently."""
    said = content()
    said["images"][1] |= more
    return said


def objects(found: coco.Coco) -> dict[coco.Id, int]:
    return {number: len(each.labels) for number, each in found.pictures.items()}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_with_a_byte_order_mark_or_without(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, content(), encoding)
    assert found.names == {5: "part"}
    assert objects(found) == {1: 1, 2: 1}
    assert found.pictures[1].size == (40, 30)


@pytest.mark.parametrize("written", ["2", 2.0, "2.0", " 2 "])
def test_a_number_is_an_id_however_it_is_written(tmp_path: Path, written: Any) -> None:
    assert objects(read(tmp_path, label(image_id=written))) == {1: 1, 2: 1}
    assert objects(read(tmp_path, picture(id=written))) == {1: 1, 2: 1}


def test_pictures_may_have_names_for_ids_and_categories_text(tmp_path: Path) -> None:
    said = picture(id="b.png")
    said["annotations"][1]["image_id"] = "b.png"
    said["annotations"][1]["category_id"] = "5"
    said["categories"][0]["id"] = 5.0
    assert objects(read(tmp_path, said)) == {1: 1, "b.png": 1}


@pytest.mark.parametrize("size", [{"width": None}, {"width": 0, "height": 0}, {"height": ""}])
def test_a_size_that_the_tool_did_not_know_is_the_pictures_own(tmp_path: Path, size: dict[str, Any]) -> None:
    assert read(tmp_path, picture(**size)).pictures[2].size is None
    assert read(tmp_path, picture(width="40", height=30.0)).pictures[2].size == (40, 30)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"segmentation": []}, coco.BARE),
        ({"segmentation": [[]]}, coco.BARE),
        ({"segmentation": None}, coco.BARE),
        ({"segmentation": [[4, 4, 14, 4]]}, coco.BARE),
        ({"segmentation": [[4, 4]], "bbox": [4, 4, 10, 10]}, coco.BARE),
        ({"iscrowd": 1}, coco.CROWD),
        ({"iscrowd": True}, coco.CROWD),
        ({"iscrowd": "1"}, coco.CROWD),
        ({"image_id": 77}, coco.STRAY),
        ({"image_id": "two"}, coco.STRAY),
    ],
)
def test_labels_that_teach_nothing_are_passed_over_and_counted(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    found = read(tmp_path, label(**more))
    assert objects(found) == {1: 1, 2: 0}
    assert found.passed == Counter({why: 1})
    assert coco.told(found.passed) == f"1 label {why}"


@pytest.mark.parametrize("more", [{"iscrowd": 0}, {"iscrowd": "0"}, {"iscrowd": False}, {"iscrowd": None}])
def test_a_label_of_no_crowd_is_learned_however_that_is_written(tmp_path: Path, more: dict[str, Any]) -> None:
    assert objects(read(tmp_path, label(**more))) == {1: 1, 2: 1}


def test_boxes_are_not_read_so_it_does_not_matter_how_they_are_written(tmp_path: Path) -> None:
    for box in ([4, 4, 14, 14], [4, 4, 10, 10], None, "none"):
        assert objects(read(tmp_path, label(bbox=box))) == {1: 1, 2: 1}


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ([], "its annotations are empty"),
        ([{"image_id": 9, "category_id": 5, "segmentation": [SQUARE]}] * 3, "3 labels of pictures that"),
        ([{"image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4]}] * 2, "2 labels without an outline"),
        ([{"image_id": 1, "category_id": 5, "segmentation": [SQUARE], "iscrowd": 1}], "1 label of crowds"),
    ],
)
def test_a_file_that_teaches_nothing_is_refused_and_says_why(
    tmp_path: Path, annotations: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(FarmError, match=rf"labels\.json: no label belongs to a picture: .*{reason}"):
        read(tmp_path, content(annotations=annotations))


RUNS = {"counts": [130, 10, 1060], "size": [30, 40]}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (label(image_id=None), r"annotations\[1\] \(id 12\) has no image_id"),
        (label(image_id=True), "has the image_id True"),
        (label(image_id=1.5), "has the image_id 1.5"),
        (label(image_id=float("nan")), "has the image_id nan"),
        (label(category_id=None), "has no category_id"),
        (label(category_id=6), r"annotations\[1\] \(id 12\) is of category 6, which the file does not name"),
        (label(category_id="part"), "'part', which is no number"),
        (label(iscrowd=7), "has the iscrowd 7"),
        (label(segmentation=[[4, 4, 14, 4, 14, 14, 4]]), r"\(id 12\) cannot be used: its polygon has 7 numbers"),
        (label(segmentation=[[4, 4, 14, 4, 14, float("nan")]]), "its polygon has nan where a number"),
        (label(segmentation=[[4, 4, 14, 4, 14, float("inf")]]), "its polygon has inf where a number"),
        (label(segmentation=[[4, 4, 14, 4, 14, 1e30]]), "its polygon has 1e[+]30 where a number"),
        (label(segmentation=[[4, 4, 14, 4, 14, None]]), "its polygon has None where a number"),
        (label(segmentation=[[4, 4, 14, 4, 14, "x"]]), "its polygon has 'x' where a number"),
        (label(segmentation=[RUNS]), "where a number should be"),
        (label(segmentation=[SQUARE, 3, 4]), "3 where a polygon should be"),
        (label(segmentation="4,4,14,4"), "neither polygons nor run lengths"),
        (label(segmentation={"counts": RUNS["counts"]}), "have the size None"),
        (label(segmentation={"counts": RUNS["counts"], "size": [30, -40]}), "have the size"),
        (label(segmentation={"counts": [130, 10, 1061], "size": [30, 40]}), "do not add up to the 1200 pixels"),
        (label(segmentation={"counts": [130, -10, 1080], "size": [30, 40]}), "neither a list of numbers nor a text"),
        (label(segmentation={"counts": "\x00~", "size": [30, 40]}), "do not add up"),
        (label(segmentation={"counts": "", "size": [30, 40]}), "do not add up"),
        (picture(id=None), r"images\[1\].* has no id"),
        (picture(id=1), r"images\[1\] \(id 1\) is '2.png', but '1.png' has that id already"),
        (picture(id="1"), "has that id already"),
        (picture(file_name=None), r"images\[1\] \(id 2\) lacks 'file_name'"),
        (picture(file_name=7), "lacks 'file_name'"),
        (picture(width=-40), "has the width -40 and the height 30"),
        (picture(width=float("nan")), "has the width nan"),
        (
            content(categories=[{"id": 5, "name": "part"}, {"id": 5, "name": "rest"}]),
            "has an id that is 'part' already",
        ),
        (content(categories=[{"id": 5}]), r"categories\[0\] \(id 5\) lacks 'name'"),
        (content(categories=[]), "names no pictures or no categories"),
        (content(images=["1.png"]), r"images\[0\] lacks 'file_name'"),
        (content(annotations=None), "it needs the lists images, annotations, categories"),
        ({"images": [], "categories": []}, "it needs the lists images, annotations, categories"),
    ],
)
def test_an_entry_that_makes_no_sense_is_named_in_one_line(tmp_path: Path, said: Any, reason: str) -> None:
    with pytest.raises(FarmError, match=reason) as refused:
        read(tmp_path, said)
    assert "\n" not in str(refused.value)
    assert "labels.json" in str(refused.value)


def test_the_first_fault_is_told_with_the_number_of_the_others(tmp_path: Path) -> None:
    annotations = [{"image_id": 1, "category_id": number, "segmentation": [SQUARE]} for number in (5, 6, 7, 8)]
    with pytest.raises(FarmError, match=r"annotations\[1\] is of category 6.* \(and 2 more entries are at fault\)"):
        read(tmp_path, content(annotations=annotations))


def test_a_picture_that_is_listed_twice_alike_is_one(tmp_path: Path) -> None:
    said = content()
    said["images"].append(dict(said["images"][1]))
    assert objects(read(tmp_path, said)) == {1: 1, 2: 1}


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff"])
def test_a_file_that_is_no_json_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text, encoding="latin-1")
    with pytest.raises(FarmError, match=r"labels\.json is no JSON"):
        coco.read(tmp_path / "labels.json")
