"""The front's threads: work is done by those that there are when the system gives no more."""

from __future__ import annotations

import threading
from concurrent.futures import wait

import pytest

from spoolfarm.server.thread_pool import ThreadPool


def refuse(_: threading.Thread) -> None:
    """What `Thread.start` does when the system has no thread to give."""
    raise RuntimeError("can't start new thread")


def test_work_waits_for_a_thread_when_no_other_can_be_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPool(4) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            begun, go_on = threading.Event(), threading.Event()
            first = pool.submit(lambda: begun.set() or go_on.wait())
            assert begun.wait(10)
            others = [pool.submit(threading.get_ident) for _ in range(3)]
            go_on.set()
            assert not wait([first, *others], timeout=10).not_done
            assert len({each.result() for each in others}) == 1
        assert [record.message for record in caplog.records] == [
            "requests wait for one of 1 threads: can't start new thread"
        ]
        all_four = threading.Barrier(4)
        assert not wait([pool.submit(all_four.wait, 10) for _ in range(4)], timeout=10).not_done, "now there are four"


def test_a_front_without_a_single_thread_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        ThreadPool(4)
