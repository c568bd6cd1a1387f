"""A file system without hard links: results still appear once, and are never replaced."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from spoolfarm import config
from spoolfarm.cli import machine
from spoolfarm.cli.finding import Level
from spoolfarm.errors import SettingError
from spoolfarm.launcher.premises import check_file_systems
from spoolfarm.spool import files
from spoolfarm.spool.rename import rename_new


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP])
def no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links fail as they do on exFAT, or on some file systems of other machines."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refuse)


def refuse_renames(path: str, target: str) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path, None, target)


def test_a_rename_that_never_replaces_leaves_both_files_as_they_are(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("first")
    second.write_text("second")
    with pytest.raises(FileExistsError):
        rename_new(str(second), str(first))
    assert (first.read_text(), second.read_text()) == ("first", "second")
    rename_new(str(second), str(tmp_path / "third"))
    assert sorted(os.listdir(tmp_path)) == ["first", "third"]


@pytest.mark.parametrize("knows", [True, False])
def test_what_is_moved_to_a_new_place_replaces_nothing(
    knows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not knows:
        monkeypatch.setattr(files, "rename_new", refuse_renames)
    first, second, folder = tmp_path / "first", tmp_path / "second", tmp_path / "folder"
    first.write_text("first")
    second.write_text("second")
    folder.mkdir()
    for path in (second, folder):
        with pytest.raises(FileExistsError):
            files.relocate_new(str(path), str(first))
    files.relocate_new(str(second), str(tmp_path / "third"))
    files.relocate_new(str(folder), str(tmp_path / "run"))
    assert sorted(os.listdir(tmp_path)) == ["first", "run", "third"]
    assert first.read_text() == "first"


@pytest.mark.usefixtures("no_links")
def test_of_many_who_publish_at_once_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    start, won, threads = threading.Barrier(16), [], []

    def publish(number: int) -> None:
        temporary = str(tmp_path / f"{number}.new")
        files.write_new(temporary, [str(number).encode()])
        start.wait()
        if files.publish(temporary, str(tmp_path / "result")):
            won.append(number)

    for number in range(16):
        threads.append(threading.Thread(target=publish, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert os.listdir(tmp_path) == ["result"]
    assert (tmp_path / "result").read_text() == str(won[0])


@pytest.mark.usefixtures("no_links")
def test_the_farm_starts_without_links_where_renames_can_do_it(settings: config.Settings) -> None:
    for root in (settings.spool_dir, settings.results_dir):
        files.make_directory(f"{root}/tmp")
    check_file_systems(settings)
    assert list(machine.publishing(settings)) == []
    assert os.listdir(f"{settings.results_dir}/tmp") == []


@pytest.mark.usefixtures("no_links")
def test_without_links_and_such_renames_the_farm_refuses_to_start_and_the_doctor_says_why(
    settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "rename_new", refuse_renames)
    for root in (settings.spool_dir, settings.results_dir):
        files.make_directory(f"{root}/tmp")
    with pytest.raises(SettingError, match=r"FARM_SPOOL_DIR=.* neither hard links nor renames that never replace"):
        check_file_systems(settings)
    found = list(machine.publishing(settings))
    assert [(finding.level, finding.check) for finding in found] == [(Level.FAIL, "spool"), (Level.FAIL, "results")]
    assert os.listdir(f"{settings.results_dir}/tmp") == []


def test_a_full_disk_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_new", full)
    assert files.can_publish(str(tmp_path))
