"""Writing files so that no reader ever sees half of anything, and sharing fsyncs."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from spoolfarm.spool import files
from tests.support.running_farm import until
from tests.support.spool_jobs import refuse


def test_a_new_file_holds_all_buffers_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new"
    files.write_new(str(path), [b"one ", b"", b"two"], sync=True)
    assert path.read_bytes() == b"one two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        files.write_new(str(path), [b"yours"])
    assert path.read_text() == "mine"


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_file_that_cannot_be_written_is_gone_again(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, call, refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        files.write_new(str(tmp_path / "new"), [b"content"], sync=True)
    assert not list(tmp_path.iterdir())


def test_a_failed_sync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="I/O error"):
        files.write_new(str(tmp_path / "new"), [b"content"], sync=True)
    assert len(calls) == 1


def test_short_writes_and_short_reads_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = os.write, os.read
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:3]))
    monkeypatch.setattr(os, "read", lambda descriptor, count: read(descriptor, min(count, 5)))
    path = str(tmp_path / "new")
    files.write_new(path, [b"0123456789", b"abcdefgh"])
    assert files.read(path) == b"0123456789abcdefgh"


def test_reading_follows_no_link_and_waits_for_no_fifo(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="symbolic links"):
        files.read(str(tmp_path / "link"))
    assert files.read(str(tmp_path / "fifo")) == b""


def test_a_replaced_file_is_seen_old_or_new_and_never_in_between(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    contents = {b"a" * 100_000, b"b" * 100_000}
    files.write_atomic(path, b"a" * 100_000)
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(files.read(path))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(200):
            files.write_atomic(path, b"ab"[number % 2 : number % 2 + 1] * 100_000)
        until(lambda: len(seen) == 2 or not reader.is_alive())
    finally:
        stop.set()
        reader.join()
    assert seen == contents
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "rename", refuse(errno.EROFS))
    with pytest.raises(OSError, match="Read-only"):
        files.write_atomic(str(path), b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_lines_appended_at_once_do_not_mix(tmp_path: Path) -> None:
    path = str(tmp_path / "log")

    def write(letter: str) -> None:
        for _ in range(300):
            files.append(path, letter.encode() * 200 + b"\n")

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = Path(path).read_text().split("\n")[:-1]
    assert len(found) == 1200
    assert all(len(line) == 200 and len(set(line)) == 1 for line in found)


def test_the_first_to_publish_wins_and_no_temporary_file_stays(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    place = str(tmp_path / "place")
    assert files.publish(str(tmp_path / "one"), place) is True
    assert files.publish(str(tmp_path / "two"), place) is False
    assert Path(place).read_text() == "one"
    assert os.listdir(tmp_path) == ["place"]


def test_a_publication_that_fails_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_text("one")
    monkeypatch.setattr(os, "link", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        files.publish(str(tmp_path / "one"), str(tmp_path / "place"))
    assert not list(tmp_path.iterdir())


def test_removing_tells_whether_there_was_anything(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.remove(str(tmp_path / "file")) is True
    assert files.remove(str(tmp_path / "file")) is False


def test_only_empty_directories_are_removed(tmp_path: Path) -> None:
    for name in ("empty", "full", "full/inside"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    for name in ("empty", "full", "file", "missing"):
        files.remove_empty(str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]


def test_what_is_gone_was_modified_now_and_has_no_names_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.utime(tmp_path / "file", (1000, 1000))
    assert files.modified(str(tmp_path / "file")) == 1000
    assert files.modified(str(tmp_path / "missing")) > 1e9
    assert files.names(str(tmp_path / "missing")) == []
    assert files.names(str(tmp_path / "file")) == []


def test_a_made_directory_is_private_and_every_new_name_above_it_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(files, "sync_directory", synced.append)
    files.make_directory(str(tmp_path / "a" / "b" / "c"))
    files.make_directory(str(tmp_path / "a" / "b" / "c"))
    assert synced == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_directory_whose_name_could_not_be_synced_is_made_and_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            files.make_directory(path)
    synced: list[str] = []
    monkeypatch.setattr(files, "sync_directory", synced.append)
    files.make_directory(path)
    assert synced == [str(tmp_path)]
    assert os.path.isdir(path)


# Syncs that are shared.


class Disk:
    """An fsync that is slow until `fast` is set, and that fails when told so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.joined = 0
        self.fast = threading.Event()
        #: By number, which fsyncs fail.
        self.bad: set[int] = set()
        disk = self

        class Counted(Future[None]):
            def result(self, timeout: float | None = None) -> None:
                disk.joined += 1
                return super().result(timeout)

        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(files, "Future", Counted)

    def _fsync(self, descriptor: int) -> None:
        self.count += 1
        number = self.count
        assert self.fast.wait(20)
        if number in self.bad:
            raise OSError(errno.EIO, "I/O error")


def crowd(disk: Disk, path: Path) -> list[OSError | None]:
    """One caller whose sync has begun, then 15 who come while it runs; what each of the 16 got."""
    sync = files.SharedSync(str(path))
    got: list[OSError | None] = [None] * 16

    def call(number: int) -> None:
        try:
            sync()
        except OSError as error:
            got[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
    threads[0].start()
    until(lambda: disk.count == 1)
    for thread in threads[1:]:
        thread.start()
    until(lambda: disk.joined == 14)  # the fifteenth leads them, and waits for its turn
    disk.fast.set()
    for thread in threads:
        thread.join(20)
    return got


def test_fifteen_who_come_while_a_sync_runs_share_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    assert crowd(disk, tmp_path) == [None] * 16
    assert disk.count == 2


def test_a_failing_sync_fails_all_who_shared_it_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.bad = {2}
    first, *others = crowd(disk, tmp_path)
    assert first is None
    assert [error and error.errno for error in others] == [errno.EIO] * 15


def test_after_a_failed_sync_the_next_one_is_done_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    disk.fast.set()
    disk.bad = {1}
    sync = files.SharedSync(str(tmp_path))
    with pytest.raises(OSError, match="I/O error"):
        sync()
    sync()
    assert disk.count == 2


def test_a_directory_that_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.sync_directory(str(tmp_path / "missing"))
