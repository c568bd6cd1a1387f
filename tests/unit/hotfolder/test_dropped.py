"""A dropped file: whether its writer has closed it, whether it looks whole, and when it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spoolfarm.errors import TooLarge
from spoolfarm.hotfolder import dropped
from tests.support.pictures import small


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_file_is_closed_when_nobody_has_it_open_for_writing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    with opened(file) as descriptor:
        if dropped.closed(descriptor) is None:
            pytest.skip("this file system knows no leases")
        assert dropped.closed(descriptor) is True
        with open(file, "ab"):
            assert dropped.closed(descriptor) is False
        with open(file, "rb"):
            assert dropped.closed(descriptor) is True


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_a_picture_looks_whole_until_its_end_is_missing(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a"
    for data, whole in ((small(kind), True), (small(kind)[:-20], False), (small(kind)[: len(small(kind)) // 2], False)):
        file.write_bytes(data)
        with opened(file) as descriptor:
            assert dropped.looks_whole(descriptor, len(data)) is whole


def test_a_tiff_looks_whole_when_the_list_of_its_parts_is_there(tmp_path: Path) -> None:
    for order, data in (("little", b"II*\0"), ("big", b"MM\0*")):
        whole = data + (100).to_bytes(4, order) + bytes(120)  # type: ignore[arg-type]
        (tmp_path / "a").write_bytes(whole)
        with opened(tmp_path / "a") as descriptor:
            assert dropped.looks_whole(descriptor, 128) is True
            assert dropped.looks_whole(descriptor, 100) is False


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_room_that_was_reserved_does_not_look_whole(tmp_path: Path, kind: str) -> None:
    data = small(kind)
    for begun in (0, len(data) // 2):
        (tmp_path / "a").write_bytes(data[:begun] + bytes(len(data) - begun + dropped.TAIL))
        with opened(tmp_path / "a") as descriptor:
            assert dropped.looks_whole(descriptor, (tmp_path / "a").stat().st_size) is False


def test_anything_but_nothing_looks_whole_when_its_format_is_not_known(tmp_path: Path) -> None:
    for data, whole in ((b"", False), (b"anything", True), (b"%PDF-1.7 ...", False), (b"%PDF-1.7 %%EOF\n", True)):
        (tmp_path / "a").write_bytes(data)
        with opened(tmp_path / "a") as descriptor:
            assert dropped.looks_whole(descriptor, len(data)) is whole


@pytest.mark.parametrize(
    ("told", "data", "quiet", "taken"),
    [
        (True, small(), 0.0, True),
        (True, small()[:-20], dropped.CUT_SHORT - 0.1, False),
        (True, small()[:-20], dropped.CUT_SHORT, True),
        (None, small(), dropped.QUIET - 0.1, False),
        (None, small(), dropped.QUIET, True),
        (False, small(), 1000.0, False),
    ],
)
def test_what_the_kernel_does_not_tell_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool | None, data: bytes, quiet: float, taken: bool
) -> None:
    monkeypatch.setattr(dropped, "closed", lambda descriptor: told)
    (tmp_path / "a").write_bytes(data)
    with opened(tmp_path) as folder:
        if taken:
            assert dropped.read(folder, "a", 10**6, lambda identity: quiet)[1] == data
        else:
            with pytest.raises(dropped.Unfinished):
                dropped.read(folder, "a", 10**6, lambda identity: quiet)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    with opened(tmp_path) as folder, pytest.raises(TooLarge, match="11 bytes are over the limit of 10"):
        dropped.read(folder, "a", 10, lambda identity: 0.0)


@pytest.mark.parametrize(
    ("data", "taken"),
    [(b"%PDF-1.7 ... %%EOF", True), (b"II*\0\x08\0\0\0a whole page", True), (b"GIF89a in vain;", False)],
)
def test_a_document_may_be_of_any_size_where_documents_are_taken(tmp_path: Path, data: bytes, taken: bool) -> None:
    (tmp_path / "a").write_bytes(data)
    with opened(tmp_path) as folder:
        if taken:
            assert dropped.read(folder, "a", 10, lambda identity: 9.0, documents=True)[1] == data
        else:
            with pytest.raises(TooLarge):
                dropped.read(folder, "a", 10, lambda identity: 9.0, documents=True)
        with pytest.raises(TooLarge):
            dropped.read(folder, "a", 10, lambda identity: 9.0)
