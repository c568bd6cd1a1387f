"""Pictures: the digits, class folders, the split and the deal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import data


def folder_of(path: Path, colours: dict[str, tuple[int, int, int]], count: int = 10) -> Path:
    """A folder of plain pictures, one class for each colour."""
    for name, colour in colours.items():
        (path / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (20, 10), colour).save(path / name / f"{number}.png")
    return path


def test_the_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits  # which takes a second, in each process that looks for tests

    pictures, classes = data.read_digits()
    original = load_digits()
    assert np.array_equal(pictures.labels, original.target)
    assert np.array_equal(pictures.images[:, 0], np.round(original.images * 255 / 16))
    assert classes == tuple("0123456789")


def test_the_three_parts_share_no_picture_and_have_every_class() -> None:
    dataset = data.load("", 0, 1)
    parts = dataset.train, dataset.validation, dataset.test
    assert [len(part) for part in parts] == [1259, 269, 269]
    assert all(set(part.labels.tolist()) == set(range(10)) for part in parts)
    labels = data.read_digits()[0].labels.numpy()
    assert sorted(np.concatenate(data._split(labels, 1))) == list(range(len(labels)))


def test_the_deal_gives_each_picture_to_one_client() -> None:
    labels = data.load("", 0, 1).train.labels.numpy()
    dealt = data.deal(labels, 6, 0.5, 1)
    assert sorted(np.concatenate(dealt)) == list(range(len(labels)))
    assert min(map(len, dealt)) >= data.FEWEST


def test_a_small_alpha_deals_unevenly_and_a_large_one_evenly() -> None:
    labels = data.load("", 0, 1).train.labels.numpy()

    def commonest(alpha: float) -> float:
        """The mean share of a client's commonest class: 0.1 when all ten are even."""
        dealt = data.deal(labels, 6, alpha, 1)
        return float(np.mean([np.bincount(labels[hand]).max() / len(hand) for hand in dealt]))

    assert commonest(100) < 0.15 < 0.3 < commonest(0.1)


def test_more_clients_than_the_pictures_can_serve_are_refused() -> None:
    with pytest.raises(ValueError, match="clients 500: 1259 training pictures are not enough"):
        data.deal(data.load("", 0, 1).train.labels.numpy(), 500, 0.5, 1)


def test_normalisation_comes_from_the_training_part_alone(tmp_path: Path) -> None:
    dataset = data.load(str(folder_of(tmp_path, {"red": (255, 0, 0), "blue": (0, 0, 255)})), 16, 1)
    assert dataset.mean == pytest.approx((0.5, 0, 0.5))
    train = dataset.train.images.float() / 255
    assert dataset.deviation[0] == pytest.approx(float(train[:, 0].std()))
    assert dataset.classes == ("blue", "red")
    assert (dataset.channels, dataset.size) == (3, 16)


def test_a_broken_picture_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path, {"red": (255, 0, 0), "blue": (0, 0, 255)})
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    (folder / "red" / "notes.txt").write_text("no picture either")
    pictures, _ = data.read_folder(folder, 8)
    assert len(pictures) == 20
    assert "broken.png: not used" in capsys.readouterr().err


def test_a_turned_photograph_is_set_upright(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"red": (255, 0, 0), "blue": (0, 0, 255)})
    picture = Image.new("RGB", (20, 20))
    picture.paste((255, 255, 255), (0, 0, 20, 10))  # the upper half is white
    exif = picture.getexif()
    exif[0x0112] = 3  # to be turned by half
    picture.save(folder / "blue" / "aa.jpg", exif=exif)
    pictures, _ = data.read_folder(folder, 8)
    turned = pictures.images[10].float()
    assert turned[:, :3].mean() < 20 < 235 < turned[:, 5:].mean()


@pytest.mark.parametrize(
    ("classes", "message"),
    [({}, "at least two folders"), ({"red": (255, 0, 0)}, "at least two folders")],
)
def test_a_folder_without_classes_is_refused(
    tmp_path: Path, classes: dict[str, tuple[int, int, int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        data.read_folder(folder_of(tmp_path, classes), 8)


def test_a_class_of_too_few_pictures_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"red": (255, 0, 0), "blue": (0, 0, 255)})
    (folder / "green").mkdir()
    with pytest.raises(ValueError, match="class green has fewer than three pictures"):
        data.read_folder(folder, 8)


def test_enlarged_digits_look_the_same() -> None:
    small, _ = data.read_digits()
    large, _ = data.read_digits(32)
    assert large.images.shape == (1797, 1, 32, 32)
    shrunk = torch.nn.functional.avg_pool2d(large.images.float(), 4)
    assert (shrunk - small.images.float()).abs().mean() < 20
