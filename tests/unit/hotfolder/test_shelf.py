"""The shelf: what lies in the hot folders is told as it is, and what failed is put back, whatever it is called."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.config import Settings, load
from spoolfarm.errors import InvalidRequest, UnknownFile, UnknownTask
from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder import archiver, scanner, shelf
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.hotfolder.shelf import Shelf, key_of, parts_of
from tests.support.echoing_worker import work
from tests.support.running_farm import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return load({**settings.environment(), "FARM_ENABLE": "echo,edit"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiver, "LINGER", 0.0)
    monkeypatch.setattr(scanner, "RESCAN", 0.02)
    monkeypatch.setattr(shelf, "FRESH", 0.0)
    monkeypatch.setattr(shelf, "SHARE", 0)


@pytest.fixture
def hot(farm: Farm) -> Iterator[HotFolder]:
    made = HotFolder(farm)
    yield made
    made.close()


def drop(farm: Farm, hot: HotFolder, task: str, *names: bytes, data: bytes = b"no picture") -> None:
    """Put files into the folder of *task*, and wait until they lie beside their answers."""
    for name in names:
        path = os.path.join(os.fsencode(f"{farm.inbox}/{task}"), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(data)

    def moved() -> bool:
        hot.step()
        work(farm.spool)
        return not any(names for _, _, names in os.walk(farm.inbox))

    until(moved)


def test_each_folder_tells_what_waits_what_failed_and_what_is_done(farm: Farm, hot: HotFolder) -> None:
    drop(farm, hot, "echo", b"a", b"b", b"sub/c.txt", data=b"one")
    drop(farm, hot, "edit", b"bad.png")
    Path(farm.inbox, "echo", "late").write_bytes(b"two")
    Path(farm.inbox, "ocrr").mkdir()
    Path(farm.inbox, "ocrr", "a.png").write_bytes(b"three")
    echo, edit = Shelf(farm).folders()
    assert (echo["task"], echo["waiting"], echo["failed"], echo["done"], echo["complete"]) == ("echo", 1, 0, 3, True)
    assert (edit["waiting"], edit["failed"], edit["done"]) == (0, 1, 0)
    assert Shelf(farm).strangers() == [{"name": "ocrr", "files": 1}]
    [failed] = Shelf(farm).list("edit", "failed", 10)
    assert (failed["name"], failed["status"], failed["code"]) == ("bad.png", "failed", "unsupported_media")
    assert "is not a picture" in failed["error"]
    assert [each["name"] for each in Shelf(farm).list("echo", "waiting", 10)] == ["late"]
    assert {each["name"] for each in Shelf(farm).list("echo", "done", 10)} == {"a", "b", "sub/c.txt"}
    assert Shelf(farm).answer("echo", key_of("sub/c.txt"))["result"]["text"] == "one"


def test_the_files_of_an_answer_are_no_answers(farm: Farm, hot: HotFolder) -> None:
    drop(farm, hot, "echo", b"scan.pdf")
    out = Path(farm.results.root, "inbox", "echo")
    (out / "scan.pdf.document.json").write_text("[]")
    (out / "x.params.json").write_text("{}")
    (out / "mine.json").write_text('{"a": 1}')
    assert Shelf(farm).folders()[0]["done"] == 1


@pytest.mark.parametrize(
    "name", [b"scan.png", "发票 7.png".encode(), b"sub/deep/x.png", b"line\nbreak.png", b"\xff\xfe.png"]
)
def test_a_file_of_any_name_is_put_back_and_answered_in_the_same_place(farm: Farm, hot: HotFolder, name: bytes) -> None:
    drop(farm, hot, "edit", name)
    made = Shelf(farm)
    [failed] = made.list("edit", "failed", 10)
    assert made.put_back("edit", [failed["key"]]) == {"put_back": 1, "left": []}
    path = os.path.join(os.fsencode(farm.inbox), b"edit", name)
    assert os.path.exists(path)
    assert made.list("edit", "failed", 10) == []
    drop(farm, hot, "edit")
    [again] = made.list("edit", "failed", 10)
    assert again["key"] == failed["key"]
    assert again["id"] != failed["id"]


def test_parameters_go_back_with_their_file(farm: Farm, hot: HotFolder) -> None:
    Path(farm.inbox, "edit", "a.png.params.json").write_text('{"operations": ["blur=3"]}')
    drop(farm, hot, "edit", b"a.png")
    made = Shelf(farm)
    made.put_back("edit", [key_of("a.png")])
    assert sorted(os.listdir(f"{farm.inbox}/edit")) == ["a.png", "a.png.params.json"]


def test_what_cannot_be_put_back_says_why_and_is_left_as_it_is(farm: Farm, hot: HotFolder) -> None:
    drop(farm, hot, "edit", b"taken.png", b"gone.png", b"good.png")
    out = Path(farm.results.root, "inbox", "edit")
    Path(farm.inbox, "edit", "taken.png").write_bytes(b"another")
    (out / "gone.png").unlink()
    told = Shelf(farm).put_back("edit", [key_of(name) for name in ("taken.png", "gone.png", "good.png")])
    assert told["put_back"] == 1
    assert [each["name"] for each in told["left"]] == ["taken.png", "gone.png"]
    assert "waits already" in told["left"][0]["error"]
    assert Path(farm.inbox, "edit", "taken.png").read_bytes() == b"another"
    assert (out / "taken.png.json").exists()
    assert (out / "gone.png.json").exists()


@pytest.mark.parametrize("name", ["../../launcher.json", "a/../../b", "/etc/passwd", ".", "", "a//b", "a\0b"])
def test_no_key_leads_out_of_the_folder(farm: Farm, name: str) -> None:
    with pytest.raises(InvalidRequest):
        parts_of(key_of(name))
    with pytest.raises(InvalidRequest):
        Shelf(farm).put_back("edit", [key_of(name)])


@pytest.mark.parametrize("key", ["x", "é", "%%", "YQ"])
def test_a_key_that_is_none_is_refused(farm: Farm, key: str) -> None:
    with pytest.raises(InvalidRequest):
        Shelf(farm).answer("edit", key)


def test_links_are_not_followed(farm: Farm, hot: HotFolder, tmp_path: Path) -> None:
    drop(farm, hot, "edit", b"a.png")
    (tmp_path / "secret.json").write_text('{"status": "failed"}')
    (tmp_path / "secret").write_text("x")
    out = Path(farm.results.root, "inbox", "edit")
    (out / "away").symlink_to(tmp_path)
    (out / "near.json").symlink_to(tmp_path / "secret.json")
    made = Shelf(farm)
    assert [each["name"] for each in made.list("edit", "failed", 10)] == ["a.png"]
    for name in ("away/secret", "near"):
        with pytest.raises(UnknownFile):
            made.answer("edit", key_of(name))
    assert made.put_back("edit", [key_of("away/secret")])["put_back"] == 0
    assert json.loads((tmp_path / "secret.json").read_text())


def test_of_many_answers_the_newest_are_read_first_and_the_others_at_the_next_looks(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MOST_READ", 3)
    out = Path(farm.results.root, "inbox", "echo")
    out.mkdir(parents=True)
    for number in range(5):
        (out / f"{number}.json").write_text('{"id": "x", "status": "failed", "error": "no"}')
        os.utime(out / f"{number}.json", (1 + number, 1 + number))
    made = Shelf(farm)
    assert [each["name"] for each in made.list("echo", "failed", 10)] == ["4", "3", "2"]
    echo = next(each for each in made.folders() if each["task"] == "echo")
    assert (echo["failed"], echo["complete"]) == (5, True)


def test_a_task_that_takes_no_files_has_no_folder(farm: Farm) -> None:
    with pytest.raises(UnknownTask):
        Shelf(farm).list("nosuch", "failed", 10)
