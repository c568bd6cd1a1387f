"""The Flower project: its models, their training histories and the command of its simulation, with nothing loaded."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolfarm.errors import BadHistory, BadProject, NoHistory, NotConfigured, UnknownModel
from spoolfarm.spool import files
from spoolfarm.tasks.flower import own_project, start_command

#: The settings that say where what lies.
NEEDS = (
    "FARM_HOME",
    "FARM_DATA_DIR",
    "FLOWER_PROJECT_DIR",
    "FLOWER_START_SCRIPT",
    "MODEL_WEIGHTS_SUBDIR",
    "MODEL_DEFINITION_MODULE",
    "HISTORY_SUBDIR",
)
#: Where simulations leave one folder each, and what is in it.
RUNS, BEST, RECORD = "global_models", "best_model.pth", "result.json"
#: The suffix of weights.
WEIGHTS = ".pth"
#: A time after the name of a class: seconds or milliseconds since 1970, or a date, with a time of day or without.
STAMP = re.compile(
    r"_(?:(\d{10})(?:\d{3})?(?:\.\d+)?(?!\d)"
    r"|(\d{4}-?\d\d-?\d\d(?:[-_T ]?\d\d[-:.]?\d\d(?:[-:.]?\d\d)?)?))"
)
#: What is no letter and no digit.
SIGN = re.compile(r"[\W_]")
#: The lists that a training history has.
CURVES = ("rounds", "accuracies", "losses")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can predict: its weights, and the JSON that may tell of its classes and its pictures."""

    id: str
    weights: str
    about: str
    #: Whether a simulation made it, and wrote the JSON with it.
    is_run: bool

    @property
    def without_time(self) -> str:
        """Its id up to the time that it says, if it says one."""
        time = STAMP.search(self.id)
        return self.id[: time.start()] if time else self.id

    @property
    def class_names(self) -> list[str]:
        """What its class may be called, as far as case, `_` and `-` go, the longest first.

        That is its id, or a part of this that ends before a sign, but never within a time.
        """
        whole = len(self.without_time)
        ends = [sign.start() for sign in SIGN.finditer(self.id) if sign.start() <= whole]
        return [plain(self.id[:end]) for end in (len(self.id), *reversed(ends)) if end]


def plain(name: str) -> str:
    """*name* without what the names of a class and of its weights may differ in."""
    return name.replace("_", "").replace("-", "").casefold()


def when(name: str) -> str:
    """The time that *name* says, as digits from the year on; empty when it says none."""
    found = STAMP.search(name)
    if found is None:
        return ""
    seconds, date = found.groups()
    return time.strftime("%Y%m%d%H%M%S", time.localtime(int(seconds))) if seconds else re.sub(r"\D", "", date)


class Project:
    """The directory that the settings name, or the farm's own, which is made when it is first used."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.root = own_project.place(settings)
        #: What the farm's own is to be a copy of, until it is one.
        self._packaged = own_project.origin(settings)
        self.runs = os.path.join(self.root, RUNS)
        self.module: str = settings["MODEL_DEFINITION_MODULE"]
        self.script: tuple[str, ...] = settings["FLOWER_START_SCRIPT"]
        self.weights = os.path.join(self.root, settings["MODEL_WEIGHTS_SUBDIR"])
        history: str = settings["HISTORY_SUBDIR"]
        self.histories = os.path.join(self.root, history) if history else None

    @property
    def to_be_made(self) -> bool:
        """Whether it is the farm's own, and not there yet."""
        return self._packaged is not None and not os.path.isdir(self.root)

    def make(self) -> None:
        """Make the farm's own project if that is used and not there yet. Raises BadProject."""
        packaged = self._packaged  # another thread may be done with it meanwhile
        if packaged is not None:
            own_project.make(packaged, self.root)
            self._packaged = None

    # Models.

    def models(self) -> list[Model]:
        """Every model: the weights by name, then what simulations left, the newest first. Raises BadProject."""
        self.make()
        try:
            names = sorted(os.listdir(self.weights))
        except OSError as error:
            raise BadProject(
                f"the models cannot be listed ({error.strerror}); see FLOWER_PROJECT_DIR and MODEL_WEIGHTS_SUBDIR"
            ) from error
        ids = [name.removesuffix(WEIGHTS) for name in names if name.endswith(WEIGHTS)]
        runs = sorted(files.names(self.runs), key=lambda name: (when(name), name), reverse=True)
        found = (self._find(model_id) for model_id in dict.fromkeys([*ids, *runs]))
        return [model for model in found if model is not None]

    def model(self, model_id: str) -> Model:
        """The model of that id. Raises UnknownModel."""
        found = self._find(model_id)
        if found is None:
            raise UnknownModel(f"no model is called {model_id!r}; GET /api/models/ lists them")
        return found

    def has_model(self, model_id: str) -> bool:
        """Whether there is a model of that id."""
        return self._find(model_id) is not None

    def _find(self, model_id: str) -> Model | None:
        if not is_name(model_id):
            return None
        self.make()
        saved = os.path.join(self.weights, model_id + WEIGHTS)
        if os.path.isfile(saved):
            return Model(model_id, saved, os.path.join(self.histories or self.weights, f"{model_id}.json"), False)
        folder = os.path.join(self.runs, model_id)
        best = os.path.join(folder, BEST)
        return Model(model_id, best, os.path.join(folder, RECORD), True) if os.path.isfile(best) else None

    # Histories.

    def history(self, model_id: str) -> dict[str, Any]:
        """The training history of a model. Raises NotConfigured, NoHistory or BadHistory."""
        if self.histories is None:
            raise NotConfigured("there are no training histories: HISTORY_SUBDIR is empty")
        self.make()
        places = [(self.histories, f"{model_id}.json"), (self.runs, model_id, RECORD)] if is_name(model_id) else []
        for place in places:
            try:
                return curves(read_json(os.path.join(*place)), model_id)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise BadHistory(f"the history of {model_id!r} cannot be read: {error.strerror}") from error
            except ValueError as error:
                raise BadHistory(f"the history of {model_id!r} is not JSON: {error}") from error
        raise NoHistory(f"there is no training history of {model_id!r}")

    # Simulations.

    def command(self, params: Mapping[str, Any]) -> list[str]:
        """The command that simulates with *params*, to be run in the project's directory.

        Raises BadProject or InvalidParams.
        """
        self.make()
        if not os.path.isdir(self.root):
            raise BadProject("FLOWER_PROJECT_DIR is no directory")
        return start_command.command(self.root, self.script, params)


def is_name(text: str) -> bool:
    """Whether *text* may be the name of a file, and leads nowhere else."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return False
    return 0 < length < 250 and text[0] != "." and "/" not in text and "\0" not in text


def read_json(path: str) -> Any:
    """What the JSON file at *path* says; numbers that JSON does not have are None. Raises OSError or ValueError."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read(), parse_constant=lambda _: None)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def curves(found: Any, model_id: str) -> dict[str, Any]:
    """The curves in *found* and what else is told of the whole training. Raises BadHistory."""
    if not isinstance(found, dict):
        raise BadHistory(f"the history of {model_id!r} is no JSON object")
    for name in CURVES:
        if not isinstance(found.get(name), list) or not all(map(_is_number, found[name])):
            raise BadHistory(f"the history of {model_id!r} lacks the list of numbers {name!r}")
    if len({len(found[name]) for name in CURVES}) > 1:
        raise BadHistory(f"the history of {model_id!r} has lists of different lengths")
    more = ("total_training_time", "test_accuracy", "best_round", "status", "model")
    told = {name: found[name] for name in more if isinstance(found.get(name), (str, int, float))}
    return {**{name: found[name] for name in CURVES}, **told}


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))
