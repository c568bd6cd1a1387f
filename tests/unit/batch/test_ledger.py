"""The folder of a batch's results: what lies in it, and how an interrupted batch goes on from it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.batch.ledger import Beginning, Ledger, Version
from spoolfarm.errors import FarmError, InvalidRequest

FAILED = {"status": "failed", "error": "no luck", "code": "task_error"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with three inputs."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the results go."""
    return tmp_path / "out"


@contextmanager
def ledger(out: Path, start: Path, *, resume: bool = False, table: bool = False, **begun: Any) -> Iterator[Ledger]:
    beginning = Beginning(**{"task": "ocr", "params": {"side": 960}, "base": str(start), **begun})
    with closing(Ledger(str(out), beginning, resume=resume, table=table)) as made:
        yield made


def nothing(name: str) -> Path:
    raise AssertionError(f"nobody attached {name}")


def succeeded(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": "0" * 24, "status": "succeeded", "started": 10.0, "finished": 11.5, "result": {"text": text}, **more}


def add(to: Ledger, base: Path, name: str, record: dict[str, Any], file: Callable[[str], Path] = nothing) -> None:
    to.add(name, Version.of(os.stat(base / name)), record, file)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_bytes().splitlines()]


def rows(out: Path) -> list[list[str]]:
    with open(out / "results.csv", encoding="utf-8-sig", newline="") as table:
        return list(csv.reader(table))


# What lies there.


def test_a_result_is_a_record_its_text_and_a_line(out: Path, base: Path) -> None:
    with ledger(out, base) as to:
        add(to, base, "sub/c.jpg", succeeded("第一\nline two"))
    assert json.loads((out / "sub/c.jpg.json").read_text())["result"] == {"text": "第一\nline two"}
    assert (out / "sub/c.jpg.txt").read_text() == "第一\nline two\n"
    [line] = lines(out)
    assert (line["file"], line["size"], line["status"]) == ("sub/c.jpg", 9, "succeeded")
    assert line["mtime_ns"] == (base / "sub/c.jpg").stat().st_mtime_ns


def test_the_files_of_a_result_lie_beside_it_by_their_suffixes(out: Path, base: Path, tmp_path: Path) -> None:
    for name in ("overlay.png", "lines.tsv"):
        (tmp_path / name).write_text(f"this is {name}")
    record = succeeded(files=["lines.tsv", "overlay.png"])
    with ledger(out, base) as to:
        add(to, base, "a.jpg", record, lambda name: tmp_path / name)
    assert (out / "a.jpg.png").read_text() == "this is overlay.png"
    assert (out / "a.jpg.tsv").read_text() == "this is lines.tsv"
    assert sorted(each.name for each in out.glob("a*")) == ["a.jpg.json", "a.jpg.png", "a.jpg.tsv", "a.jpg.txt"]


def test_files_whose_suffix_is_in_use_keep_their_whole_name(out: Path, base: Path, tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.tsv", "note.txt", "plain"]
    for name in names:
        (tmp_path / name).write_text(f"this is {name}")
    with ledger(out, base) as to:
        add(to, base, "a.jpg", succeeded(files=names), lambda name: tmp_path / name)
    there = {path.name.removeprefix("a.jpg"): path.read_text() for path in out.glob("a.jpg*")}
    assert sorted(there) == [".a.png", ".b.png", ".json", ".plain", ".tsv", ".txt"]
    assert (there[".b.png"], there[".txt"]) == ("this is b.png", "this is note.txt"), "a text of its own wins"


def test_the_table_has_the_same_as_the_lines(out: Path, base: Path) -> None:
    with ledger(out, base, table=True) as to:
        add(to, base, "a.jpg", succeeded('comma, "quote"\nline two'))
        add(to, base, "b.jpg", FAILED)
    assert rows(out) == [
        ["file", "status", "seconds", "error", "text", "result"],
        ["a.jpg", "succeeded", "1.500", "", 'comma, "quote"\nline two', '{"text": "comma, \\"quote\\"\\nline two"}'],
        ["b.jpg", "failed", "", "no luck", "", ""],
    ]


def test_results_are_readable_for_whom_the_umask_lets_read(out: Path, base: Path) -> None:
    before = os.umask(0o022)
    try:
        with ledger(out, base, table=True) as to:
            add(to, base, "a.jpg", succeeded())
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in out.iterdir()}
    names = (".spoolfarm-batch", "a.jpg.json", "a.jpg.txt", "results.csv", "results.jsonl")
    assert modes == dict.fromkeys(names, "0o644")


def test_a_name_that_is_not_utf_8_comes_back_as_it_was(out: Path, base: Path) -> None:
    name = os.fsdecode(b"\xff\xe4.jpg")
    (base / name).touch()
    with ledger(out, base, table=True) as to:
        add(to, base, name, succeeded())
    assert [line["file"] for line in lines(out)] == [name]
    assert (out / f"{name}.json").exists()
    with ledger(out, base, resume=True) as to:
        assert to.done == {name}


def test_a_name_that_the_disk_does_not_take_fails_alone(out: Path, base: Path) -> None:
    long = "x" * 250
    (base / long).touch()
    with ledger(out, base) as to:
        add(to, base, "a.jpg", succeeded())
        add(to, base, long, succeeded())
        written = to.add("a.jpg.json/d.jpg", Version(1, 1), succeeded(), nothing)
        add(to, base, "b.jpg", succeeded())
    assert written["code"] == "bad_name"
    assert [line["status"] for line in lines(out)] == ["succeeded", "failed", "failed", "succeeded"]
    assert lines(out)[1]["error"] == "cannot be written: File name too long"


def test_a_full_disk_is_no_fault_of_the_input(out: Path, base: Path) -> None:
    def full(name: str) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with ledger(out, base) as to, pytest.raises(OSError, match="No space"):
        add(to, base, "a.jpg", succeeded(files=["x.png"]), full)
    assert lines(out) == []


# Whose it is.


def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(out: Path, base: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(InvalidRequest, match="holds other things"), ledger(out, base, resume=resume):
            pass
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_an_earlier_batch_is_not_written_over_but_gone_on_with_when_asked(out: Path, base: Path) -> None:
    with ledger(out, base) as to:
        add(to, base, "a.jpg", succeeded())
    with pytest.raises(InvalidRequest, match="earlier batch"), ledger(out, base):
        pass
    with ledger(out, base, resume=True) as to:
        assert to.done == {"a.jpg"}
    assert len(lines(out)) == 1


@pytest.mark.parametrize("other", [{"task": "segment"}, {"params": {}}, {"base": "/somewhere"}])
def test_another_batch_does_not_go_on_with_this_one(out: Path, base: Path, other: dict[str, Any]) -> None:
    with ledger(out, base):
        pass
    key = next(iter(other))
    with pytest.raises(InvalidRequest, match=f"begun with another {key}"), ledger(out, base, resume=True, **other):
        pass


def test_two_batches_do_not_write_to_one_folder_at_once(out: Path, base: Path) -> None:
    with (
        ledger(out, base),
        pytest.raises(FarmError, match="another batch is writing"),
        ledger(out, base, resume=True),
    ):
        pass
    with ledger(out, base, resume=True):
        pass
    assert not (out / ".spoolfarm-batch.lock").exists()


def test_going_on_where_nothing_was_begun_begins(out: Path, base: Path) -> None:
    with ledger(out, base, resume=True) as to:
        add(to, base, "a.jpg", succeeded())
    assert len(lines(out)) == 1


# Going on.


def begun(out: Path, base: Path) -> None:
    """A batch of three, of which the second failed."""
    with ledger(out, base, table=True) as to:
        add(to, base, "a.jpg", succeeded())
        add(to, base, "b.jpg", FAILED)
        add(to, base, "sub/c.jpg", succeeded())


def test_what_failed_is_to_be_done_again_and_its_line_is_gone(out: Path, base: Path) -> None:
    begun(out, base)
    with ledger(out, base, resume=True, table=True) as to:
        assert to.done == {"a.jpg", "sub/c.jpg"}
        assert [line["file"] for line in lines(out)] == ["a.jpg", "sub/c.jpg"]
        add(to, base, "b.jpg", succeeded())
    assert [line["file"] for line in lines(out)] == ["a.jpg", "sub/c.jpg", "b.jpg"]
    assert [row[:2] for row in rows(out)[1:]] == [[name, "succeeded"] for name in ("a.jpg", "sub/c.jpg", "b.jpg")]


def test_a_failure_takes_the_text_of_an_earlier_success_away(out: Path, base: Path) -> None:
    begun(out, base)
    (base / "a.jpg").write_text("now broken")
    with ledger(out, base, resume=True) as to:
        add(to, base, "a.jpg", FAILED)
    assert not (out / "a.jpg.txt").exists()
    assert json.loads((out / "a.jpg.json").read_text())["error"] == "no luck"


def test_an_input_that_changed_is_to_be_done_again(out: Path, base: Path) -> None:
    begun(out, base)
    (base / "a.jpg").write_text("another size")
    os.utime(base / "sub/c.jpg", (1, 1))
    with ledger(out, base, resume=True) as to:
        assert to.done == set()
    assert lines(out) == []


def test_an_input_that_is_gone_stays_done(out: Path, base: Path) -> None:
    begun(out, base)
    (base / "a.jpg").unlink()
    with ledger(out, base, resume=True) as to:
        assert to.done == {"a.jpg", "sub/c.jpg"}


def test_a_record_that_is_gone_or_empty_is_to_be_made_again(out: Path, base: Path) -> None:
    begun(out, base)
    (out / "a.jpg.json").unlink()
    (out / "sub/c.jpg.json").write_bytes(b"")
    with ledger(out, base, resume=True) as to:
        assert to.done == set()


@pytest.mark.parametrize("cut", [1, 2, 40, 10_000])
def test_a_line_that_a_crash_cut_short_is_dropped_and_the_others_are_whole(out: Path, base: Path, cut: int) -> None:
    begun(out, base)
    whole = (out / "results.jsonl").read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    (out / "results.jsonl").write_bytes(whole[: max(last, len(whole) - cut)])
    (out / "results.csv").write_bytes((out / "results.csv").read_bytes()[:-3])
    with ledger(out, base, resume=True, table=True) as to:
        assert to.done == {"a.jpg"}
        add(to, base, "sub/c.jpg", succeeded())
    assert [line["file"] for line in lines(out)] == ["a.jpg", "sub/c.jpg"]
    assert [row[0] for row in rows(out)] == ["file", "a.jpg", "sub/c.jpg"]


def test_garbage_in_the_middle_costs_no_other_line(out: Path, base: Path) -> None:
    begun(out, base)
    first, *rest = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
    (out / "results.jsonl").write_bytes(first + b"\0" * 100 + b"\n[1]\n" + b"".join(rest))
    with ledger(out, base, resume=True) as to:
        assert to.done == {"a.jpg", "sub/c.jpg"}


def test_a_table_can_still_be_asked_for_later(out: Path, base: Path) -> None:
    with ledger(out, base) as to:
        add(to, base, "a.jpg", succeeded())
    assert not (out / "results.csv").exists()
    with ledger(out, base, resume=True, table=True):
        pass
    assert [row[0] for row in rows(out)] == ["file", "a.jpg"]
