"""Pictures of a folder by the names that labels give them, from other systems and other machines too."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from spoolfarm.errors import FarmError
from spoolfarm.training.pictures import Pictures


def folder(path: Path, *names: str) -> Pictures:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"")
    return Pictures(path, "train")


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg", "images/a.jpg"),
        ("a.jpg", "images/train/a.jpg"),
        ("a.jpg", "images/default/a.jpg"),
        ("a.jpg", "train/a.jpg"),
        ("deep/a.jpg", "images/deep/a.jpg"),
        ("images/a.jpg", "images/a.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("images\\a.jpg", "images/a.jpg"),
        ("images\\a.jpg", "images\\a.jpg"),
        (".\\images\\\\a.jpg", "images/a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("..\\..\\label-studio\\media\\upload\\4\\a.jpg", "images/a.jpg"),
        ("C:\\Users\\me\\images\\deep\\a.jpg", "images/deep/a.jpg"),
        ("/home/me/data/a.jpg", "a.jpg"),
        ("/data/upload/1/a.jpg", "images/a.jpg"),
        ("ä b.jpg", "ä b.jpg"),
        (unicodedata.normalize("NFD", "ä.jpg"), "ä.jpg"),
        ("ä.jpg", unicodedata.normalize("NFD", "ä.jpg")),
    ],
)
def test_a_picture_is_found(tmp_path: Path, name: str, there: str) -> None:
    assert folder(tmp_path, there, "other/b.jpg").find(name) == tmp_path / there


@pytest.mark.parametrize(
    "places", [("a.jpg", "images/a.jpg"), ("images/a.jpg", "x/a.jpg"), ("images/train/a.jpg", "b/a.jpg")]
)
def test_of_pictures_of_one_name_the_usual_place_is_meant(tmp_path: Path, places: tuple[str, str]) -> None:
    assert folder(tmp_path, *places).find("a.jpg") == tmp_path / places[0]


def test_pictures_of_one_name_in_two_folders_are_told_apart_by_these(tmp_path: Path) -> None:
    pictures = folder(tmp_path, "one/a.jpg", "two/a.jpg")
    assert pictures.find("two/a.jpg") == tmp_path / "two/a.jpg"
    with pytest.raises(FarmError, match=r"'a\.jpg' could be one/a\.jpg or two/a\.jpg"):
        pictures.find("a.jpg")


@pytest.mark.parametrize("name", ["b.jpg", "one/b.jpg", "three/a.jpg", "", "/", "..", "a\0.jpg", "x" * 5000, "jpg"])
def test_a_picture_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FarmError, match="is not in"):
        folder(tmp_path, "one/a.jpg").find(name)


def test_linked_folders_are_looked_into_once(tmp_path: Path) -> None:
    folder(tmp_path / "elsewhere", "a.jpg")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/again").symlink_to(tmp_path / "set")
    assert folder(tmp_path / "set").find("a.jpg") == tmp_path / "set/images/a.jpg"
