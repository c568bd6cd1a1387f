"""Several folders and drawn scenes learned together: weights, tiles, regions that teach nothing, and who is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from spoolfarm.cli.main import main
from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.training.command import _recipe, _weighed
from spoolfarm.training.evaluation import Detection, precision
from spoolfarm.training.labelled import Labelled
from spoolfarm.training.losses import _ignored, _integral, losses, prepare
from spoolfarm.training.mixture import Mixture
from spoolfarm.training.samples import Array, Drawn, Sample
from spoolfarm.training.tiles import cut, piece
from spoolfarm.training.training import Recipe, Training

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # pycocotools' own way to make arrays, which NumPy 2 tolerates
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SMALL = net.Hyper(widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), pyramid=16, box=32, mask=(8, 8, 8))
SHORT = Recipe(iterations=3, anneal=2, warm_up=1, batch=2, side=64)


def folder(path: Path, shade: int, count: int = 9, name: str = "object") -> Path:
    """*count* grey pictures of 160x120 pixels with twelve squares of that *shade*, 9 pixels wide each."""
    path.mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        picture = np.full((120, 160, 3), 128, np.uint8)
        for spot in range(12):
            x, y = 8 + 38 * (spot % 4) + number, 12 + 36 * (spot // 4)
            picture[y : y + 9, x : x + 9] = shade
            outline = [[x, y, x + 9, y, x + 9, y + 9, x, y + 9]]
            annotations.append({"image_id": number, "category_id": 1, "segmentation": outline, "iscrowd": 0})
        cv2.imwrite(str(path / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 160, "height": 120})
    content = {
        "info": {"description": f"squares of {shade}", "licence": "CC BY 4.0"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": name}],
    }
    (path / "labels.json").write_text(json.dumps(content))
    return path


# Sources and their weights.


def test_each_source_is_learned_as_often_as_its_weight_says(tmp_path: Path) -> None:
    dark, bright = Labelled(folder(tmp_path / "dark", 20)), Labelled(folder(tmp_path / "bright", 235))
    mixture = Mixture([(dark, 1), (bright, 3)])
    seen = [mixture.sample(1, number, 64, 64) for number in range(120)]
    shades = [sample.picture[sample.masks.any(0) > 0].mean() for sample in seen]
    assert 0.6 < np.mean(np.array(shades) > 128) < 0.9
    assert (seen[7].picture == mixture.sample(1, 7, 64, 64).picture).all()


def test_a_weight_stands_behind_the_folder(tmp_path: Path) -> None:
    assert _weighed("parts/") == ("parts/", 1.0)
    assert _weighed("parts/:2.5") == ("parts/", 2.5)
    assert _weighed("synthetic:3") == ("synthetic", 3.0)
    (tmp_path / "a:2").mkdir()
    assert _weighed(str(tmp_path / "a:2")) == (str(tmp_path / "a:2"), 1.0)
    with pytest.raises(FarmError, match="a weight of 0"):
        _weighed("parts/:0")


def test_sources_that_tell_other_things_apart_are_not_learned_together(tmp_path: Path) -> None:
    labels = json.loads((folder(tmp_path / "two", 20) / "labels.json").read_text())
    labels["categories"].append({"id": 2, "name": "disc"})
    (tmp_path / "two" / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(FarmError, match="two and synthetic cannot be learned together: object, disc on one side"):
        Mixture([(Labelled(tmp_path / "two"), 1), (Drawn(), 1)])


# The pictures that are kept.


def test_one_picture_in_as_many_as_one_says_is_kept_and_the_others_are_named(tmp_path: Path) -> None:
    source = Labelled(folder(tmp_path / "a", 20), keep=3)
    assert source.kept == [1, 4, 7]
    assert source.learned == [2, 3, 5, 6, 8, 9]
    assert source.record() == [
        {
            "data": "a",
            "description": "squares of 20",
            "licence": "CC BY 4.0",
            "learned": [f"{number}.png" for number in source.learned],
        }
    ]


# Tiles.


def test_a_crowd_is_cut_into_tiles_in_which_its_objects_are_readable(tmp_path: Path) -> None:
    source = Labelled(folder(tmp_path / "a", 235))
    sides = []
    for number in range(40):
        sample = source.sample(1, number, 96, 96)
        assert sample.picture.shape == (96, 96, 3)
        assert sample.masks.shape == (len(sample.classes), 96, 96)
        for mask in sample.masks:
            assert np.count_nonzero(mask) >= 4
            inside = cv2.erode(mask, np.ones((3, 3), np.uint8))
            if inside.any():
                assert sample.picture[inside > 0].mean() > np.median(sample.picture) + 40
        sides.append(np.sqrt(np.median(sample.masks.sum(axis=(1, 2)))))
    assert np.percentile(sides, 75) > 20, "9 pixels of a picture that is shrunk to fit would be 5"
    assert min(sides) < 9, "and some are seen as they are served"


def test_labels_are_cut_where_the_tile_ends_and_what_is_left_too_little_of_teaches_nothing() -> None:
    picture = np.full((60, 60, 3), 128, np.uint8)
    mask: Array = np.zeros((60, 60), np.uint8)
    mask[20:40, 20:40] = 1
    picture[mask > 0] = 250
    known = piece(mask, 1)
    assert known is not None
    assert (known.top, known.left, known.mask.shape) == (20, 20, (20, 20))
    cut_short = 0
    for number in range(300):
        sample = cut(np.random.default_rng(number), picture, [known], None, 32, 32)
        bright = sample.picture[..., 0] > 189
        if len(sample.masks):
            assert np.count_nonzero(bright != (sample.masks[0] > 0)) <= 0.15 * bright.sum() + 8
            rows, columns = np.nonzero(sample.masks[0])
            cut_short += rows.max() == 31 or columns.max() == 31 or rows.min() == 0 or columns.min() == 0
        else:
            assert bright.sum() < 12
    assert cut_short > 5


def test_no_label_is_lost_for_being_small(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", 235)
    labels = json.loads((path / "labels.json").read_text())
    for each in labels["annotations"]:
        x, y = each["segmentation"][0][:2]
        each["segmentation"] = [[x, y, x + 3, y, x + 3, y + 3, x, y + 3]]
    (path / "labels.json").write_text(json.dumps(labels))
    source = Labelled(path)
    assert "108 objects" in source.check()
    assert "passed over" not in source.check()


# Regions that teach nothing.


def test_crowds_and_bare_boxes_are_ignored_instead_of_being_ground(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", 235, count=5)
    labels = json.loads((path / "labels.json").read_text())
    labels["annotations"][0]["iscrowd"] = 1
    bare = {"image_id": 1, "category_id": 1, "bbox": [60, 90, 30, 20]}
    labels["annotations"].append(bare)
    (path / "labels.json").write_text(json.dumps(labels))
    sample = Labelled(path).read(1)
    assert len(sample.masks) == 11
    assert sample.ignored is not None
    assert sample.ignored.sum() == 81 + 600
    assert sample.ignored[95, 70] == 1


def test_a_box_in_an_ignored_region_teaches_neither_object_nor_ground() -> None:
    region: Array = np.zeros((64, 64), np.uint8)
    region[:, :32] = 1
    boxes = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60], [10, 10, 50, 50], [30, 0, 64, 64], [-5, -5, 70, 70]])
    assert _ignored(boxes, torch.from_numpy(_integral(region))).tolist() == [True, False, True, False, False]
    torch.manual_seed(1)
    model = net.build(**asdict(SMALL))
    prepare(model)
    model.train()
    picture = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    nothing = Sample(picture, np.zeros((0, 64, 64), np.uint8), np.zeros(0, np.int64))
    everywhere = replace(nothing, ignored=np.ones((64, 64), np.uint8))
    with torch.no_grad():
        assert float(losses(model, [nothing])["loss_objectness"]) > 0.1
        assert float(losses(model, [everywhere, nothing])["loss_objectness"]) > 0.1
    whole = {"boxes": torch.zeros((0, 4)), "ignored": torch.from_numpy(_integral(np.ones((64, 64), np.uint8)))}
    labels, _ = model.rpn.assign_targets_to_anchors([boxes], [whole])
    assert labels[0].tolist() == [-1] * 5
    labels, _ = model.rpn.assign_targets_to_anchors([boxes], [{"boxes": torch.zeros((0, 4))}])
    assert labels[0].tolist() == [0] * 5


def test_what_is_found_in_an_ignored_region_is_neither_right_nor_wrong() -> None:
    mask: Array = np.zeros((1, 40, 40), np.uint8)
    mask[0, 2:12, 2:12] = 1
    other = np.roll(mask[0], 20, axis=1)
    sample = Sample(np.zeros((40, 40, 3), np.uint8), mask, np.ones(1, np.int64), other)
    answer = [Detection(other, 0.9), Detection(mask[0], 0.8)]
    assert precision(lambda _: answer, [sample]).ap == pytest.approx(1)
    assert precision(lambda _: answer, [replace(sample, ignored=None)]).ap < 0.9


def test_counts_are_exact_where_as_many_sure_objects_are_found_as_there_are() -> None:
    mask: Array = np.zeros((2, 40, 40), np.uint8)
    mask[0, 2:12, 2:12] = mask[1, 22:32, 22:32] = 1
    sample = Sample(np.zeros((40, 40, 3), np.uint8), mask, np.ones(2, np.int64))
    both = [Detection(mask[0], 0.9), Detection(mask[1], 0.6), Detection(mask[1], 0.4)]
    assert precision(lambda _: both, [sample]).exact == 1
    assert precision(lambda _: both[1:], [sample]).exact == 0


# Time.


def test_with_minutes_the_rate_comes_down_and_the_training_ends_in_time() -> None:
    recipe = Recipe(iterations=1000, anneal=400, warm_up=1, rate=1.0, minutes=10)
    assert recipe.rate_at(5, 300) == 1
    assert recipe.rate_at(5, 480) == pytest.approx(0.5)
    assert recipe.rate_at(5, 600) == 0
    training = Training(SMALL, replace(SHORT, iterations=100_000, minutes=1e-4), Drawn())
    assert len(list(training.steps(processes=0))) == 1


def test_a_folders_training_has_minutes_unless_its_iterations_are_said(tmp_path: Path) -> None:
    source = Labelled(folder(tmp_path / "a", 20))
    assert _recipe(source, {}).minutes == 25
    assert _recipe(source, {"iterations": 50}).minutes == 0
    long = _recipe(source, {"minutes": 600.0})
    assert long.minutes == 600
    assert long.iterations > 100_000
    assert _recipe(Drawn(), {}).minutes == 0


# The verb.


def test_folders_are_learned_together_and_the_file_says_which_pictures(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, shade in (("dark", 20), ("bright", 235)):
        folder(tmp_path / name, shade, count=3)
    out = tmp_path / "mine.pt"
    data = ["--data", f"{tmp_path}/dark:2", "--data", f"{tmp_path}/bright/", "--keep", "3"]
    recipe = ["--start", "scratch", "--iterations", "1", "--batch", "2", "--side", "64", "--processes", "0"]
    assert main(["train", "segment", *data, "--out", str(out), *recipe]) == 0
    said = capfd.readouterr().out
    assert "dark: ap" in said
    about = net.read(out)["training"]
    assert about["data"] == "dark bright"
    assert [each["data"] for each in about["sources"]] == ["dark", "bright"]
    assert [each["share"] for each in about["sources"]] == pytest.approx([0.667, 0.333])
    assert about["sources"][0]["learned"] == ["2.png", "3.png"]
    assert about["sources"][0]["licence"] == "CC BY 4.0"
    assert main(["train", "segment", *data, "--evaluate", "default"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[-2:]] == ["dark", "bright"]
    assert all("exact" in line for line in lines[-2:])


def test_the_packages_net_is_evaluated_on_other_categories_and_on_several(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder(tmp_path / "a", 235, count=2, name="square")
    labels = json.loads((path / "labels.json").read_text())
    labels["categories"].append({"id": 5, "name": "disc"})
    (path / "labels.json").write_text(json.dumps(labels))
    assert main(["train", "segment", "--data", str(path), "--evaluate", "default"]) == 0
    said = capfd.readouterr().out
    assert "default knows one category; objects are compared whatever theirs" in said
    assert "ap50 " in said


def test_a_folders_training_says_what_it_was_worth_and_keeps_the_best_weights(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spoolfarm.training.course.EVALUATE_LABELLED", 1)
    monkeypatch.setattr("spoolfarm.training.course.PATIENCE", 2)
    path, out, small = folder(tmp_path / "a", 235, count=3), tmp_path / "mine.pt", tmp_path / "small.pt"
    torch.manual_seed(1)
    net.save(small, net.build(**asdict(SMALL)).state_dict(), SMALL, {1: "object"}, {})
    recipe = ["--start", str(small), "--iterations", "9", "--batch", "1", "--side", "64", "--rate", "0.9"]
    recipe += ["--processes", "0", "--keep", "3"]
    assert main(["train", "segment", "--data", str(path), "--out", str(out), *recipe]) == 0
    said = capfd.readouterr().out
    assert "before, a: ap" in said
    assert "no better for 2 evaluations: it ends here" in said
    assert "a: AP " in said.splitlines()[-1]
    assert " -> " in said.splitlines()[-1]
    assert net.read(out)["training"]["iterations"] < 9
