"""Faults: what in the settings of the Flower project cannot be right, a sentence each that names the setting."""

from __future__ import annotations

import importlib.util
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from spoolfarm.config import Address
from spoolfarm.errors import BadProject
from spoolfarm.tasks.flower import start_command
from spoolfarm.tasks.flower.project import WEIGHTS, Project

#: How else files of weights end, which are no models here.
ELSEWHERE = (".pt", ".ckpt", ".safetensors", ".npz", ".h5", ".onnx")


def of_simulations(project: Project) -> Iterator[str]:
    """Why no simulation could run, or leave its model."""
    if project.to_be_made:
        return
    if not os.path.isdir(project.root):
        yield _no_directory(project)
        return
    runs = project.runs if os.path.isdir(project.runs) else project.root
    if not os.access(runs, os.W_OK | os.X_OK):
        yield f"FLOWER_PROJECT_DIR: the farm may not write to {runs}, where a simulation leaves its model"
    try:
        first, *rest = start_command.command(project.root, project.script, {})
    except BadProject as error:
        yield str(error)
        return
    if os.path.isabs(first) and not os.access(first, os.X_OK):
        yield f"FLOWER_START_SCRIPT: {first} is no program; make it one (chmod +x), or name the program that runs it"
    script = next((word for word in rest if word.endswith(".py") and word in project.script), None)
    if script and (wrong := _wrong(os.path.join(project.root, script))):
        yield f"FLOWER_START_SCRIPT: {wrong}"


def of_superlink(superlink: Address | None, authorities: str | None) -> Iterator[str]:
    """Why the file *authorities* could not tell that the SuperLink is the right one."""
    if not authorities:
        return
    if superlink is None:
        yield "FLOWER_SUPERLINK_CA: says who has signed for a SuperLink, but FLOWER_SUPERLINK names none"
    try:
        ssl.create_default_context(cafile=authorities)
    except ssl.SSLError:
        yield f"FLOWER_SUPERLINK_CA: {authorities} holds no certificates in PEM"
    except OSError as error:
        yield f"FLOWER_SUPERLINK_CA: {authorities} cannot be read: {error.strerror}"


def of_models(project: Project, settings: Mapping[str, Any]) -> Iterator[str]:
    """Why no model could be found, or predict."""
    if project.to_be_made:
        return
    if not os.path.isdir(project.root):
        yield _no_directory(project)
        return
    if not os.path.isdir(project.weights):
        yield f"MODEL_WEIGHTS_SUBDIR: {project.weights} is no directory"
    elif other := _unlisted(project.weights):
        yield f"MODEL_WEIGHTS_SUBDIR: {other} is not listed as a model; only a state dict called NAME{WEIGHTS} is"
    if project.histories and not os.path.isdir(project.histories):
        yield f"HISTORY_SUBDIR: {project.histories} is no directory; where there are no histories, leave it empty"
    if wrong := _module(project):
        yield f"MODEL_DEFINITION_MODULE: {wrong}"
    labels = settings["CLASS_LABELS"]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        yield f"CLASS_LABELS: names {', '.join(twice)} more than once"
    if not labels:
        yield "CLASS_LABELS: names no class"


def _no_directory(project: Project) -> str:
    return f"FLOWER_PROJECT_DIR: {project.root} is no directory"


def _unlisted(folder: str) -> str | None:
    """The first file of weights in *folder* that is no model by its name, unless a model has the rest of it."""
    try:
        names = [os.path.splitext(name) for name in sorted(os.listdir(folder))]
    except OSError as error:
        return f"{folder} cannot be read ({error.strerror}), so what lies there"
    models = {name for name, suffix in names if suffix == WEIGHTS}
    for name, suffix in names:
        if suffix != WEIGHTS and suffix.lower() in (WEIGHTS, *ELSEWHERE) and name not in models:
            return name + suffix
    return None


def _module(project: Project) -> str | None:
    """What is wrong with the module of models, which is not imported; None when nothing is seen to be."""
    base = os.path.join(project.root, *project.module.split("."))
    for path in (f"{base}.py", f"{base}/__init__.py"):
        if os.path.isfile(path):
            return _wrong(path)
    if os.path.isdir(base) or importlib.util.find_spec(project.module.partition(".")[0]) is not None:
        return None  # a folder without __init__.py, or a package that is installed
    return f"{base}.py is no file, and no installed module has that name"


def _wrong(path: str) -> str | None:
    """Why the Python file at *path* could not be run; None when nothing is seen to be wrong."""
    try:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except SyntaxError as error:
        return f"{path}, line {error.lineno}: {error.msg}"
    except ValueError as error:
        return f"{path}: {error}"
    return None
