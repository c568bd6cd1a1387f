"""The hot folder step by step: what it takes for the same file, and where answers go."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.sidecars import Sidecars
from spoolfarm.hotfolder import archiver, dropped, scanner
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.hotfolder.journal import Note
from spoolfarm.hotfolder.outbox import Outbox
from tests.support.echoing_worker import answers, left, work
from tests.support.running_farm import until


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers are gone here when they say so."""
    monkeypatch.setattr(archiver, "LINGER", 0.0)
    monkeypatch.setattr(archiver, "AGAIN", 0.02)
    monkeypatch.setattr(scanner, "RESCAN", 0.02)


class Hot:
    """A hot folder in this process, with a worker that is called when the test wants."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.inbox = Path(farm.spool.root, "inbox")
        self.out = Path(farm.results.root, "inbox")
        self.folder = HotFolder(farm)

    def until(self, condition: Callable[[], Any]) -> None:
        """Step until *condition* is true."""

        def step() -> Any:
            self.folder.step()
            return condition()

        until(step)

    def taken(self, number: int) -> None:
        """Step until so many jobs are queued."""
        self.until(lambda: self.farm.spool.count().get("echo", 0) == number)

    def settle(self) -> None:
        """Work and step until nothing is under way."""

        def settled() -> bool:
            work(self.farm.spool)
            return not os.listdir(f"{self.farm.spool.root}/taken") and not left(self.inbox)

        self.until(settled)

    def answers(self) -> dict[str, Any]:
        """What each answered file's result says, or its error's code."""
        return answers(self.out)


@pytest.fixture
def hot(farm: Farm) -> Iterator[Hot]:
    made = Hot(farm)
    yield made
    made.folder.close()


# The same file, or another.


def test_a_file_whose_times_are_set_while_it_is_under_way_is_the_same(hot: Hot) -> None:
    file = hot.inbox / "echo/a"
    file.write_bytes(b"one")
    hot.taken(1)
    os.utime(file, (1, 1))
    os.chmod(file, 0o640)
    hot.settle()
    assert hot.answers() == {"echo/a": "one"}
    assert (hot.out / "echo/a").stat().st_mtime == 1


def test_a_file_that_is_written_over_while_it_is_under_way_is_another(hot: Hot) -> None:
    file = hot.inbox / "echo/a"
    file.write_bytes(b"one")
    hot.taken(1)
    file.write_bytes(b"another")
    hot.taken(2)
    hot.settle()
    assert hot.answers() == {"echo/a": "one", "echo/a~2": "another"}
    assert (hot.out / "echo/a~2").read_bytes() == b"another"


def test_a_file_that_is_replaced_while_it_is_under_way_is_another_even_with_the_same_bytes(hot: Hot) -> None:
    file, other = hot.inbox / "echo/a", hot.inbox.parent / "other"
    file.write_bytes(b"one")
    hot.taken(1)
    other.write_bytes(b"one")
    os.rename(other, file)
    hot.taken(2)
    hot.settle()
    assert hot.answers() == {"echo/a": "one", "echo/a~2": "one"}


def test_a_file_that_gets_another_name_while_it_is_under_way_is_answered_under_that(hot: Hot) -> None:
    (hot.inbox / "echo/a").write_bytes(b"one")
    hot.taken(1)
    os.rename(hot.inbox / "echo/a", hot.inbox / "echo/b")
    hot.settle()
    assert hot.answers() == {"echo/b": "one"}
    assert sorted(path.name for path in (hot.out / "echo").iterdir()) == ["b", "b.bin", "b.json", "b.txt"]


def test_two_names_of_one_file_are_two_files(hot: Hot) -> None:
    (hot.inbox / "echo/a").write_bytes(b"one")
    os.link(hot.inbox / "echo/a", hot.inbox / "echo/b")
    hot.settle()
    assert hot.answers() == {"echo/a": "one", "echo/b": "one"}


def test_a_file_that_is_taken_away_while_it_is_under_way_is_answered_all_the_same(hot: Hot) -> None:
    (hot.inbox / "echo/a").write_bytes(b"one")
    hot.taken(1)
    os.unlink(hot.inbox / "echo/a")
    hot.settle()
    assert hot.answers() == {"echo/a": "one"}


def test_a_file_that_a_writer_opens_after_the_answer_stays_until_it_is_closed(hot: Hot) -> None:
    file = hot.inbox / "echo/a"
    file.write_bytes(b"one")
    hot.taken(1)
    with open(file, "r+b") as writer:
        work(hot.farm.spool)
        hot.until(lambda: (hot.out / "echo/a.json").exists())
        for _ in range(5):
            hot.folder.step()
        assert file.exists()
        writer.write(b"two")
    hot.settle()
    assert hot.answers() == {"echo/a": "one", "echo/a~2": "two"}


def test_a_cancelled_job_is_an_answer(hot: Hot) -> None:
    (hot.inbox / "echo/a").write_bytes(b"one")
    hot.taken(1)
    [(entry, _)] = hot.farm.spool.queued()
    hot.farm.cancel(entry.id)
    hot.settle()
    assert hot.answers() == {"echo/a": "cancelled"}


def test_hidden_files_and_those_that_say_they_are_being_written_are_left_alone(hot: Hot) -> None:
    names = [".hidden", "a.PART", "b.crdownload", "c.tmp", ".folder/d"]
    (hot.inbox / "echo/.folder").mkdir()
    for name in names:
        (hot.inbox / "echo" / name).write_bytes(b"one")
    (hot.inbox / "echo/e").write_bytes(b"one")
    hot.until(lambda: work(hot.farm.spool) or hot.answers() == {"echo/e": "one"})
    assert {os.path.relpath(path, hot.inbox / "echo") for path in left(hot.inbox)} >= set(names)


# Where answers go.


def test_nothing_that_lies_in_the_results_is_replaced(hot: Hot) -> None:
    mine = hot.out / "echo"
    mine.mkdir()
    (mine / "a.txt").write_text("mine")
    (mine / "b").write_text("mine")
    (mine / "c.json").mkdir()
    for name in "abc":
        (hot.inbox / "echo" / name).write_text(name)
    hot.settle()
    assert set(hot.answers()) == {"echo/a~2", "echo/b~2", "echo/c~2"}
    assert (mine / "a.txt").read_text() == (mine / "b").read_text() == "mine"


def test_a_name_that_is_a_text_of_another_gets_a_number(hot: Hot) -> None:
    (hot.inbox / "echo/a.txt").write_bytes(b"I am a.txt")
    (hot.inbox / "echo/a").write_bytes(b"I am a")
    hot.settle()
    assert sorted(hot.answers().values()) == ["I am a", "I am a.txt"]
    assert not left(hot.inbox)
    for name, text in hot.answers().items():
        assert (hot.out / name).read_text() == (hot.out / f"{name}.txt").read_text().strip() == text


def test_a_folder_with_the_name_of_an_answered_file_gets_a_number(hot: Hot) -> None:
    (hot.inbox / "echo/a").write_bytes(b"one")
    hot.settle()
    (hot.inbox / "echo/a").mkdir()
    (hot.inbox / "echo/a/b").write_bytes(b"two")
    hot.settle()
    assert hot.answers() == {"echo/a": "one", "echo/a~2/b": "two"}


def test_results_on_another_file_system_are_reached_too(settings: Settings, other_disk: Path) -> None:
    farm = Farm(results_dir=other_disk, settings=settings)
    hot = Hot(farm)
    try:
        (hot.inbox / "echo/a").write_bytes(b"one")
        os.utime(hot.inbox / "echo/a", (1, 1))
        os.chmod(hot.inbox / "echo/a", 0o640)
        os.symlink("nowhere", hot.inbox / "echo/link")
        os.mkfifo(hot.inbox / "echo/fifo")
        hot.settle()
        assert hot.answers() == {"echo/a": "one", "echo/link": "invalid_request", "echo/fifo": "invalid_request"}
        assert ((hot.out / "echo/a").stat().st_mtime, (hot.out / "echo/a").stat().st_mode & 0o777) == (1, 0o640)
        assert os.readlink(hot.out / "echo/link") == "nowhere"
    finally:
        hot.folder.close()
        farm.close()


def test_an_answer_that_cannot_be_written_keeps_no_other_waiting_and_is_tried_again(
    hot: Hot, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, write = [True], Outbox.write

    def refuse(answers: Outbox, note: Note, endings: Sidecars) -> None:
        if broken and note.path == "echo/a":
            raise OSError(errno.EACCES, "Permission denied")
        write(answers, note, endings)

    monkeypatch.setattr(Outbox, "write", refuse)
    monkeypatch.setattr("spoolfarm.hotfolder.folder.RECHECK", 0.05)
    for name in "abc":
        (hot.inbox / "echo" / name).write_text(name)
    hot.until(lambda: work(hot.farm.spool) or set(hot.answers()) == {"echo/b", "echo/c"})
    broken.clear()
    hot.settle()
    assert set(hot.answers()) == {"echo/a", "echo/b", "echo/c"}


def test_answers_never_expire_and_are_not_purged(hot: Hot) -> None:
    (hot.inbox / "echo/a").write_bytes(b"one")
    hot.settle()
    before = sorted(path for path in hot.out.rglob("*"))
    for path in before:
        os.utime(path, (1, 1))
    assert hot.farm.results.expire(0.0) == 0
    assert hot.farm.results.ids() == []
    assert sorted(path for path in hot.out.rglob("*")) == before


def test_a_file_that_cannot_be_read_is_told_so_and_not_tried_without_end(
    hot: Hot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def refuse(folder: int, name: str, *_: Any, **named: Any) -> Any:
        tries.append(name)
        if name == "a":
            raise PermissionError(errno.EACCES, "Permission denied")
        raise FileNotFoundError(name)

    monkeypatch.setattr("spoolfarm.hotfolder.folder.CUT_SHORT", 0.3)
    monkeypatch.setattr(dropped, "read", refuse)
    (hot.inbox / "echo/a").write_bytes(b"one")
    hot.settle()
    record = json.loads((hot.out / "echo/a.json").read_bytes())
    assert record["error"] == "a: cannot be read: Permission denied"
    assert len(tries) < 30


def test_what_systems_leave_in_folders_stays_where_it_is(hot: Hot) -> None:
    names = ["Thumbs.db", "desktop.ini", "~$x.docx", "@eaDir/scan.jpg/SYNOPHOTO_THUMB_XL.jpg", "__MACOSX/scan.jpg"]
    for name in names:
        path = hot.inbox / "echo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (hot.inbox / "echo/scan.jpg").write_bytes(b"a picture")
    hot.until(lambda: work(hot.farm.spool) or hot.answers())
    hot.until(lambda: len(left(hot.inbox)) == len(names))
    assert list(hot.answers()) == ["echo/scan.jpg"]
    assert hot.folder._inbox.waiting() == 0


def test_failures_are_listed_in_one_file(hot: Hot) -> None:
    (hot.inbox / "echo/sub").mkdir(parents=True)
    (hot.inbox / "echo/sub/a b.jpg").symlink_to("nowhere")
    (hot.inbox / "echo/good.jpg").write_bytes(b"x")
    hot.settle()
    (line,) = (hot.out / "failed.txt").read_text().splitlines()
    when, place, code, error = line.split("\t")
    assert (place, code) == ("echo/sub/a b.jpg", "invalid_request")
    assert when[:2] == "20"
    assert "symbolic link" in error
