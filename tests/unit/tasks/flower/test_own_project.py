"""The farm's own project: made where the packaged one cannot be written to, whole, once, and kept up to date."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from spoolfarm import config
from spoolfarm.config import load
from spoolfarm.errors import BadProject
from spoolfarm.tasks.flower import own_project
from spoolfarm.tasks.flower.project import Project
from tests.support import foreign_flower_project as foreign
from tests.support.running_farm import ROOT
from tests.support.unreadable import need_others_to_read

#: The program of a process of another user.
LOOK = """
import json, sys
from spoolfarm.config import load
from spoolfarm.tasks.flower.project import Project
project = Project(load({"FARM_HOME": sys.argv[1], "FARM_DATA_DIR": sys.argv[2]}).by_name())
print(json.dumps([project.root, project.to_be_made, project.command({}), project.root]))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a project of its own."""
    made = foreign.make(tmp_path / "checkout/flower_project")
    foreign.write(made / "run_flower.py", "print('round 1/1')")
    foreign.write(made / "model.py", "from torch import nn")
    foreign.write(made / "saved_models/net.pth", "weights")
    foreign.write(made / "results/README.md", "")
    foreign.write(made / "global_models/README.md", "")
    foreign.write(made / "__pycache__/model.pyc", "")
    monkeypatch.setattr(config, "ROOT", tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture
def shut(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same for a user who may not write there; root, who runs some of these tests, may write everywhere."""
    here = str(home / "flower_project")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(here) and may(path, mode))
    return home


def project(home: Path, **more: Any) -> Project:
    return Project(load({"FARM_HOME": str(home), **more}).by_name())


def test_where_the_checkout_can_be_written_to_its_project_is_used(home: Path) -> None:
    found = project(home)
    assert [model.id for model in found.models()] == ["net"]
    assert found.root == str(home / "flower_project")
    assert not (home / "data").exists()


def test_where_it_cannot_the_farm_gets_one_of_its_own_at_its_first_use(shut: Path) -> None:
    found = project(shut)
    own = shut / "data/flower_project"
    assert (found.root, found.to_be_made, own.exists()) == (str(own), True, False)
    assert [model.id for model in found.models()] == ["net"]
    assert not found.to_be_made
    assert (own / "nets/zoo.py").read_text() == (shut / "flower_project/nets/zoo.py").read_text()
    assert not (own / "__pycache__").exists()
    assert project(shut).command({}) == [sys.executable, "run_flower.py"]


def test_what_a_farm_has_made_stays_its_project(shut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(shut).models()
    monkeypatch.undo()
    assert project(shut).root == str(shut / "data/flower_project")


def test_a_project_that_is_named_is_never_replaced(shut: Path) -> None:
    named = project(shut, FLOWER_PROJECT_DIR="flower_project")
    assert named.root == str(shut / "flower_project")
    assert [model.id for model in named.models()] == ["net"]
    assert not (shut / "data").exists()
    with pytest.raises(BadProject):
        project(shut, FLOWER_PROJECT_DIR="nothing").models()


def test_a_farm_with_a_home_elsewhere_gets_a_copy_of_the_checkouts(home: Path, tmp_path: Path) -> None:
    found = project(tmp_path / "srv")
    assert [model.id for model in found.models()] == ["net"]
    assert found.root == str(tmp_path / "srv/data/flower_project")


def test_a_package_without_a_checkout_looks_in_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ROOT", tmp_path)
    assert project(tmp_path).root == str(tmp_path / "flower_project")
    with pytest.raises(BadProject, match="FLOWER_PROJECT_DIR"):
        project(tmp_path).models()
    assert not (tmp_path / "data").exists()


def test_of_many_that_make_it_at_once_each_finds_it_whole(shut: Path) -> None:
    found: list[list[str]] = []
    start = threading.Barrier(8)

    def look() -> None:
        mine = project(shut)
        start.wait()
        found.append([model.id for model in mine.models()])

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["net"]] * 8
    assert sorted(os.listdir(shut / "data")) == [".flower_project.lock", "flower_project"]


def test_what_a_killed_process_has_left_is_no_project(shut: Path) -> None:
    foreign.write(shut / "data/flower_project.new/run_flower.py", "half")
    project(shut).models()
    assert (shut / "data/flower_project/run_flower.py").read_text() == "print('round 1/1')"
    assert not (shut / "data/flower_project.new").exists()


def test_a_new_version_replaces_what_nobody_has_changed_and_keeps_what_was_trained(shut: Path) -> None:
    project(shut).models()
    packaged, own = shut / "flower_project", shut / "data/flower_project"
    foreign.write(own / "nets/zoo.py", "# mine")
    (own / "config.py").unlink()
    foreign.write(own / "global_models/Net_20260101-000000/best_model.pth", "trained")
    for name in ("run_flower.py", "nets/zoo.py", "config.py", "new.py"):
        foreign.write(packaged / name, "# the next version")
    assert {model.id for model in project(shut).models()} == {"net", "Net_20260101-000000"}
    assert (own / "run_flower.py").read_text() == "# the next version"
    assert (own / "new.py").read_text() == "# the next version"
    assert (own / "nets/zoo.py").read_text() == "# mine"
    assert not (own / "config.py").exists()
    before = (own / own_project.NOTE).stat().st_mtime_ns
    project(shut).models()
    assert (own / own_project.NOTE).stat().st_mtime_ns == before


def test_a_folder_that_is_no_copy_is_left_alone(shut: Path) -> None:
    foreign.write(shut / "data/flower_project/saved_models/mine.pth", "")
    assert [model.id for model in project(shut).models()] == ["mine"]
    assert not (shut / "data/flower_project/run_flower.py").exists()


def test_links_lead_where_they_led(shut: Path, tmp_path: Path) -> None:
    foreign.write(tmp_path / "disk/x.txt", "far")
    (shut / "flower_project/pictures").symlink_to("../../disk")
    (shut / "flower_project/x.txt").symlink_to("../../disk/x.txt")
    project(shut).models()
    assert (shut / "data/flower_project/pictures/x.txt").read_text() == "far"
    assert (shut / "data/flower_project/x.txt").is_symlink()


def test_a_copy_that_cannot_be_made_is_said(shut: Path) -> None:
    foreign.write(shut / "data", "a file")
    with pytest.raises(BadProject, match="FARM_DATA_DIR"):
        project(shut).models()


@pytest.mark.needs("setpriv", "root")
def test_an_ordinary_user_gets_a_project_that_he_can_write_to(home: Path, tmp_path: Path) -> None:
    need_others_to_read(ROOT)
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 12345, 12345)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    user = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
    done = subprocess.run(
        [*user, sys.executable, "-c", LOOK, str(home), str(data)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr and "site-packages" in done.stderr:
        pytest.skip("this Python is for root alone")
    assert str(data / "flower_project") in done.stdout, done.stderr
    assert (data / "flower_project/global_models").stat().st_uid == 12345
