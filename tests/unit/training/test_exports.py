"""Labels as other tools export them, and the farm's own answers corrected by hand: each says what was drawn."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spoolfarm.errors import FarmError
from spoolfarm.spool.job import Job
from spoolfarm.tasks.segment.instance import crop
from spoolfarm.tasks.segment.polygons import polygons
from spoolfarm.tasks.segment.rle import encode
from spoolfarm.tasks.segment.task import Segment
from spoolfarm.training.labelled import Labelled
from tests.support.drawn_scenes import overlap, png
from tests.support.silent_context import Silence
from tests.unit.tasks.segment.test_segment import task

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' own

Drawn = np.ndarray[Any, np.dtype[np.uint8]]
HEIGHT, WIDTH = 90, 120
#: What is drawn on each picture: a bolt (a corner of four), and a nut (a disc).
BOLT, NUT = [[10, 12], [50, 20], [44, 60], [8, 52]], (85, 45, 20)
KINDS = ("bolt", "nut")


def corners() -> list[list[float]]:
    """The bolt as polygons have it."""
    return [[float(x), float(y)] for x, y in BOLT]


def masks() -> dict[str, Drawn]:
    found = {kind: np.zeros((HEIGHT, WIDTH), np.uint8) for kind in KINDS}
    cv2.fillPoly(found["bolt"], [np.array(BOLT)], (1,))
    cv2.circle(found["nut"], NUT[:2], NUT[2], (1,), cv2.FILLED)
    return found


def picture(number: int) -> bytes:
    seen = np.full((HEIGHT, WIDTH, 3), 200 + number, np.uint8)
    for kind, mask in masks().items():
        seen[mask > 0] = (40, 60, 160) if kind == "bolt" else (90, 120, 30)
    return png(seen)


def pictures(folder: Path, count: int = 2) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number}.png" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(picture(number))
    return names


def window(mask: Drawn) -> tuple[int, int, Drawn]:
    """Left, top and crop."""
    found = crop(mask, 1, 1)
    assert found is not None
    return found.left, found.top, found.mask


# One function for each tool: it writes labels of all pictures in *folder*, and returns what --data is given.


def labelme(folder: Path, how: str) -> Path:
    for name in pictures(folder):
        x, y, radius = NUT
        shapes: list[dict[str, Any]] = [
            {"label": "bolt", "points": corners(), "shape_type": "polygon", "group_id": None}
        ]
        if how == "mask":
            left, top, mask = window(masks()["nut"])
            ends = [[left, top], [left + mask.shape[1] - 1, top + mask.shape[0] - 1]]
            data = base64.b64encode(png(mask * np.uint8(255))).decode()
            shapes.append({"label": "nut", "points": ends, "shape_type": "mask", "mask": data})
        elif how == "circle":
            shapes.append({"label": "nut", "points": [[x, y], [x + radius, y]], "shape_type": "circle"})
        shapes.append({"label": "nut", "points": [[3, 3]], "shape_type": "point"})
        shapes.append({"label": "nut", "points": [[1, 1], [4, 1], [4, 4], [1, 4]], "shape_type": "rectangle"})
        said = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"..\\photos\\{name}",
            "imageData": None,
        }
        said |= {"imageHeight": HEIGHT, "imageWidth": WIDTH}
        (folder / f"{Path(name).stem}.json").write_text(json.dumps(said))
    return folder


def cvat(folder: Path, how: str) -> Path:
    entries = []
    for number, name in enumerate(pictures(folder / "images" / "train")):
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners())
        shapes = f'<polygon label="bolt" source="manual" occluded="0" points="{points}" z_order="0"></polygon>'
        x, y, radius = NUT
        if how == "mask":
            left, top, mask = window(masks()["nut"])
            flat = np.concatenate([[0], mask.ravel(), [2]])
            ends = np.flatnonzero(np.diff(flat.astype(int)))
            rle = ", ".join(map(str, np.diff(ends, prepend=0)))  # the first run is of zeros, and may be empty
            size = f'left="{left}" top="{top}" width="{mask.shape[1]}" height="{mask.shape[0]}"'
            shapes += f'<mask label="nut" source="manual" occluded="0" rle="{rle}" {size} z_order="0"></mask>'
        else:
            shapes += f'<ellipse label="nut" cx="{x}" cy="{y}" rx="{radius}" ry="{radius}" z_order="0"></ellipse>'
        shapes += '<box label="nut" xtl="1" ytl="1" xbr="9" ybr="9" occluded="0"></box><tag label="good"></tag>'
        entries.append(f'<image id="{number}" name="train/{name}" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>')
    labels = "".join(f"<label><name>{kind}</name></label>" for kind in KINDS)
    meta = f"<meta><job><labels>{labels}</labels></job></meta>"
    said = f"<annotations><version>1.1</version>{meta}{''.join(entries)}</annotations>"
    (folder / "annotations.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?>{said}')
    return folder


def packed(mask: Drawn) -> list[int]:
    """A mask as Label Studio's brush packs it."""
    flat = np.repeat(mask.ravel() * 255, 4)
    bits = f"{len(flat):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    ends = np.flatnonzero(np.diff(flat.astype(int))) + 1
    for part in np.split(flat, ends):
        while len(part):
            run, part = part[:65536], part[65536:]
            bits += f"1{3:02b}{len(run) - 1:016b}{run[0]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def label_studio(folder: Path, how: str) -> Path:
    tasks = []
    for number, name in enumerate(pictures(folder)):
        size = {"original_width": WIDTH, "original_height": HEIGHT}
        x, y, radius = NUT
        points = [[px * 100 / WIDTH, py * 100 / HEIGHT] for px, py in corners()]
        bolt = {"points": points, "closed": True, "polygonlabels": ["bolt"]}
        ring = {"x": x * 100 / WIDTH, "y": y * 100 / HEIGHT, "radiusX": radius * 100 / WIDTH}
        nut: dict[str, Any] = {**ring, "radiusY": radius * 100 / HEIGHT, "rotation": 0, "ellipselabels": ["nut"]}
        if how == "brush":
            nut = {"format": "rle", "rle": packed(masks()["nut"]), "brushlabels": ["nut"]}
        link = f"/data/upload/4/1a2b3c4d-{name}"
        if how == "min":
            both = [{**bolt, **size}, {**nut, **size}]
            tasks.append({"image": link, "id": number, "label": both, "annotator": 1, "updated_at": "2026-01-02"})
            continue
        other = {"type": "choices", "value": {"choices": ["sharp"]}}
        result = [{**size, "type": "x", "value": value} for value in (bolt, nut)]
        done = [{"was_cancelled": True, "result": [{**size, "value": bolt}]}, {"result": [*result, other]}]
        tasks.append({"id": number, "data": {"image": link}, "annotations": done})
    (folder / "project-4.json").write_text(json.dumps(tasks))
    return folder


def via(folder: Path, how: str) -> Path:
    entries: dict[str, Any] = {}
    rows = []
    for name in pictures(folder):
        x, y, radius = NUT
        bolt = {"name": "polygon", "all_points_x": [x for x, _ in BOLT], "all_points_y": [y for _, y in BOLT]}
        nut = {"name": "circle", "cx": x, "cy": y, "r": radius}
        regions = [
            {"shape_attributes": bolt, "region_attributes": {"quality": "good", "type": {"bolt": True}}},
            {"shape_attributes": nut, "region_attributes": {"type": "nut", "quality": "good"}},
            {"shape_attributes": {"name": "point", "cx": 1, "cy": 1}, "region_attributes": {"type": "nut"}},
        ]
        said = dict(enumerate(regions)) if how == "version 1" else regions
        entries[f"{name}1234"] = {"filename": name, "size": 1234, "regions": said, "file_attributes": {}}
        for number, region in enumerate(regions):
            texts = [json.dumps(region[key]) for key in ("shape_attributes", "region_attributes")]
            rows.append([name, 1234, "{}", len(regions), number, *texts])
    if how == "csv":
        head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
        with (folder / "via_region_data.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head.split(","), *rows])
    elif how == "project":
        whole = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}}
        (folder / "via_project.json").write_text(json.dumps(whole))
    else:
        (folder / "via_region_data.json").write_text(json.dumps(entries))
    return folder


def roboflow(folder: Path, how: str) -> Path:
    x, y, radius = NUT
    ring = [[x + radius * np.cos(turn), y + radius * np.sin(turn)] for turn in np.linspace(0, 2 * np.pi, 60)[:-1]]
    for part in ("train", "valid"):
        place = folder / part / "images" if how == "yolo" else folder / part
        [name] = pictures(place, 1)
        if how == "yolo":
            lines = [
                " ".join([str(kind), *(f"{value}" for px, py in points for value in (px / WIDTH, py / HEIGHT))])
                for kind, points in enumerate((corners(), ring))
            ]
            (folder / part / "labels").mkdir()
            (folder / part / "labels" / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")
            continue
        above = {"id": 0, "name": "parts", "supercategory": "none"}
        kinds = [above, *({"id": n, "name": kind, "supercategory": "parts"} for n, kind in enumerate(KINDS, 1))]
        labels = [
            {"id": n, "image_id": 0, "category_id": n + 1, "segmentation": [np.ravel(points).tolist()], "iscrowd": 0}
            for n, points in enumerate((corners(), ring))
        ]
        size = {"height": HEIGHT, "width": WIDTH}
        said = {"images": [{"id": 0, "file_name": name, **size}], "categories": kinds, "annotations": labels}
        (folder / part / "_annotations.coco.json").write_text(json.dumps(said))
    if how == "yolo":
        (folder / "data.yaml").write_text(
            "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['bolt', 'nut']\n"
        )
        (folder / "README.roboflow.txt").write_text("parts")
    return folder


TOOLS: list[tuple[Callable[[Path, str], Path], str]] = [
    (labelme, "mask"),
    (labelme, "circle"),
    (cvat, "mask"),
    (cvat, "ellipse"),
    (label_studio, "ellipse"),
    (label_studio, "brush"),
    (label_studio, "min"),
    (via, "json"),
    (via, "version 1"),
    (via, "project"),
    (via, "csv"),
    (roboflow, "coco"),
    (roboflow, "yolo"),
]


@pytest.mark.parametrize(("write", "how"), TOOLS, ids=lambda each: getattr(each, "__name__", each))
def test_the_export_of_a_tool_says_what_was_drawn(tmp_path: Path, write: Callable[[Path, str], Path], how: str) -> None:
    data = Labelled(write(tmp_path / "parts", how))
    assert list(data.names.values()) == list(KINDS)
    assert len(data.learned) == 2
    line = data.check()
    assert "2 pictures, 4 objects, 2 categories" in line
    for number in data.learned:
        sample = data.read(number)
        found = {KINDS[kind - 1]: mask for mask, kind in zip(sample.masks, sample.classes, strict=True)}
        assert found.keys() == set(KINDS)
        for kind, mask in masks().items():
            assert overlap(found[kind] > 0, mask > 0) > 0.93, kind


def test_what_has_no_outline_is_passed_over_and_counted(tmp_path: Path) -> None:
    assert "passed over: 2 labels without an outline" in Labelled(cvat(tmp_path / "a", "mask")).check()
    assert "passed over: 4 labels without an outline" in Labelled(labelme(tmp_path / "b", "mask")).check()
    assert "passed over: 2 labels without an outline" in Labelled(via(tmp_path / "c", "csv")).check()


def test_polygons_of_one_group_are_one_object(tmp_path: Path) -> None:
    folder = labelme(tmp_path / "parts", "mask")
    said = json.loads((folder / "0.json").read_text())
    part = {"label": "bolt", "points": [[60, 5], [75, 5], [75, 15]], "shape_type": "polygon", "group_id": 4}
    said["shapes"] = [{**said["shapes"][0], "group_id": 4}, part, *said["shapes"][1:]]
    (folder / "0.json").write_text(json.dumps(said))
    data = Labelled(folder)
    assert "2 pictures, 4 objects" in data.check()
    assert data.read(1).masks[0][8, 70]


def answered(folder: Path, **params: Any) -> Path:
    """Pictures, and beside each the record of `segment`'s answer."""
    made = task(Segment)
    for name in pictures(folder):
        job = Job("segment", made.validate(params), [(folder / name).read_bytes()])
        [result] = made.run([job], Silence())
        record = {"id": "1" * 24, "task": "segment", "status": "succeeded", "name": name, "result": result}
        (folder / f"{name}.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("encoding", ["base64", "ascii"])
def test_answers_of_the_farm_are_labels(tmp_path: Path, encoding: str) -> None:
    folder = answered(tmp_path / "parts", counts_encoding=encoding)
    data = Labelled(folder)
    assert "2 pictures, 4 objects, 1 category" in data.check()
    for number in data.learned:
        found = [mask > 0 for mask in data.read(number).masks]
        for mask in masks().values():
            assert max(overlap(mask > 0, each) for each in found) > 0.9


def test_answers_are_corrected_by_hand(tmp_path: Path) -> None:
    folder = answered(tmp_path / "parts", polygon=True)
    record = json.loads((folder / "0.png.json").read_text())
    whole = record["result"]["masks"]
    moved, same = whole
    added = {"label": "nut", "polygon": [[100, 70, 118, 70, 118, 88, 100, 88]]}
    moved = {**moved, "label": "bolt", "polygon": [[20, 20, 39, 20, 39, 49, 20, 49]]}
    record["result"]["masks"] = [moved, {**same, "label": "nut"}, added]
    (folder / "0.png.json").write_text(json.dumps(record))
    (folder / "1.png.json").write_text(json.dumps({"task": "segment", "status": "failed", "error": "x"}))
    (folder / "1.png").unlink()
    data = Labelled(folder)
    assert list(data.names.values()) == ["bolt", "nut"]
    data.check()
    [number] = data.learned
    first, second, third = data.read(number).masks
    assert first.sum() == 20 * 30  # as it is drawn, its border included
    assert first[20:50, 20:40].all()
    assert second.sum() == same["area"]  # nobody has touched it
    assert third.sum() == 19 * 19


def test_a_hole_that_a_polygon_does_not_know_is_kept_where_nobody_changed_it(tmp_path: Path) -> None:
    folder = answered(tmp_path / "parts", polygon=True)
    ring = masks()["nut"]
    cv2.circle(ring, NUT[:2], 8, (0,), cv2.FILLED)
    instance = crop(ring, 1, 1)
    assert instance is not None
    for name in ("0.png.json", "1.png.json"):
        record = json.loads((folder / name).read_text())
        counts = encode(instance.mask, instance.left, instance.top, HEIGHT, WIDTH).decode()
        mask = {"mask_rle": {"counts": counts, "size": [HEIGHT, WIDTH]}, "label": "nut", "polygon": polygons(instance)}
        record["result"]["masks"] = [mask]
        (folder / name).write_text(json.dumps(record))
    data = Labelled(folder)
    assert (data.read(data.learned[0]).masks[0] == ring).all()


def test_a_batchs_folder_of_answers_knows_where_its_pictures_are(tmp_path: Path) -> None:
    answered(tmp_path / "in" / "sub")
    (tmp_path / "out" / "sub").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "in" / "sub" / f"{number}.png.json").rename(tmp_path / "out" / "sub" / f"{number}.png.json")
    (tmp_path / "out" / "results.jsonl").write_text("{}\n")
    mark = {"task": "segment", "params": {}, "base": str(tmp_path / "in")}
    (tmp_path / "out" / ".spoolfarm-batch").write_text(json.dumps(mark))
    assert "2 pictures, 4 objects" in Labelled(tmp_path / "out").check()


@pytest.mark.parametrize(
    ("write", "how", "file", "old", "new", "said"),
    [
        (labelme, "circle", "0.json", '"label": "bolt"', '"label": ""', r"shapes\[0\] of 0.json has no label"),
        (labelme, "circle", "0.json", '"circle"', '"spiral"', r"shapes\[1\] of 0.json is a 'spiral'"),
        (labelme, "circle", "0.json", "[10.0, 12.0]", "[10.0]", r"shapes\[0\] of 0.json has points that are no pairs"),
        (labelme, "circle", "0.json", "[10.0, 12.0]", "[9999.0, 12.0]", r"shapes\[0\] of 0.json does not fit"),
        (labelme, "circle", "0.json", "0.png", "none.png", r"0.json: '.*none.png' is not in"),
        (cvat, "mask", "annotations.xml", 'rle="', 'rle="7, ', r"mask 2 of image 0 has run lengths of"),
        (cvat, "mask", "annotations.xml", "50.00,20.00", "50.00,y", r"polygon 1 of image 0 has 'y'"),
        (cvat, "mask", "annotations.xml", "</annotations>", "", "is no XML"),
        (cvat, "mask", "annotations.xml", "<image ", "<track/><image ", "holds no labels of pictures"),
        (label_studio, "brush", "project-4.json", '"rle": [0', '"rle": [9', "result 1 of task 0 has a brush"),
        (
            label_studio,
            "brush",
            "project-4.json",
            '"original_width": 120, "original_height": 90, "type"',
            '"original_width": 0, "original_height": 90, "type"',
            "where a number of pixels",
        ),
        (via, "json", "via_region_data.json", '"r": 20', '"r": "wide"', "region 1 of 0.png has 'wide'"),
        (via, "csv", "via_region_data.csv", "region_attributes", "attributes", "is no export of VIA: it needs"),
        (roboflow, "yolo", "data.yaml", "names:", "labels:", "names no classes"),
        (roboflow, "yolo", "train/labels/0.txt", "0 0.0", "5 0.0", "line 1 of train/labels/0.txt is of class 5"),
        (roboflow, "coco", "train/_annotations.coco.json", '"images"', '"pictures"', "it needs the lists images"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line_that_names_it(
    tmp_path: Path, write: Callable[[Path, str], Path], how: str, file: str, old: str, new: str, said: str
) -> None:
    folder = write(tmp_path / "parts", how)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(FarmError, match=said) as refused:
        Labelled(folder).check()
    assert str(refused.value).startswith(str(folder))
    assert "\n" not in str(refused.value)


def test_a_zip_is_said_to_want_unpacking(tmp_path: Path) -> None:
    (tmp_path / "export.zip").write_bytes(b"PK")
    with pytest.raises(FarmError) as refused:
        Labelled(tmp_path / "export.zip")
    assert refused.value.hint == "unpack it first"
