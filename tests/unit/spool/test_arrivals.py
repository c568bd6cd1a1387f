"""Many waiters: each is woken by its own name, whoever reads the events, and where there are none."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spoolfarm.spool import arrivals as module
from spoolfarm.spool.arrivals import Arrivals
from spoolfarm.spool.watch import Watch
from tests.support.no_inotify import LACKS, SOON, Lack, descriptors
from tests.support.running_farm import until
from tests.support.spool_tree import fork


@pytest.fixture
def no_rescan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by himself for a minute, so that a lost wake-up shows."""
    monkeypatch.setattr(module, "RESCAN", 60.0)


@pytest.fixture
def arrivals(tmp_path: Path) -> Iterator[Arrivals]:
    made = Arrivals(str(tmp_path))
    yield made
    made.close()


def crowd(arrivals: Arrivals, path: Path, names: list[str], seconds: float = 60.0) -> Callable[[], dict[str, float]]:
    """A thread waits for each of *names*. Returns a function that waits for them, and tells how long each one took
    from the moment its name appeared."""
    late: dict[str, float] = {}

    def wait(name: str) -> None:
        def look() -> float | None:
            try:
                return os.stat(path / name).st_mtime
            except FileNotFoundError:
                return None

        appeared = arrivals.wait(name, look, seconds)
        if appeared is not None:
            late[name] = time.time() - appeared

    threads = [threading.Thread(target=wait, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    until(lambda: set(names) <= set(arrivals._waiting))

    def join() -> dict[str, float]:
        for thread in threads:
            thread.join(seconds + SOON)
        assert not any(thread.is_alive() for thread in threads)
        return late

    return join


@contextmanager
def leader(arrivals: Arrivals) -> Iterator[None]:
    """Somebody else leads, and waits for a name that does not come."""
    stop = threading.Event()
    thread = threading.Thread(target=arrivals.wait, args=("never", lambda: stop.is_set() or None, 90))
    thread.start()
    until(lambda: arrivals._leading.locked())
    yield
    stop.set()
    os.close(os.open(f"{arrivals._directory}/never", os.O_CREAT))
    thread.join()


def test_what_is_there_is_found_without_waiting(arrivals: Arrivals) -> None:
    assert arrivals.wait("name", lambda: "found", 0) == "found"


def test_a_wait_ends_with_its_time(arrivals: Arrivals) -> None:
    start = time.monotonic()
    assert arrivals.wait("name", lambda: None, 0.05) is None
    assert 0.05 <= time.monotonic() - start < SOON


@pytest.mark.usefixtures("no_rescan")
def test_fifty_waiting_threads_are_each_woken_by_their_own_name(arrivals: Arrivals, tmp_path: Path) -> None:
    names = [f"name{number}" for number in range(50)]
    join = crowd(arrivals, tmp_path, names)
    for number, name in enumerate(reversed(names)):
        if number % 2:
            (tmp_path / name).touch()
        else:
            (tmp_path / "tmp").touch()
            os.link(tmp_path / "tmp", tmp_path / name)
            os.utime(tmp_path / name)
            os.unlink(tmp_path / "tmp")
    late = join()
    assert sorted(late) == sorted(names)
    assert max(late.values()) < SOON


@pytest.mark.usefixtures("no_rescan")
def test_all_who_wait_for_one_name_are_woken_by_it(arrivals: Arrivals, tmp_path: Path) -> None:
    woken = []

    def look() -> bool | None:
        return (tmp_path / "name").exists() or None

    threads = [threading.Thread(target=lambda: woken.append(arrivals.wait("name", look, 60))) for _ in range(10)]
    for thread in threads:
        thread.start()
    until(lambda: len(arrivals._waiting.get("name", ())) == 10)
    start = time.monotonic()
    (tmp_path / "name").touch()
    for thread in threads:
        thread.join(90)
    assert woken == [True] * 10
    assert time.monotonic() - start < SOON


@pytest.mark.usefixtures("no_rescan")
def test_a_leader_whose_time_is_over_hands_the_lead_on(arrivals: Arrivals, tmp_path: Path) -> None:
    leader = threading.Thread(target=arrivals.wait, args=("never", lambda: None, 0.3))
    leader.start()
    until(lambda: arrivals._leading.locked())
    join = crowd(arrivals, tmp_path, ["name"])
    leader.join()
    until(lambda: arrivals._leading.locked())
    (tmp_path / "name").touch()
    assert join()["name"] < SOON


@pytest.mark.usefixtures("no_rescan")
def test_an_event_that_the_old_leader_read_is_not_lost_to_the_new_one(arrivals: Arrivals, tmp_path: Path) -> None:
    """The leader reads the event of a waiter that has just looked, and leaves, before that waiter tries to lead."""
    found = []
    leader = threading.Thread(
        target=lambda: found.append(arrivals.wait("first", lambda: (tmp_path / "first").exists() or None, 60))
    )
    leader.start()
    until(lambda: arrivals._leading.locked())
    looks = []

    def look() -> bool | None:
        seen = (tmp_path / "second").exists()
        looks.append(seen)
        if len(looks) == 1:  # our name appears after this look; the leader sees it, then its own, and is gone
            (tmp_path / "second").touch()
            (tmp_path / "first").touch()
            leader.join(SOON)
        return seen or None

    start = time.monotonic()
    assert arrivals.wait("second", look, 30)
    assert time.monotonic() - start < SOON
    assert found == [True]
    assert looks == [False, True]


@pytest.mark.usefixtures("no_rescan")
def test_in_a_storm_of_short_waits_no_wake_up_is_lost(arrivals: Arrivals, tmp_path: Path) -> None:
    slow = []

    def play(player: int) -> None:
        for turn in range(60):
            name = f"{player}-{turn}"
            maker = makers[player]
            maker.append(name)
            start = time.monotonic()
            if arrivals.wait(name, lambda name=name: (tmp_path / name).exists() or None, 60) is None:  # type: ignore[misc]
                slow.append(name)
            if time.monotonic() - start > SOON:
                slow.append(name)
            os.unlink(tmp_path / name)

    def make() -> None:
        made = 0
        while made < 8 * 60:
            for todo in makers:
                while todo:
                    (tmp_path / todo.pop()).touch()
                    made += 1

    makers: list[list[str]] = [[] for _ in range(8)]
    threads = [threading.Thread(target=play, args=(player,)) for player in range(8)]
    threads.append(threading.Thread(target=make))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert slow == []
    assert arrivals._waiting == {}


@pytest.mark.usefixtures("no_rescan")
def test_an_overflow_makes_everyone_look(arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = threading.Event()
    wait = Watch.wait

    def overflowing(watching: Watch, seconds: float) -> list[tuple[str, str]]:
        names = wait(watching, min(seconds, 0.05))
        return [("", "")] if lost.is_set() else [("", "other")] if names else [("", "nothing")]

    monkeypatch.setattr(Watch, "wait", overflowing)
    names = [f"name{number}" for number in range(10)]
    with leader(arrivals):
        join = crowd(arrivals, tmp_path, names)
        for name in names:
            (tmp_path / name).touch()
        lost.set()
        late = join()
    assert len(late) == 10
    assert max(late.values()) < SOON


@LACKS
@pytest.mark.usefixtures("no_rescan")
def test_where_the_system_gives_no_events_every_waiter_finds_its_name_all_the_same(
    lack: Lack, arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lack(monkeypatch)
    names = [f"name{number}" for number in range(10)]
    with leader(arrivals):
        join = crowd(arrivals, tmp_path, names)
        for name in names:
            (tmp_path / name).touch()
        late = join()
    assert len(late) == 10
    assert max(late.values()) < SOON


def test_a_lost_event_costs_a_rescan_and_no_more(
    arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESCAN", 0.1)
    wait = Watch.wait

    def deaf(watching: Watch, seconds: float) -> list[tuple[str, str]]:
        wait(watching, seconds)
        return []

    monkeypatch.setattr(Watch, "wait", deaf)
    names = [f"name{number}" for number in range(5)]
    join = crowd(arrivals, tmp_path, names)
    for name in names:
        (tmp_path / name).touch()
    assert len(join()) == 5


@pytest.mark.usefixtures("no_rescan")
def test_a_forked_child_waits_for_itself_and_steals_no_event(arrivals: Arrivals, tmp_path: Path) -> None:
    join = crowd(arrivals, tmp_path, ["parent"])
    until(lambda: arrivals._leading.locked())
    looked, tell = os.pipe()

    def look() -> bool | None:
        found = (tmp_path / "child").exists()
        os.write(tell, b".")
        return found or None

    def live() -> None:
        assert arrivals.wait("child", look, 60)

    pid = fork(live)
    try:
        assert os.read(looked, 1)
        (tmp_path / "child").touch()
        (tmp_path / "parent").touch()
        assert join()["parent"] < SOON
        _, status = until(lambda: (done := os.waitpid(pid, os.WNOHANG))[0] and done, SOON)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(looked)
        os.close(tell)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_look_that_fails_leaves_no_waiter_behind(arrivals: Arrivals) -> None:
    def look() -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        arrivals.wait("name", look, 1)
    assert arrivals._waiting == {}


def test_closed_arrivals_give_their_descriptors_back_and_may_be_used_again(tmp_path: Path) -> None:
    before = descriptors()
    arrivals = Arrivals(str(tmp_path))
    assert arrivals.wait("name", lambda: None, 0) is None
    arrivals.close()
    assert descriptors() == before
    assert arrivals.wait("name", lambda: "there", 0) == "there"
    arrivals.close()
    assert descriptors() == before
