"""Directories opened one from the other: no link on the way leads elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoolfarm.spool import files


def test_a_directory_is_opened_from_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    with files.open_directory(str(tmp_path), ["a", "b"]) as directory:
        assert os.listdir(directory) == ["file"]
    with files.open_directory(str(tmp_path), []) as directory:
        assert os.listdir(directory) == ["a"]


def test_what_is_missing_is_made_when_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.open_directory(str(tmp_path), ["a", "b"]):
        pass
    with files.open_directory(str(tmp_path), ["a", "b"], make=True) as directory:
        assert os.fstat(directory).st_ino == (tmp_path / "a/b").stat().st_ino


def test_a_link_on_the_way_is_named_and_the_root_may_be_one(tmp_path: Path) -> None:
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/astray").symlink_to(tmp_path)
    with files.open_directory(str(tmp_path / "link"), ["inner"]):
        pass
    for make in (False, True):
        with pytest.raises(files.LinkFound) as raised, files.open_directory(f"{tmp_path}/real", ["astray"], make=make):
            pass
        assert raised.value.filename == "astray"
    assert issubclass(files.LinkFound, NotADirectoryError)


def test_a_file_on_the_way_is_no_directory_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as raised, files.open_directory(str(tmp_path), ["file", "b"]):
        pass
    assert not isinstance(raised.value, files.LinkFound)


def test_no_descriptor_stays_open_when_the_way_breaks_off(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError), files.open_directory(str(tmp_path), ["a", "gone"]):
        pass
    assert len(os.listdir("/proc/self/fd")) == before
