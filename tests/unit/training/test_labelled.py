"""A user's labelled folder: how it is read, what of it is refused, and how the verb `train` learns it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from spoolfarm.cli.main import main
from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.training.evaluation import finder, precision
from spoolfarm.training.labelled import Labelled
from spoolfarm.training.samples import Array

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # pycocotools' own way to make arrays, which NumPy 2 tolerates
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty pictures of bright discs (category 7) and dark squares (category 3), labelled in three ways."""
    path = tmp_path / "labelled"
    path.mkdir()
    rng = np.random.default_rng(3)
    pictures: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for number in range(1, 21):
        canvas = rng.normal(120, 6, (96, 128, 3))
        for spot, (x, y) in enumerate([(32, 30), (94, 62)]):
            x, y, size = int(x + rng.integers(-8, 9)), int(y + rng.integers(-8, 9)), int(rng.integers(12, 20))
            mask = np.zeros((96, 128), np.uint8)
            if disc := (number + spot) % 2:
                cv2.circle(mask, (x, y), size, 1, -1)
            else:
                cv2.rectangle(mask, (x - size, y - size), (x + size, y + size), 1, -1)
            canvas[mask > 0] += 90 if disc else -90
            labels.append(
                {
                    "id": len(labels) + 1,
                    "image_id": number,
                    "category_id": 7 if disc else 3,
                    "bbox": rle.toBbox(rle.encode(np.asfortranarray(mask))).tolist(),
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": written(mask, number % 3),
                }
            )
        name = f"{number}.png"
        cv2.imwrite(str(path / name), np.clip(canvas, 0, 255).astype(np.uint8))
        pictures.append({"id": number, "file_name": name, "height": 96, "width": 128})
    names = [{"id": 3, "name": "square"}, {"id": 7, "name": "disc"}]
    content = {"images": pictures, "annotations": labels, "categories": names}
    (path / "annotations.json").write_text(json.dumps(content))
    return path


def written(mask: Array, way: int) -> Any:
    """A mask as a polygon, as COCO's compressed counts, or as plain counts."""
    if way == 0:
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return [outline.ravel().tolist() for outline in outlines]
    if way == 1:
        counts = rle.encode(np.asfortranarray(mask))
        return {"size": counts["size"], "counts": counts["counts"].decode()}
    flat = np.concatenate([[0], mask.T.ravel(), [1 - mask[-1, -1]]])
    ends = np.flatnonzero(np.diff(flat)) if flat[0] == 0 else []
    return {"size": [96, 128], "counts": np.diff([0, *ends]).tolist()}


# Labelled folders.


def test_a_folder_is_read_with_its_categories_in_all_ways_to_write_a_mask(folder: Path) -> None:
    source = Labelled(folder)
    assert source.names == {3: "square", 7: "disc"}
    assert len(source.kept) == 4
    assert not set(source.kept) & set(source.learned)
    for number in range(1, 7):
        sample = source.read(number)
        assert sample.masks.shape == (2, 96, 128)
        assert sorted(sample.classes.tolist()) == [1, 2]
        for mask, label in zip(sample.masks, sample.classes, strict=True):
            inside = sample.picture[mask > 0].mean()
            assert inside > 180 if label == 2 else inside < 60


def test_samples_of_a_folder_are_zoomed_and_turned_with_their_masks(folder: Path) -> None:
    source = Labelled(folder)
    areas = []
    for number in range(30):
        sample = source.sample(1, number, 96, 96)
        assert sample.picture.shape == (96, 96, 3)
        for mask, label in zip(sample.masks, sample.classes, strict=True):
            areas.append(int(mask.sum()))
            inside, outside = sample.picture[mask > 0].mean(), np.median(sample.picture)
            assert inside > outside + 30 if label == 2 else inside < outside - 30
    assert max(areas) > 2.5 * np.median(areas)
    again = source.sample(1, 29, 96, 96)
    assert (again.picture == sample.picture).all()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("annotations.json", "{", "is no JSON"),
        ("annotations.json", "[]", "it needs the lists images, annotations, categories"),
        ("annotations.json", '{"images": [], "annotations": [], "categories": []}', "no pictures or no categories"),
        ("annotations.json", '{"images": [{"id": 1}], "annotations": [], "categories": []}', "lacks 'file_name'"),
        ("second.json", "{}", "2 JSON files"),
    ],
)
def test_labels_that_cannot_be_used_are_named(folder: Path, name: str, content: str, said: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(FarmError, match=said):
        Labelled(folder)


def test_pictures_that_cannot_be_used_are_named(folder: Path) -> None:
    source = Labelled(folder)
    (folder / "1.png").unlink()
    with pytest.raises(FarmError, match=r"1\.png cannot be read: No such file"):
        source.read(1)
    (folder / "2.png").write_bytes((folder / "3.png").read_bytes()[:200])
    with pytest.raises(FarmError, match=r"2\.png"):
        source.read(2)
    cv2.imwrite(str(folder / "4.png"), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(FarmError, match=r"1\.png cannot be read.*2 more entries"):
        source.check()
    with pytest.raises(FarmError, match=r"images\[0\] \(id 1\): '1\.png' is not in"):
        Labelled(folder)


# The verb.


@pytest.mark.timeout(400)
def test_the_shipped_net_learns_a_folder_and_its_file_says_so(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "mine.pt"
    recipe = ["--iterations", "40", "--anneal", "20", "--side", "96", "--rate", "0.004", "--batch", "2"]
    assert main(["train", "segment", "--data", str(folder), "--out", str(out), "--processes", "0", *recipe]) == 0
    said = capfd.readouterr().out
    assert "iteration 40: loss" in said
    assert f"FARM_SEGMENT_MODEL={out}" in said
    model, about = net.load(out)
    assert about["categories"] == [{"id": 3, "name": "square"}, {"id": 7, "name": "disc"}]
    assert about["training"]["data"] == "labelled"
    assert about["training"]["iterations"] == 40
    source = Labelled(folder)
    assert precision(finder(model), source.held_out(10), source.names).ap50 > 0.55
    assert about["training"]["metrics"]["ap50"] > 0.55
    picture = ElementTree.parse(f"{out}.svg").getroot()
    assert len(picture.findall("{http://www.w3.org/2000/svg}polyline")) == 3
    assert main(["train", "segment", "--data", str(folder), "--evaluate", str(out)]) == 0
    assert f"ap50 {about['training']['metrics']['ap50']:.3f}" in capfd.readouterr().out


def test_a_training_goes_on_from_its_checkpoint_only_when_told_to(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent / "mine.pt"
    asked = ["train", "segment", "--data", str(folder), "--out", str(out), "--processes", "0"]
    asked += ["--keep", "20"]  # a net that has learned nothing finds hundreds in each picture that is kept
    recipe = ["--start", "scratch", "--iterations", "1", "--batch", "1", "--side", "64"]
    assert main([*asked, *recipe]) == 0
    assert main([*asked, *recipe]) == 1
    assert "go on from it with --resume" in capfd.readouterr().err
    assert main([*asked, "--resume", "--iterations", "2"]) == 0
    assert "1 iterations of 1 pictures" in capfd.readouterr().out
    assert net.read(out)["training"]["iterations"] == 2


@pytest.mark.parametrize(
    "wrong", [["--side", "100"], ["--rate", "nan"], ["--batch", "0"], ["--iterations", "x"], ["--threads", "-1"]]
)
def test_options_that_make_no_sense_are_refused(wrong: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "segment", "--out", "x.pt", *wrong])
    assert end.value.code == 2
    assert repr(wrong[1]) in capfd.readouterr().err


def test_a_training_wants_to_know_where_the_weights_go(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "segment"]) == 1
    assert "--out FILE" in capfd.readouterr().err
