"""Which files a batch does, by what name, and each once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from spoolfarm.batch.inputs import DOCUMENTS, PICTURES, Inputs, find, listed
from spoolfarm.batch.ledger import MARK


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: one of the test's own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def names(*words: str, suffixes: Iterable[str] = PICTURES) -> list[str]:
    found = find(words, frozenset(suffixes))
    return [found.name(path) for path in found.paths]


def test_a_folder_stands_for_all_pictures_in_it_and_below_it_in_order() -> None:
    make("in/b.jpg", "in/a.PNG", "in/2024/三月.tiff", "in/notes.txt", "in/c.jpg.json", "in/d.pdf", "in/line\nbreak.gif")
    assert names("in") == ["2024/三月.tiff", "a.PNG", "b.jpg", "line\nbreak.gif"]
    assert names("in", suffixes=PICTURES | DOCUMENTS)[-2:] == ["d.pdf", "line\nbreak.gif"]


def test_hidden_names_and_the_results_of_a_batch_are_passed_over() -> None:
    make("in/a.jpg", "in/._a.jpg", "in/.thumbs/a.jpg", f"in/ocr-results/{MARK}", "in/ocr-results/a.jpg.png")
    assert names("in") == ["a.jpg"]
    assert names("in/ocr-results") == []


def test_links_to_pictures_are_taken_and_links_to_folders_are_not() -> None:
    make("in/a.jpg", "else/b.jpg")
    os.symlink("a.jpg", "in/link.jpg")
    os.symlink("../else", "in/folder")
    os.symlink("..", "in/loop")
    os.symlink("nowhere", "in/broken.jpg")
    os.mkfifo("in/pipe.jpg")
    os.mkdir("in/folder.jpg")
    assert names("in") == ["a.jpg", "link.jpg"]
    assert names("in/folder") == ["b.jpg"]


def test_each_file_is_there_once_however_often_it_was_named(here: Path) -> None:
    make("in/a.jpg", "in/b.jpg")
    found = find(["in", "in/a.jpg", "./in/../in/b.jpg", f"{here}/in/a.jpg", "in/*.jpg", "in"], PICTURES)
    assert found.paths == [f"{here}/in/a.jpg", f"{here}/in/b.jpg"]


def test_a_named_file_may_end_as_it_likes() -> None:
    make("scan", "notes.txt")
    assert names("scan", "notes.txt") == ["scan", "notes.txt"]


def test_globs_find_files_and_folders_and_lose_to_a_file_that_is_really_called_so() -> None:
    make("x/1.jpg", "x/y/2.jpg", "x/3.txt", "[z].jpg", "z.jpg")
    assert names("x/*.txt") == ["x/3.txt"]
    assert names("**/*.jpg") == ["[z].jpg", "x/1.jpg", "x/y/2.jpg", "z.jpg"]
    assert names("x/?") == ["x/y/2.jpg"]
    assert names("[z].jpg") == ["[z].jpg"]


def test_what_leads_nowhere_stays_to_be_named_as_a_failure() -> None:
    make("a.jpg")
    assert names("a.jpg", "b.jpg", "*.png") == ["a.jpg", "b.jpg", "*.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_not_overlooked() -> None:
    make("in/locked/a.jpg")
    os.chmod("in/locked", 0)
    assert names("in") == ["locked"]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", ["a\nb.jpg", "c.jpg"]),
        ("三.jpg\n".encode() + b"\xff.jpg\n", ["三.jpg", "\udcff.jpg"]),
        (b"", []),
    ],
)
def test_a_list_has_a_name_a_line_or_names_ended_by_nuls(data: bytes, found: list[str]) -> None:
    assert listed(data) == found


def test_names_go_from_the_folder_given_alone_else_from_here_else_from_what_holds_all(tmp_path: Path) -> None:
    make("in/x/a.jpg", "b.jpg", "../other/c.jpg", "../other/deep/d.jpg")
    other = str(tmp_path / "other")
    assert names("in") == ["x/a.jpg"]
    assert names("in/x/a.jpg") == ["in/x/a.jpg"]
    assert names("in", "b.jpg") == ["in/x/a.jpg", "b.jpg"]
    assert names(other) == ["c.jpg", "deep/d.jpg"]
    assert names(f"{other}/c.jpg", f"{other}/deep/d.jpg") == ["c.jpg", "deep/d.jpg"]
    assert names("b.jpg", other) == ["here/b.jpg", "other/c.jpg", "other/deep/d.jpg"]


def test_the_root_is_a_base_too() -> None:
    assert Inputs("/", ["/a/b.jpg"]).name("/a/b.jpg") == "a/b.jpg"


def test_what_is_passed_over_is_counted_by_kind_and_named() -> None:
    make("in/a.jpg", *(f"in/{name}.txt" for name in "bcde"), "in/scan", "in/x.HEIC", "in/._a.jpg", "in/.hidden.jpg")
    make("in/Thumbs.db", "in/desktop.ini", "in/~$x.jpg", "in/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "in/__MACOSX/a.jpg")
    found = find(["in"], PICTURES - {".heic"})
    assert [found.name(path) for path in found.paths] == ["a.jpg"]
    assert found.said() == (
        "6 of the system (._a.jpg, @eaDir, Thumbs.db, ...), 4 .txt (b.txt, c.txt, d.txt, ...), 1 .heic (x.HEIC), "
        "1 hidden (.hidden.jpg), 1 without a suffix (scan)"
    )
    os.symlink("nowhere", "in/link.jpg")
    os.mkfifo("in/fifo.jpg")
    assert (
        find(["in/"], PICTURES)
        .said()
        .endswith(" 2 not a file (fifo.jpg, link.jpg), 1 hidden (.hidden.jpg), 1 without a suffix (scan)")
    )
    assert find(["in/b.txt"], PICTURES).said() == ""  # it was named, and is an input
    assert find(["in", "in/b.txt"], PICTURES).passed_over == [
        path for path in find(["in"], PICTURES).passed_over if not path.endswith("b.txt")
    ]
