"""The files of a model: renamed and removed, so that its class is still told by its name."""

from __future__ import annotations

import os
from typing import Any

from spoolfarm.errors import BadProject, InvalidParams, NameTaken
from spoolfarm.spool import files
from spoolfarm.tasks.flower import run_records
from spoolfarm.tasks.flower.project import RECORD, WEIGHTS, Model, Project, is_name, plain, read_json


def rename(project: Project, model: Model, name: str, job: str = "") -> Model:
    """Give *model* another id, and its history with it; a run's record names the *job* that made it from then on.

    Raises InvalidParams, NameTaken or BadProject.
    """
    if not is_name(name) or not name.isprintable():
        raise InvalidParams("name: is no name of a file: 1 to 249 bytes of UTF-8, no slash, no dot at its beginning")
    _check_class(model, name)
    if project.has_model(name) or os.path.lexists(os.path.join(project.runs, name)):
        raise NameTaken(f"there is already a model called {name!r}")
    try:
        if model.is_run:
            _note_job(os.path.dirname(model.weights), job)
            files.relocate_new(os.path.dirname(model.weights), os.path.join(project.runs, name))
        else:
            files.relocate_new(model.weights, os.path.join(project.weights, name + WEIGHTS))
            if os.path.isfile(model.about):
                files.relocate_new(model.about, os.path.join(os.path.dirname(model.about), f"{name}.json"))
    except FileExistsError as error:
        raise NameTaken(f"there is already a model called {name!r}") from error
    except OSError as error:
        raise BadProject(f"{model.id!r} cannot be renamed: {error.strerror}") from error
    return project.model(name)


def remove(project: Project, model: Model) -> None:
    """Remove the weights of *model* and its history; of a run its whole folder. Raises BadProject."""
    if model.is_run:
        remove_run(project, os.path.basename(os.path.dirname(model.weights)))
        return
    try:
        files.remove(model.weights)
        files.remove(model.about)
    except OSError as error:
        raise BadProject(f"{model.id!r} cannot be removed: {error.strerror}") from error


def remove_run(project: Project, name: str) -> None:
    """Remove the folder *name* of a run, with all that is in it. Raises BadProject."""
    try:
        files.remove_tree(os.path.join(project.runs, name))
    except OSError as error:
        raise BadProject(f"the run {name!r} cannot be removed: {error.strerror}") from error


def beginning(model: Model) -> str:
    """What every name of *model* has to begin with, case and signs aside: its class, as far as that is known."""
    told: Any = None
    if model.is_run:
        try:
            found = read_json(model.about)
            told = found.get("model") if isinstance(found, dict) else None
        except (OSError, ValueError):
            told = None
    return told if isinstance(told, str) and plain(told) in model.class_names else model.without_time


def _check_class(model: Model, name: str) -> None:
    wanted = beginning(model)
    new = Model(name, model.weights, model.about, model.is_run)
    if plain(wanted) not in new.class_names:
        raise InvalidParams(
            f"name: has to begin with {wanted}, by which the class of the model is known, and go on with a sign: "
            f"{wanted}_best"
        )


def _note_job(folder: str, job: str) -> None:
    path = os.path.join(folder, RECORD)
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return
    if job and isinstance(found, dict) and "job" not in found:
        run_records.write(path, {**found, "job": job})
