"""Attachments: the files of a result are there when its record is, and go when it goes."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import UnknownFile, UnknownJob
from spoolfarm.spool import files
from spoolfarm.spool.attachments import BadAttachment
from spoolfarm.spool.job import Result, State, new_id
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import new
from tests.support.spool_tree import Tree


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    made = Results(str(tmp_path))
    yield made
    made.close()


def result(job_id: str, **attached: bytes | Path) -> Result:
    named = {name.replace("_", "."): content for name, content in attached.items()}
    return Result(job_id, "echo", State.SUCCEEDED, 1, 1.0, 2.0, 3.0, {}, files=named)


def test_a_record_names_its_files_and_each_can_be_read(results: Results) -> None:
    made = result(new_id(), note_txt="纸".encode(), page_png=b"png")
    assert results.publish(made, sync=True)
    record = results.get(made.id)
    assert record is not None
    assert record["files"] == ["note.txt", "page.png"]
    assert results.file(made.id, "note.txt").read_text() == "纸"


def test_a_record_without_files_says_nothing_of_them(results: Results) -> None:
    made = result(new_id())
    results.publish(made, sync=False)
    assert "files" not in (results.get(made.id) or {})


def test_who_collects_a_success_without_files_looks_for_none(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    bare, full = result(new_id()), result(new_id(), note_txt=b"x")
    sought = list[str]()
    remove = results.attachments.remove
    monkeypatch.setattr(results.attachments, "remove", lambda job_id: sought.append(job_id) or remove(job_id))
    for made in (bare, full):
        results.publish(made, sync=False)
        assert results.collect(made.record())
    assert full.id in sought
    assert bare.id not in sought
    assert not os.path.exists(results.attachments.path(full.id, "note.txt").parent)


def test_what_an_attempt_prepared_goes_when_its_job_is_queued_again(tree: Tree, spool: Spool) -> None:
    spool.put(job := new())
    lease = tree.lease()
    [claim] = spool.claim(lease, spool.cursor(["echo"]), lambda task: 1)
    spool.results.attachments.place(job.id, {"half.txt": b"half done"}, sync=False)
    spool.give_back(claim)
    assert not os.path.exists(spool.results.attachments.path(job.id, "half.txt").parent)
    lease.end()


def test_a_large_file_is_linked_from_the_scratch_directory(results: Results) -> None:
    job_id = new_id()
    large = results.attachments.scratch(job_id) / "large"
    large.write_bytes(b"x" * 1000)
    results.publish(result(job_id, large_bin=large), sync=True)
    assert results.file(job_id, "large.bin").stat().st_ino == large.stat().st_ino


@pytest.mark.parametrize("name", ["other.txt", "../note.txt", "", ".", "/etc/passwd"])
def test_only_files_the_record_names_can_be_had(results: Results, name: str) -> None:
    made = result(new_id(), note_txt=b"mine")
    results.publish(made, sync=False)
    with pytest.raises(UnknownFile):
        results.file(made.id, name)
    with pytest.raises(UnknownJob):
        results.file(new_id(), "note.txt")


def test_a_late_second_result_changes_no_file(results: Results) -> None:
    job_id = new_id()
    results.publish(result(job_id, note_txt=b"first"), sync=False)
    assert not results.publish(result(job_id, note_txt=b"second"), sync=False)
    assert results.file(job_id, "note.txt").read_bytes() == b"first"


def test_files_that_a_crash_left_without_a_record_are_replaced(results: Results) -> None:
    job_id = new_id()
    results.attachments.place(job_id, {"old.txt": b"half done"}, sync=False)
    results.publish(result(job_id, new_txt=b"done"), sync=False)
    assert os.listdir(f"{results.root}/{job_id}") == ["new.txt"]


def test_files_that_do_not_fit_on_the_disk_leave_nothing(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_new", full)
    with pytest.raises(OSError, match="No space"):
        results.publish(result(new_id(), note_txt=b"x"), sync=False)
    assert os.listdir(results.root) == ["tmp"]
    assert not os.listdir(f"{results.root}/tmp")


def test_files_go_with_their_result(results: Results) -> None:
    made = result(new_id(), note_txt=b"x")
    results.publish(made, sync=False)
    assert results.remove(made.id)
    assert os.listdir(results.root) == ["tmp"]


def test_a_result_is_taken_and_handed_over_though_the_disk_keeps_its_files(
    results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = new_id(), new_id()
    for job_id in (first, second):
        results.publish(result(job_id, note_txt=b"x", page_png=b"png"), sync=False)
    os.mkdir(tmp_path / "inbox")

    def refuse(path: str) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "remove_tree", refuse)
        assert results.remove(first)
        results.hand_over(second, str(tmp_path / "inbox" / "a"), {}, {".txt": "note.txt"})
    assert sorted(os.listdir(tmp_path / "inbox")) == ["a.json", "a.txt"]
    assert not results.exists(first)
    assert not results.exists(second)


def test_files_expire_with_their_result_and_without_one(results: Results, tmp_path: Path) -> None:
    def old_id() -> str:
        return f"{int((time.time() - 9000) * 1e9):016x}{os.urandom(4).hex()}"

    ended, orphan, fresh = old_id(), old_id(), new_id()
    results.publish(result(ended, note_txt=b"x"), sync=False)
    results.attachments.place(orphan, {"note.txt": b"x"}, sync=False)
    results.publish(result(fresh, note_txt=b"x"), sync=False)
    for path in [*tmp_path.rglob("*"), tmp_path]:
        if fresh not in str(path):
            os.utime(path, (time.time() - 9000,) * 2)
    results.expire(3600)
    results.expire(3600)  # the directory of an expired result goes at the latest with the next sweep
    assert sorted(os.listdir(tmp_path)) == sorted(["tmp", fresh, f"{fresh}.json"])


def test_files_whose_record_is_gone_go_long_before_results_do(results: Results) -> None:
    job_id = f"{int((time.time() - 4000) * 1e9):016x}{os.urandom(4).hex()}"
    results.publish(result(job_id, note_txt=b"x"), sync=False)
    folder = results.attachments.path(job_id, "note.txt").parent
    os.utime(folder, (time.time() - 4000,) * 2)
    results.expire(86400)
    assert folder.exists()
    os.unlink(f"{results.root}/{job_id}.json")  # and the disk refused to remove the rest
    results.expire(86400)
    assert not folder.exists()


def test_a_scratch_directory_that_is_written_to_is_not_swept(results: Results, tmp_path: Path) -> None:
    used, left = results.attachments.scratch(new_id()), results.attachments.scratch(new_id())
    (used / "page").write_bytes(b"x")
    for path in (used, left):
        os.utime(path, (time.time() - 9000,) * 2)
    results.expire(8000)
    assert os.listdir(f"{results.root}/tmp") == [used.name]


# What comes from elsewhere, and what can never be published.


def publish(results: Results, attached: object) -> str:
    """The id of a job that ended with *attached* as its files."""
    job_id = new_id()
    results.publish(Result(job_id, "echo", State.SUCCEEDED, 1, 1.0, 2.0, 3.0, {}, files=attached), sync=True)  # type: ignore[arg-type]
    return job_id


def test_a_file_from_another_place_is_copied_for_its_owner_may_write_to_it(results: Results, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}.page.png"
    elsewhere.write_bytes(b"first page")
    job_id = publish(results, {"page.png": elsewhere})
    elsewhere.write_bytes(b"second page")
    assert results.file(job_id, "page.png").read_bytes() == b"first page"


def test_a_file_on_another_file_system_is_copied(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    made = results.attachments.scratch(new_id()) / "page"
    made.write_bytes(b"page")

    def foreign(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", foreign)
        results.attachments.place("a" * 24, {"page.png": made}, sync=True)
    assert results.attachments.path("a" * 24, "page.png").read_bytes() == b"page"


def test_a_link_gives_the_file_that_it_leads_to(results: Results) -> None:
    scratch = results.attachments.scratch(new_id())
    (scratch / "real").write_bytes(b"page")
    (scratch / "link").symlink_to("real")
    found = results.file(publish(results, {"page.png": scratch / "link"}), "page.png")
    assert (found.is_symlink(), found.read_bytes()) == (False, b"page")


@pytest.mark.parametrize("name", ["a/b.txt", "", ".", "..", "../x.txt", "./A", "/x", "nul\0", "纸" * 100, "\udcff", 7])
def test_what_is_no_name_of_a_file_is_refused_and_nothing_is_written(
    results: Results, name: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadAttachment, match="no name for a file"):
        publish(results, {name: b"x"})
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe"])
def test_what_is_no_file_is_refused(results: Results, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "tmp" / kind
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(BadAttachment, match=f"'page.png' is to be {path}"):
        publish(results, {"page.png": path})
    assert os.listdir(results.root) == ["tmp"]


@pytest.mark.parametrize("attached", [{"page.png": "/tmp/page.png"}, {"page.png": 7}, ["page.png"]])
def test_what_is_neither_bytes_nor_a_path_is_refused(results: Results, attached: object) -> None:
    with pytest.raises(BadAttachment, match="of type"):
        publish(results, attached)


def test_a_results_tmp_that_somebody_removed_is_made_again(results: Results) -> None:
    os.rmdir(f"{results.root}/tmp")
    publish(results, {})
    os.rmdir(f"{results.root}/tmp")
    assert results.file(publish(results, {"note.txt": b"x"}), "note.txt").read_bytes() == b"x"
