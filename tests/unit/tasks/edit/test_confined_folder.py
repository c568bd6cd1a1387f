"""The data folder: nothing outside it is read or written, whatever the path says and whoever moves links about."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spoolfarm.errors import FarmError, Forbidden, InvalidParams, InvalidRequest, SpoolUnavailable
from spoolfarm.tasks.edit.confined_folder import Folder

#: renameat2(2).
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder beside a folder with a secret in it."""
    made = tmp_path / "data"
    (made / "in").mkdir(parents=True)
    (made / "in/a.jpg").write_bytes(b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.jpg").write_bytes(b"SECRET")
    return made


@pytest.fixture
def folder(root: Path) -> Folder:
    return Folder(str(root))


def content(folder: Folder, path: str) -> bytes:
    """What a request for *path* would get."""
    descriptor = folder.open(folder.within(path, "input"), "input")
    try:
        return os.pread(descriptor, 1000, 0)
    finally:
        os.close(descriptor)


def put(folder: Folder, path: str, data: bytes = b"new") -> None:
    """Write *data* as a job would."""
    with folder.outputs(folder.within(path, "output"), "output", "mark") as outputs:
        outputs.add(os.path.basename(path), data, sync=False)
        outputs.commit(sync=False)


@pytest.mark.parametrize("path", ["in/a.jpg", "./in//a.jpg", "in/../in/a.jpg", "x/../in/a.jpg", "../data/in/a.jpg"])
def test_a_file_inside_has_many_names(folder: Folder, path: str) -> None:
    assert content(folder, path) == b"inside"


def test_absolute_paths_inside_are_taken_also_when_the_root_is_a_link(root: Path, folder: Folder) -> None:
    assert content(folder, str(root / "in/a.jpg")) == b"inside"
    link = root.parent / "link"
    link.symlink_to(root)
    for path in (root / "in/a.jpg", link / "in/a.jpg"):
        assert content(Folder(str(link)), str(path)) == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        *("../outside/a.jpg", "in/../../outside/a.jpg", "..", ".", "", "/", "/etc/passwd", "//etc/passwd", "in/.."),
        *("../data-not/a.jpg", "in/a.jpg\0.png", "x" * 5000, "\ud800.jpg", "/proc/self/cwd/a.jpg"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(folder: Folder, path: str) -> None:
    with pytest.raises((Forbidden, InvalidRequest)):
        folder.within(path, "input")


def test_links_are_not_followed(root: Path, folder: Folder) -> None:
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "file.jpg").symlink_to(root.parent / "outside/a.jpg")
    (root / "even-inside.jpg").symlink_to(root / "in/a.jpg")
    (root / "dangling.jpg").symlink_to(root.parent / "outside/new.jpg")
    for path in ("folder/a.jpg", "file.jpg", "even-inside.jpg"):
        with pytest.raises(Forbidden, match="symbolic link"):
            content(folder, path)
    for path in ("folder/a.jpg", "folder/new.jpg", "folder/below/new.jpg", "file.jpg", "dangling.jpg"):
        with pytest.raises(Forbidden, match="symbolic link"):
            folder.check_output(path, "output")
        with pytest.raises(Forbidden, match="symbolic link"):
            put(folder, path)
    assert sorted(os.listdir(root.parent / "outside")) == ["a.jpg"]
    assert (root.parent / "outside/a.jpg").read_bytes() == b"SECRET"


@contextmanager
def swapping(path: Path, target: Path) -> Iterator[None]:
    """Have *path* be by turns what it is and a link to *target*, as fast as can be, and never nothing."""
    link, over = path.with_name("link"), threading.Event()
    link.symlink_to(target)
    libc = ctypes.CDLL(None, use_errno=True)

    def swap() -> None:
        while not over.is_set():
            libc.renameat2(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(link), RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def attempts(act: Callable[[], object]) -> dict[str, int]:
    """How 3000 tries to *act* ended."""
    ended: dict[str, int] = {}
    for _ in range(3000):
        try:
            result = act()
            name = result.decode() if isinstance(result, bytes) else "done"
        except (OSError, FarmError) as error:
            name = type(error).__name__
        ended[name] = ended.get(name, 0) + 1
    return ended


def test_a_folder_that_becomes_a_link_between_check_and_use_leads_nowhere(root: Path, folder: Folder) -> None:
    with swapping(root / "in", root.parent / "outside"):
        reads = attempts(lambda: content(folder, "in/a.jpg"))
        writes = attempts(lambda: put(folder, "in/new.jpg"))
    assert "SECRET" not in reads
    assert reads["inside"]
    assert writes["done"]
    # A link that is a folder again when we look why it could not be opened is told as what the system said of it.
    assert {"inside", "Forbidden"} <= set(reads) <= {"inside", "Forbidden", "NotADirectoryError"}
    assert {"done", "Forbidden"} <= set(writes) <= {"done", "Forbidden", "InvalidParams"}
    assert os.listdir(root.parent / "outside") == ["a.jpg"]


def test_a_file_that_becomes_a_link_between_check_and_use_leads_nowhere(root: Path, folder: Folder) -> None:
    with swapping(root / "in/a.jpg", root.parent / "outside/a.jpg"):
        reads = attempts(lambda: content(folder, "in/a.jpg"))
    assert {"inside", "Forbidden"} <= set(reads) <= {"inside", "Forbidden", "OSError"}
    assert (root.parent / "outside/a.jpg").read_bytes() == b"SECRET"


def test_what_is_no_regular_file_is_not_read_and_nothing_waits_for_it(root: Path, folder: Folder) -> None:
    os.mkfifo(root / "pipe.jpg")
    (root / "folder.jpg").mkdir()
    for path in ("pipe.jpg", "folder.jpg"):
        with pytest.raises(OSError, match="Not a regular file"):
            content(folder, path)
        with pytest.raises(InvalidParams, match="no regular file"):
            folder.check_output(path, "output")
        with pytest.raises(InvalidParams, match="no regular file"):
            put(folder, path)


@pytest.mark.needs("root")
def test_a_device_is_not_read(root: Path, folder: Folder) -> None:
    try:
        os.mknod(root / "zero.jpg", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this root may not make devices")
    with pytest.raises(OSError, match="Not a regular file"):
        content(folder, "zero.jpg")


def test_a_file_that_is_not_there_is_an_error_of_the_system(folder: Folder) -> None:
    for path in ("in/b.jpg", "new/b.jpg", "in/a.jpg/b.jpg", f"{'n' * 300}.jpg"):
        with pytest.raises(OSError, match=r"Errno (2|20|36)\b"):
            content(folder, path)


def test_folders_are_made_and_files_replaced(root: Path, folder: Folder) -> None:
    put(folder, "new/deep/a.jpg", b"1")
    put(folder, "new/deep/a.jpg", b"2")
    put(folder, "in/a.jpg", b"3")
    assert (root / "new/deep/a.jpg").read_bytes() == b"2"
    assert (root / "in/a.jpg").read_bytes() == b"3"
    assert os.listdir(root / "new/deep") == ["a.jpg"]
    put(Folder(str(root / "not/yet")), "a.jpg", b"4")
    assert (root / "not/yet/a.jpg").read_bytes() == b"4"


def test_files_appear_together_at_the_end_and_whole(root: Path, folder: Folder) -> None:
    with folder.outputs("in/x.jpg", "output", "mark") as outputs:
        outputs.add("x_1.jpg", b"1" * 100_000, sync=True)
        outputs.add("x_2.jpg", b"2", sync=True)
        assert [name for name in os.listdir(root / "in") if not name.startswith(".")] == ["a.jpg"]
        outputs.commit(sync=True)
    assert sorted(os.listdir(root / "in")) == ["a.jpg", "x_1.jpg", "x_2.jpg"]


def test_what_fails_leaves_nothing_and_what_a_crash_left_is_in_nobodys_way(root: Path, folder: Folder) -> None:
    (root / "in/.mark.0").write_bytes(b"left by a crash")

    def fail() -> None:
        with folder.outputs("in/x.jpg", "output", "mark") as outputs:
            outputs.add("x.jpg", b"1", sync=False)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.listdir(root / "in") == ["a.jpg"]


@pytest.mark.parametrize(
    ("path", "error"),
    [("in/a.jpg/b.jpg", InvalidParams), (f"{'n' * 300}.jpg", InvalidParams), (f"{'n' * 300}/a.jpg", InvalidParams)],
)
def test_an_output_that_cannot_be_is_named(folder: Folder, path: str, error: type[FarmError]) -> None:
    with pytest.raises(error, match=r"^output: "):
        folder.check_output(path, "output")
    with pytest.raises(error, match=r"^output: "):
        put(folder, path)


def test_a_full_disk_and_a_lack_of_descriptors_are_the_farms_trouble(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(SpoolUnavailable, match="No space left"):
            put(folder, "in/b.jpg")

    def none_left(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", none_left)
        with pytest.raises(SpoolUnavailable, match="Too many open files"):
            folder.open("in/a.jpg", "input")
