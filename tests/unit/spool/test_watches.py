"""Several directories: events say where they happened, and the loss of one is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from spoolfarm.spool.watch import APPEARED, NO_LINK, WRITTEN, Watch
from tests.support.no_inotify import SOON
from tests.support.running_farm import until


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
