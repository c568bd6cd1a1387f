"""One waiter: an event ends its wait, and where the system gives none, it polls."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import pytest

from spoolfarm.spool.watch import WRITTEN, Watch
from tests.support.no_inotify import LACKS, SOON, Lack, descriptors


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
