"""Damage: a note or a result that is not as it was written costs the work done, and never the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.cli import doctor
from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder import archiver, scanner
from spoolfarm.hotfolder.dropped import Identity
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.hotfolder.journal import Journal, Note, damage
from spoolfarm.spool.job import new_id
from tests.support.damage import damages
from tests.support.echoing_worker import answers, left, work
from tests.support.running_farm import until


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiver, "LINGER", 0.0)
    monkeypatch.setattr(archiver, "AGAIN", 0.02)
    monkeypatch.setattr(scanner, "RESCAN", 0.02)


@pytest.fixture
def dropped(farm: Farm) -> Path:
    """A file whose note is written and whose job is queued, by a hot folder that has gone."""
    folder = HotFolder(farm)
    file = Path(farm.inbox, "echo", "a")
    file.write_bytes(b"one")
    step_until(folder, lambda: farm.spool.count().get("echo") == 1)
    folder.close()
    return file


def step_until(folder: HotFolder, condition: Any) -> None:
    def step() -> Any:
        folder.step()
        return condition()

    until(step)


def note_of(farm: Farm) -> Path:
    [name] = os.listdir(f"{farm.spool.root}/taken")
    return Path(farm.spool.root, "taken", name)


def settled(farm: Farm) -> dict[str, Any]:
    """What a new hot folder has answered when nothing is under way."""
    folder = HotFolder(farm)

    def done() -> bool:
        work(farm.spool)
        return not os.listdir(f"{farm.spool.root}/taken") and not left(Path(farm.inbox))

    step_until(folder, done)
    folder.close()
    return answers(Path(farm.results.root, "inbox"))


def test_a_damaged_note_is_gone_or_as_it_was(tmp_path: Path) -> None:
    note = Note(new_id(), "echo/中文.png", Identity(1, 2, 3, 4), "digest", target="echo/中文.png~2")
    path = tmp_path / f"{note.id}.1.json"
    Journal(str(tmp_path)).save(note)
    kept = 0
    for _ in damages(path):
        wrong = damage(str(path))
        [*found] = Journal(str(tmp_path))
        assert found == ([] if wrong else [note])
        assert path.exists() is not wrong
        kept += not wrong
    assert kept == 0, "an unknown field is no note of ours either"


def test_a_note_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    note = Note(new_id(), "echo/a", Identity(1, 2, 3, 4), "digest")
    path = tmp_path / f"{note.id}.1.json"
    Journal(str(tmp_path)).save(note)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b',"crc32"')] + b"}")
    assert list(Journal(str(tmp_path))) == [note]
    path.write_bytes(path.read_bytes().replace(b'"digest": "digest"', b'"digest": 17'))
    assert list(Journal(str(tmp_path))) == []


def test_a_note_under_the_name_of_another_is_none(tmp_path: Path) -> None:
    note = Note(new_id(), "echo/a", Identity(1, 2, 3, 4), "digest")
    Journal(str(tmp_path)).save(note)
    os.rename(tmp_path / f"{note.id}.1.json", tmp_path / f"{new_id()}.1.json")
    assert list(Journal(str(tmp_path))) == []
    assert os.listdir(tmp_path) == []


def test_a_note_that_cannot_be_read_stops_no_start(tmp_path: Path) -> None:
    path = tmp_path / f"{new_id()}.1.json"
    path.mkdir()
    assert list(Journal(str(tmp_path))) == []
    assert damage(str(path))


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: data.replace(b"echo/a", b"echo/b")])
def test_a_file_whose_note_is_damaged_is_taken_again(farm: Farm, dropped: Path, spoil: Any) -> None:
    path = note_of(farm)
    path.write_bytes(spoil(path.read_bytes()))
    [finding] = [each for each in doctor.damage(farm.settings) if each.advice]
    assert str(path) in finding.what
    assert settled(farm) == {"echo/a": "one"}


def test_a_file_whose_result_is_damaged_is_taken_again_by_the_hot_folder_that_waits_for_it(
    farm: Farm, dropped: Path
) -> None:
    folder = HotFolder(farm)
    work(farm.spool)
    [job_id] = farm.results.ids()
    path = Path(farm.results.root, f"{job_id}.json")
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    step_until(folder, lambda: farm.spool.count().get("echo") == 1)
    folder.close()
    assert settled(farm) == {"echo/a": "one"}
    assert not path.exists()
