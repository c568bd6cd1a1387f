"""Labels are checked with all their pictures before a training begins, and what was learned outlives its evaluation."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from spoolfarm.cli.main import main
from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.training import course
from spoolfarm.training.labelled import Labelled
from spoolfarm.training.samples import _Batches, batches

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # pycocotools' own way to make arrays, which NumPy 2 tolerates
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

#: The shortest training there is.
SHORTEST = ["--start", "scratch", "--iterations", "1", "--batch", "1", "--side", "64", "--processes", "0"]


def square(x: int, y: int) -> list[int]:
    return [x, y, x + 20, y, x + 20, y + 20, x, y + 20]


def folder(path: Path, count: int = 6) -> dict[str, Any]:
    """*count* pictures of 80x60 pixels with a bright square each; what is to be said of them."""
    path.mkdir(exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        picture = np.full((60, 80, 3), 60, np.uint8)
        picture[15:36, 10:31] = 200
        cv2.imwrite(str(path / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": [square(10, 15)]})
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "square"}]}


def labelled(path: Path, said: Any) -> Labelled:
    (path / "labels.json").write_text(json.dumps(said))
    return Labelled(path)


def test_what_there_is_to_learn_is_said_in_one_line(tmp_path: Path) -> None:
    said = folder(tmp_path)
    said["annotations"][1]["segmentation"] = []
    said["annotations"][2] |= {"iscrowd": 1}
    said["annotations"].append({"image_id": 1, "category_id": 1, "segmentation": [[4, 4, 5, 4, 5, 5, 4, 5]]})
    assert labelled(tmp_path, said).check() == (
        "6 pictures, 4 objects, 1 category; 2 without objects; passed over: 1 label without an outline, "
        "1 label of crowds (iscrowd 1), 1 label of fewer than 4 pixels; "
        "too few to keep some for the evaluation, which sees those that are learned"
    )


def test_what_is_kept_has_objects_and_so_has_what_is_learned(tmp_path: Path) -> None:
    said = folder(tmp_path, 12)
    said["annotations"] = said["annotations"][6:]
    source = labelled(tmp_path, said)
    assert not set(source.kept) & set(source.learned)
    assert sum(len(each.masks) for each in source.held_out(99)) == 2
    assert sum(len(source.read(each).masks) for each in source.learned) == 4
    alone = labelled(tmp_path, {**said, "annotations": said["annotations"][:1]})
    assert alone.kept == alone.learned
    assert len(next(alone.held_out(1)).masks) == 1


def test_labels_that_swap_width_and_height_are_read_as_the_picture_is_upright(tmp_path: Path) -> None:
    said = folder(tmp_path)
    said["images"][2] |= {"width": 60, "height": 80}
    turned = Image.fromarray(cv2.rotate(cv2.imread(str(tmp_path / "4.png")), cv2.ROTATE_90_COUNTERCLOCKWISE))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "4.jpg", exif=exif)
    said["images"][3] |= {"file_name": "4.jpg", "width": 60, "height": 80}
    source = labelled(tmp_path, said)
    assert "; 2 with width and height swapped in the labels" in source.check()
    for number in (3, 4):
        sample = source.read(number)
        assert sample.picture[sample.masks[0] > 0].mean() > 190


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"width": 800, "height": 600}, r"images\[4\] \(id 5\) says that 5.png has 800x600 pixels, but it has 80x60"),
        ({"file_name": "50.png"}, r"images\[4\] \(id 5\): '50.png' is not in"),
        ({"file_name": "2.png"}, r"images\[1\] \(id 2\) and images\[4\] \(id 5\) are both the picture .*2.png"),
        ({"file_name": "cut.png"}, r"cut\.png: the picture is damaged or cut short"),
        ({"file_name": "text.png"}, r"text\.png: the bytes are no picture"),
        ({"file_name": "empty.png"}, r"empty\.png: the bytes are no picture"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named_before_anything_is_learned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], wrong: dict[str, Any], reason: str
) -> None:
    said = folder(tmp_path)
    (tmp_path / "cut.png").write_bytes((tmp_path / "5.png").read_bytes()[:90])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    said["images"][4] |= wrong
    (tmp_path / "labels.json").write_text(json.dumps(said))
    assert main(["train", "segment", "--data", str(tmp_path), "--out", str(tmp_path / "x.pt"), *SHORTEST]) == 1
    out, err = capfd.readouterr()
    assert "iterations" not in out
    [line] = err.splitlines()
    assert "labels.json: " in line
    with pytest.raises(FarmError, match=reason):
        Labelled(tmp_path).check()


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([square(10, 70)], "reaches to y = 90, and the picture is 60 pixels high"),
        ([square(-30, 15)], "reaches to x = -30"),
        ({"size": [80, 60], "counts": [0, 4800]}, "picture of 60x80 pixels, and the picture has 80x60"),
    ],
)
def test_a_label_that_does_not_fit_its_picture_is_named_with_it(tmp_path: Path, segmentation: Any, reason: str) -> None:
    said = folder(tmp_path)
    said["annotations"][0]["segmentation"] = segmentation  # of a kept picture
    with pytest.raises(FarmError, match=rf"labels\.json: annotations\[0\] \(id 1\) does not fit 1\.png: .*{reason}"):
        labelled(tmp_path, said).check()


def test_labels_that_are_all_too_small_are_refused(tmp_path: Path) -> None:
    said = folder(tmp_path)
    for each in said["annotations"]:
        each["segmentation"] = [[value / 80 for value in square(10, 15)]]
    with pytest.raises(FarmError, match="no label can be learned from; there are 6 labels of fewer than 4 pixels"):
        labelled(tmp_path, said).check()


def test_of_several_files_of_labels_one_can_be_named(tmp_path: Path) -> None:
    said = folder(tmp_path)
    (tmp_path / "annotations").mkdir()
    for part in ("train", "val"):
        (tmp_path / f"annotations/instances_{part}.json").write_text(json.dumps(said))
    with pytest.raises(FarmError, match="2 JSON files of labels where one is needed: annotations/instances_train"):
        Labelled(tmp_path)
    assert len(Labelled(tmp_path / "annotations/instances_val.json").kept) == 2
    with pytest.raises(FarmError, match="none is no folder"):
        Labelled(tmp_path / "none")


def test_a_picture_that_goes_while_it_is_learned_is_named_without_a_traceback(tmp_path: Path) -> None:
    source = labelled(tmp_path, folder(tmp_path))
    for path in tmp_path.glob("*.png"):
        path.unlink()
    [sent] = islice(_Batches(source, 1, 0, 1, 64, slice(None)), 1)  # by the process that reads the pictures
    assert isinstance(sent, FarmError)
    with pytest.raises(FarmError, match=r"^\S+\.png cannot be read: No such file or directory$"):
        next(batches(source, 1, 0, 1, 64, processes=0))


# What was learned.


def test_weights_are_written_before_they_are_evaluated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "mine.pt"
    said = folder(data)
    labelled(data, said)
    asked = ["train", "segment", "--data", str(data), "--out", str(out), *SHORTEST]
    with monkeypatch.context() as failing:
        failing.setattr(course, "precision", lambda *_, **__: [].pop())
        failing.setattr(course, "EVALUATE_LABELLED", 1)
        assert main([*asked, "--iterations", "2"]) == 1
    told, err = capfd.readouterr()
    assert "the evaluation failed: IndexError: pop from empty list" in told, "one on the way ends nothing"
    assert f"{out} is whole, but its evaluation failed: IndexError: pop from empty list" in err
    assert net.load(out)[1]["training"]["metrics"] == {}
    assert net.load(out)[1]["training"]["iterations"] == 2
    assert main([*asked[:6], "--resume", "--processes", "0"]) == 0
    assert net.load(out)[1]["training"]["metrics"]["ap"] >= 0
    said["categories"].append({"id": 2, "name": "disc"})
    labelled(data, said)
    assert main([*asked[:6], "--resume"]) == 1
    assert "is of 1 categories, and the data of 2" in capfd.readouterr().err
    assert main([*asked[:4], "--evaluate", str(out)]) == 1
    assert "tells apart square, and the data square, disc" in capfd.readouterr().err


def test_a_place_that_is_none_is_known_before_anything_is_learned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labelled(tmp_path, folder(tmp_path))
    for place in (tmp_path / "none/x.pt", tmp_path):
        assert main(["train", "segment", "--data", str(tmp_path), "--out", str(place), *SHORTEST]) == 1
        out, err = capfd.readouterr()
        assert f"--out {place} is no file in a folder that there is" in err
        assert "iterations" not in out
