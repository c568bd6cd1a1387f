"""The watch: an event ends its wait and says where it happened; where the system gives none, it polls."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from spoolfarm.spool.watch import APPEARED, NO_LINK, WRITTEN, Watch
from tests.support.no_inotify import LACKS, SOON, Lack, descriptors
from tests.support.running_farm import until


def test_an_event_ends_the_wait_and_names_the_file(tmp_path: Path) -> None:
    watching = Watch(str(tmp_path))
    (tmp_path / "one").touch()
    os.rename(tmp_path / "one", tmp_path / "two")
    assert watching.wait(SOON) == [(str(tmp_path), "one"), (str(tmp_path), "two")]
    assert watching.wait(0.01) == []
    assert not watching.blind
    watching.close()


def test_a_bell_is_heard_when_it_is_closed(tmp_path: Path) -> None:
    bell = tmp_path / "bell"
    bell.touch()
    watching = Watch(str(tmp_path), events=WRITTEN)
    bell.read_bytes()
    assert watching.wait(0.01) == []
    os.close(os.open(bell, os.O_WRONLY))
    assert watching.wait(SOON) == [(str(tmp_path), "bell")]
    watching.close()


def test_a_wake_from_a_signal_handler_ends_the_wait(tmp_path: Path) -> None:
    watching = Watch(str(tmp_path))
    before = signal.signal(signal.SIGUSR1, lambda *_: watching.wake())
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        start = time.monotonic()
        assert watching.wait(60) == []
        assert time.monotonic() - start < SOON
    finally:
        signal.signal(signal.SIGUSR1, before)
        watching.close()


def test_no_number_of_wakes_blocks(tmp_path: Path) -> None:
    watching = Watch(str(tmp_path))
    for _ in range(100_000):
        watching.wake()
    assert watching.wait(SOON) == []
    watching.close()


def test_a_closed_watch_gives_its_descriptors_back(tmp_path: Path) -> None:
    before = descriptors()
    watching = Watch(str(tmp_path))
    assert descriptors() == before + 3
    watching.close()
    watching.close()
    assert descriptors() == before
    watching = Watch(str(tmp_path))
    del watching
    assert descriptors() == before


@LACKS
def test_where_the_system_gives_no_events_a_watch_polls_and_says_so_once(
    lack: Lack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = descriptors()
    lack(monkeypatch)
    with caplog.at_level(logging.WARNING):
        watching = Watch(str(tmp_path))
    assert watching.blind
    start = time.monotonic()
    assert watching.wait(60) == []
    assert time.monotonic() - start < SOON
    assert [record.getMessage().count("polling every 20 ms") for record in caplog.records] == [1]
    watching.close()
    assert descriptors() == before


# Several directories.


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.close()


def test_events_of_several_directories_say_where_they_happened(tmp_path: Path, watch: Watch) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        watch.add(str(tmp_path / name), WRITTEN)
        (tmp_path / name / f"文 {name}").write_bytes(b"1")
    assert watch.wait(SOON) == [(str(tmp_path / "a"), "文 a"), (str(tmp_path / "b"), "文 b")]
    assert not watch.blind


def test_a_renamed_directory_is_known_by_its_new_name_when_it_is_added_again(tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "old").mkdir()
    watch.add(str(tmp_path / "old"), APPEARED)
    os.rename(tmp_path / "old", tmp_path / "new")
    watch.add(str(tmp_path / "new"), APPEARED)
    (tmp_path / "new/file").touch()
    assert watch.wait(SOON) == [(str(tmp_path / "new"), "file")]
    assert watch.directories() == {str(tmp_path / "new")}


def test_a_directory_that_is_gone_or_let_go_is_watched_no_more(tmp_path: Path, watch: Watch) -> None:
    for name in ("gone", "left", "kept"):
        (tmp_path / name).mkdir()
        watch.add(str(tmp_path / name), APPEARED)
    (tmp_path / "gone").rmdir()
    watch.remove(str(tmp_path / "left"))
    (tmp_path / "left/file").touch()
    (tmp_path / "kept/file").touch()
    until(lambda: watch.wait(0.1) == [(str(tmp_path / "kept"), "file")])
    until(lambda: watch.wait(0.01) == [] and watch.directories() == {str(tmp_path / "kept")})


def test_what_a_link_points_at_is_not_watched_when_that_is_asked_for(tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    watch.add(str(tmp_path / "link"), APPEARED | NO_LINK)
    assert watch.directories() == set()


def test_a_wake_ends_the_wait_on_several_directories(watch: Watch) -> None:
    watch.wake()
    assert watch.wait(SOON) == []


def test_without_inotify_several_directories_are_told_to_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify_c, "inotify_init", lambda: -1)
    watch = Watch()
    watch.add(str(tmp_path), APPEARED)
    assert watch.blind
    assert watch.wait(0.01) == []
    watch.close()


def test_events_that_the_kernel_lost_are_told(tmp_path: Path, watch: Watch) -> None:
    watch.add(str(tmp_path), APPEARED)
    for number in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2 + 1):
        (tmp_path / "a").touch()
        os.rename(tmp_path / "a", tmp_path / f"{number}")
    found = []
    until(lambda: found.extend(watch.wait(0.1)) or ("", "") in found)  # type: ignore[func-returns-value]
