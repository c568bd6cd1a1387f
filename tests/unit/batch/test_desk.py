"""The desk: batches ordered over HTTP, done by a process of their own, stopped, resumed, and taken away."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.batch import __main__ as run_module
from spoolfarm.batch import order
from spoolfarm.batch.desk import Desk
from spoolfarm.config import Settings, load
from spoolfarm.errors import FarmError, Forbidden, InvalidParams, InvalidRequest, UnknownFile, UnknownTask
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.lock import lock
from tests.support.pictures import small
from tests.support.running_farm import until
from tests.support.thread_workers import working


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return load({**settings.environment(), "FARM_ENABLE": "echo", "FARM_MIN_FREE_MB": "0"})


@pytest.fixture
def desk(farm: Farm) -> Iterator[Desk]:
    made = Desk(farm)
    yield made
    for process in made._started:
        process.terminate()
        process.wait(60)


@pytest.fixture
def data(farm: Farm) -> Path:
    """The data folder, with a folder of scans in it."""
    scans = Path(farm.settings.data_dir, "scans", "2026")
    scans.mkdir(parents=True)
    for number in range(3):
        (scans / f"{number}.png").write_bytes(small())
    (scans / "broken.png").write_bytes(b"")
    (scans / "notes.txt").write_text("no picture")
    return scans.parents[1]


@pytest.fixture
def launcher(farm: Farm) -> Iterator[None]:
    """Somebody holds the launcher's lock."""
    with lock(f"{farm.root}/launcher.lock"):
        yield


def ended(desk: Desk, batch_id: str) -> dict[str, Any]:
    """What is told of a batch once no process does it."""
    for process in desk._started:
        process.wait(60)
    return until(lambda: (told := desk.show(batch_id))["state"] != "running" and told, 30, what="the batch")


@pytest.mark.usefixtures("launcher")
def test_a_folder_of_the_data_folder_is_done_and_taken_away(farm: Farm, desk: Desk, data: Path) -> None:
    with working(farm):
        batch_id = desk.order("echo", {"n": 1}, "scans", "")
        told = ended(desk, batch_id)
    figures = {name: told[name] for name in ("state", "total", "ended", "failed", "folder", "name")}
    assert figures == {"state": "done", "total": 4, "ended": 4, "failed": 0, "folder": "scans", "name": "scans"}
    assert told["passed_over"] == "1 .txt (2026/notes.txt)"
    rows = list(csv.DictReader(io.StringIO(b"".join(desk.lines(batch_id, True)).decode("utf-8-sig"))))
    assert {row["file"] for row in rows} == {"2026/0.png", "2026/1.png", "2026/2.png", "2026/broken.png"}
    assert len(b"".join(desk.lines(batch_id, False)).splitlines()) == 4
    with zipfile.ZipFile(io.BytesIO(b"".join(desk.archive(batch_id)))) as archive:
        assert archive.testzip() is None
        assert {"results.csv", "results.jsonl", "2026/0.png.json"} < set(archive.namelist())
        assert json.loads(archive.read("2026/0.png.json"))["result"]["params"] == {"n": 1}
    with zipfile.ZipFile(io.BytesIO(b"".join(desk.archive(batch_id, [".csv"])))) as archive:
        assert archive.namelist() == ["results.csv"]
    desk.remove(batch_id)
    assert desk.all() == []
    assert (data / "scans/2026/0.png").exists()


@pytest.mark.usefixtures("launcher")
def test_files_that_are_sent_are_done_in_their_folders(farm: Farm, desk: Desk) -> None:
    batch_id = desk.order("echo", {}, "", "mine")
    assert desk.show(batch_id)["state"] == "open"
    for name in ("a.png", "sub/b.png", "/lead/c.png", "win\\d.png"):
        desk.add(batch_id, name, small())
    with working(farm):
        desk.start(batch_id)
        told = ended(desk, batch_id)
    assert (told["state"], told["ended"], told["name"]) == ("done", 4, "mine")
    with zipfile.ZipFile(io.BytesIO(b"".join(desk.archive(batch_id)))) as archive:
        answers = {name for name in archive.namelist() if name.endswith(".png.json")}
    assert answers == {"a.png.json", "sub/b.png.json", "lead/c.png.json", "win/d.png.json"}


@pytest.mark.usefixtures("launcher", "data")
def test_a_batch_that_is_stopped_goes_on_where_it_was(farm: Farm, desk: Desk) -> None:
    farm.pauses.pause("echo")
    batch_id = desk.order("echo", {}, "scans", "")
    until(lambda: farm.spool.count().get("echo") == 4, what="the jobs")
    until(lambda: desk.show(batch_id)["note"] == "echo is paused")
    with pytest.raises(InvalidRequest, match="stop it first"):
        desk.remove(batch_id)
    desk.start(batch_id)  # it is being done already
    desk.stop(batch_id)
    told = ended(desk, batch_id)
    assert (told["state"], told["ended"], told["total"]) == ("stopped", 0, 4)
    assert not any(farm.spool.count().values())
    farm.pauses.resume("echo")
    with working(farm):
        desk.start(batch_id)
        assert ended(desk, batch_id)["state"] == "done"
        desk.start(batch_id)
        told = ended(desk, batch_id)
    assert (told["ended"], told["earlier"]) == (0, 4)


@pytest.mark.usefixtures("data")
def test_a_batch_ends_with_its_farm(farm: Farm, desk: Desk) -> None:
    with lock(f"{farm.root}/launcher.lock"):
        batch_id = desk.order("echo", {}, "scans", "")
        until(lambda: farm.spool.count().get("echo") == 4, what="the jobs")
    assert ended(desk, batch_id)["state"] == "stopped"
    assert not any(farm.spool.count().values())


@pytest.mark.usefixtures("launcher", "data")
def test_a_batch_whose_process_was_killed_is_interrupted_and_can_go_on(
    farm: Farm, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.pauses.pause("echo")
    batch_id = desk.order("echo", {}, "scans", "")
    until(lambda: farm.spool.count().get("echo") == 4, what="the jobs")
    [process] = desk._started
    process.kill()
    process.wait()
    monkeypatch.setattr("spoolfarm.batch.desk.STARTING", 0.0)
    assert desk.show(batch_id)["state"] == "interrupted"
    farm.pauses.resume("echo")
    with working(farm):
        desk.start(batch_id)
        monkeypatch.setattr("spoolfarm.batch.desk.STARTING", 5.0)
        assert ended(desk, batch_id)["state"] == "done"


@pytest.mark.parametrize(
    ("task", "params", "folder", "error"),
    [
        ("nosuch", {}, "", UnknownTask),
        ("echo", {"seconds": "x"}, "", InvalidParams),
        ("echo", {}, "..", Forbidden),
        ("echo", {}, "/etc", Forbidden),
        ("echo", {}, "scans/../../..", Forbidden),
        ("echo", {}, ".", Forbidden),
        ("echo", {}, "nowhere", InvalidRequest),
        ("echo", {}, "scans/2026/0.png", InvalidRequest),
        ("echo", {}, "away", Forbidden),
        ("echo", {}, "a\0b", Forbidden),
    ],
)
def test_what_cannot_be_ordered_leaves_nothing(
    desk: Desk, data: Path, task: str, params: dict[str, Any], folder: str, error: type[FarmError]
) -> None:
    (data / "away").symlink_to("/etc")
    with pytest.raises(error):
        desk.order(task, params, folder, "")
    assert desk.all() == []


@pytest.mark.parametrize("name", ["", "..", "a/../b", "a//b", "/", "a\0b", "x" * 300])
def test_a_name_that_is_none_is_refused(desk: Desk, name: str) -> None:
    batch_id = desk.order("echo", {}, "", "")
    with pytest.raises(InvalidRequest):
        desk.add(batch_id, name, b"x")


def test_a_batch_takes_no_more_files_than_it_may_and_none_beside_a_folder(
    desk: Desk, farm: Farm, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spoolfarm.batch.desk.MOST_FILES", 2)
    batch_id = desk.order("echo", {}, "", "")
    desk.add(batch_id, "a.png", b"x")
    desk.add(batch_id, "b.png", b"x")
    with pytest.raises(InvalidRequest, match="a batch takes 2 files"):
        Desk(farm).add(batch_id, "c.png", b"x")
    monkeypatch.setattr(Desk, "start", lambda *_: None)
    with pytest.raises(InvalidRequest, match="does a folder"):
        desk.add(desk.order("echo", {}, "scans", ""), "a.png", b"x")


def test_links_that_lead_out_of_the_folder_are_not_done(data: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(small())
    (data / "scans/2026/link.png").symlink_to(tmp_path / "secret.png")
    (data / "scans/2026/inner.png").symlink_to(data / "scans/2026/0.png")
    found = run_module._inside(run_module.find([str(data / "scans")], {".png"}), str(data / "scans"))
    assert {os.path.basename(path) for path in found.paths} == {"0.png", "1.png", "2.png", "broken.png", "inner.png"}


def test_an_order_that_is_damaged_is_passed_over(desk: Desk, farm: Farm) -> None:
    good, bad = desk.order("echo", {}, "", ""), desk.order("echo", {}, "", "")
    Path(farm.settings.data_dir, "batches", bad, "order.json").write_text("{")
    Path(farm.settings.data_dir, "batches", "mine").mkdir()
    assert [each["id"] for each in desk.all()] == [good]
    assert order.Progress.read(str(Path(farm.settings.data_dir, "batches", good))) is None


@pytest.mark.parametrize("batch_id", ["..", "x", "18ea0844a7f039d2f821d687", "mine"])
def test_a_batch_that_is_not_there_is_unknown(desk: Desk, batch_id: str) -> None:
    for act in (desk.show, desk.start, desk.stop, desk.remove):
        with pytest.raises(UnknownFile):
            act(batch_id)


def test_failures_are_read_once_and_anew_when_the_ledger_is(desk: Desk, farm: Farm) -> None:
    batch_id = desk.order("echo", {}, "", "")
    lines = Path(farm.settings.data_dir, "batches", batch_id, "results", "results.jsonl")
    lines.parent.mkdir()
    lines.write_text('{"file": "a", "status": "failed", "error": "no", "code": "x"}\n{"file": "b", "status": "succ')
    assert [each["file"] for each in desk.show(batch_id)["failures"]] == ["a"]
    with lines.open("a") as more:
        more.write('eeded"}\n{"file": "c", "status": "failed", "error": null}\n')
    assert [each["file"] for each in desk.show(batch_id)["failures"]] == ["a", "c"]
    os.replace(lines, f"{lines}.old")
    lines.write_text("")
    assert desk.show(batch_id)["failures"] == []
