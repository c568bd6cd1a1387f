"""Models renamed and removed: the class stays known by the name, and nothing is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spoolfarm.config import load
from spoolfarm.errors import InvalidParams, NameTaken
from spoolfarm.tasks.flower import model_files
from spoolfarm.tasks.flower.project import Project
from tests.support import foreign_flower_project as foreign
from tests.support.run_folders import run_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = foreign.make(tmp_path / "project")
    for name in ("colours", "grey-net"):
        foreign.write(made / f"weights/{name}.pth", name)
    return made


@pytest.fixture
def project(root: Path) -> Project:
    return Project(load(foreign.settings(root)).by_name())


def test_weights_are_renamed_with_their_history_and_keep_their_class(root: Path, project: Project) -> None:
    model = model_files.rename(project, project.model("colours"), "Colours_best of all")
    assert (model.id, Path(model.weights).read_text()) == ("Colours_best of all", "colours")
    assert "colours" in model.class_names
    assert project.history("Colours_best of all") == foreign.history(3)
    assert not project.has_model("colours")
    assert not (root / "history/colours.json").exists()
    assert model_files.rename(project, project.model("grey-net"), "GreyNet-2").class_names[-1] == "greynet"


def test_a_run_is_renamed_and_knows_its_job_and_its_class_from_then_on(root: Path, project: Project) -> None:
    name = run_folder(root, 1)
    assert model_files.beginning(project.model(name)) == "SmallCNN"
    model = model_files.rename(project, project.model(name), "smallcnn-digits", "0a" * 12)
    assert json.loads(Path(model.about).read_text())["job"] == "0a" * 12
    assert model_files.beginning(model) == "SmallCNN"
    again = model_files.rename(project, model, "SmallCNN_2", "0b" * 12)
    assert json.loads(Path(again.about).read_text())["job"] == "0a" * 12
    assert [each.id for each in project.models()] == ["colours", "grey-net", "SmallCNN_2"]


@pytest.mark.parametrize(
    "name", ["", ".hidden", "a/b", "..", "a\0b", "colours\n", "x" * 300, "other", "colour", "coloursX"]
)
def test_a_name_that_would_hide_the_class_or_lead_elsewhere_is_refused(project: Project, name: str) -> None:
    with pytest.raises(InvalidParams, match=r"^name: "):
        model_files.rename(project, project.model("colours"), name)
    assert project.has_model("colours")


def test_nothing_is_replaced(root: Path, project: Project) -> None:
    foreign.write(root / "weights/colours_2.pth", "another")
    first, second = run_folder(root, 1), run_folder(root, 2)
    for old, new in (("colours", "colours_2"), (first, second)):
        with pytest.raises(NameTaken):
            model_files.rename(project, project.model(old), new)
        assert project.has_model(old)
    assert (root / "weights/colours_2.pth").read_text() == "another"


def test_what_is_removed_goes_with_its_history(root: Path, project: Project) -> None:
    name = run_folder(root, 1)
    model_files.remove(project, project.model("colours"))
    model_files.remove(project, project.model(name))
    assert [each.id for each in project.models()] == ["grey-net"]
    assert not (root / "history/colours.json").exists()
    assert not (root / "global_models" / name).exists()
