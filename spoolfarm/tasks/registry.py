"""The registry: every installed task's name and the dotted path of its class."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel

from spoolfarm import config
from spoolfarm.errors import SettingError, TaskUnavailable, UnknownTask, UnsupportedMedia
from spoolfarm.tasks import Task, checked, extras, schema
from spoolfarm.tasks.lanes import LANES

#: The tasks that come with the farm.
BUILT_IN: Mapping[str, str] = {
    "classify": "spoolfarm.tasks.flower.classify:Classify",
    "document": "spoolfarm.tasks.ocr.document:Document",
    "echo": "spoolfarm.tasks.echo:Echo",
    "edit": "spoolfarm.tasks.edit.task:Edit",
    "measure": "spoolfarm.tasks.segment.measure:Measure",
    "ocr": "spoolfarm.tasks.ocr.task:Ocr",
    "orient": "spoolfarm.tasks.segment.orient:Orient",
    "segment": "spoolfarm.tasks.segment.task:Segment",
    "simulate": "spoolfarm.tasks.flower.simulate:Simulate",
}
#: The extra that each of them needs; the others come with the farm itself.
EXTRAS: Mapping[str, str] = {
    "classify": "flower",
    "document": "ocr",
    "edit": "edit",
    "measure": "segment",
    "ocr": "ocr",
    "orient": "segment",
    "segment": "segment",
    "simulate": "flower",
}
#: Where FARM_SEGMENT_MODEL needs no torch, and the extra whose libraries are enough: the engine that learned nothing,
#: and what the names of ONNX models end in.
CLASSICAL, CLASSICAL_EXTRA = "classical", "edit"
ONNX, ONNX_EXTRA = ".onnx", "ocr"

#: What a task says of itself in numbers, and the least of each.
NUMBERS = {"max_batch": 1, "min_images": 0, "max_images": 0, "tries": 0}
#: The entry-point group by which an installed package adds tasks.
GROUP = "spoolfarm.tasks"
#: What those parts of a module's path are called that hold installed packages.
INSTALLED = {"site-packages", "dist-packages"}

#: The modules that were imported for the sake of tasks.
_imported: set[str] = set()


def forget_code() -> None:
    """Have the modules of tasks read anew when they are next wanted, as their authors may have changed them.

    Those of the farm, of Python and of installed packages stay: many of them cannot be loaded twice.
    """
    importlib.invalidate_caches()
    standard = os.path.dirname(os.__file__)
    for name in sorted(_imported):
        file = str(getattr(sys.modules.get(name), "__file__", None) or "")
        installed = INSTALLED & set(file.split(os.sep)) or file.startswith(standard + os.sep)
        if file.endswith(".py") and not installed and name.partition(".")[0] != "spoolfarm":
            del sys.modules[name]
    _imported.clear()


@functools.lru_cache(maxsize=1)
def added(_places: tuple[tuple[str, int], ...]) -> Mapping[str, str]:
    """The tasks that installed packages add, by name the dotted path of each."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


class Registry:
    """The tasks by name: *extra* ones win over entry points, and those over the built-in. With *only*, no others.

    A built-in task whose libraries are not installed is not among them. Each task gets those of the *settings*, values
    by name, that it needs. Raises SettingError when *only* names a task that is not there.
    """

    def __init__(
        self,
        extra: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = settings or {}
        self._paths = dict(BUILT_IN)
        self._paths |= added(extras.places())
        self._paths |= extra or {}
        #: The built-in tasks that are not installed, by name the extra that each needs.
        self._absent = {name: extra for name, extra in self._extras().items() if not extras.installed(extra)}
        for name in self._absent:
            del self._paths[name]
        if only:
            self._restrict(only)
        self._tasks: dict[str, Task] = {}
        #: What is wrong with those that cannot be had.
        self._broken: dict[str, str] = {}

    def _extras(self) -> dict[str, str]:
        """The extra that each task needs which is the farm's own."""
        found = {name: extra for name, extra in EXTRAS.items() if self._paths[name] == BUILT_IN[name]}
        model = str(self._settings.get("FARM_SEGMENT_MODEL"))
        if its := CLASSICAL_EXTRA if model == CLASSICAL else ONNX_EXTRA if model.lower().endswith(ONNX) else None:
            found |= {name: its for name, extra in found.items() if extra == "segment"}
        return found

    def _restrict(self, only: Sequence[str]) -> None:
        """Leave out all tasks but those in *only*. Raises SettingError for one that is not there."""
        for name in only:
            if name in self._absent:
                raise SettingError(f"FARM_ENABLE: {extras.not_installed(f'task {name}', self._absent[name])}")
            if name not in self._paths:
                raise SettingError(f"FARM_ENABLE names {name!r}; there are {', '.join(self.names())}")
        self._paths = {name: self._paths[name] for name in only}
        self._absent = {}

    def names(self) -> list[str]:
        """Every task's name, sorted, also of those that cannot be had."""
        return sorted(self._paths)

    def usable(self) -> list[str]:
        """The names of those that can be had."""
        return [name for name in self.names() if self._has(name)]

    def broken(self) -> dict[str, str]:
        """Why the others cannot be had, by name."""
        return {name: self._broken[name] for name in self.names() if not self._has(name)}

    def faults(self) -> list[str]:
        """What is wrong with the settings, by those of the tasks that can be had."""
        found: list[str] = []
        for name in self.usable():
            try:
                found += self.get(name).faults()
            except Exception as error:  # noqa: BLE001  # it may be somebody's code
                found.append(f"task {name!r} cannot say what is wrong with its settings: {_in_a_line(error)}")
        return list(dict.fromkeys(found))

    def get(self, name: str) -> Task:
        """Return the task called *name*, not set up.

        Raises UnknownTask, NotInstalled when its libraries are missing, or TaskUnavailable that says what is wrong.
        """
        if (task := self._tasks.get(name)) is not None:
            return task
        self.require(name)
        if name not in self._paths:
            raise UnknownTask(f"no task is called {name!r}; there are {', '.join(self.names())}")
        if not self._has(name):
            raise TaskUnavailable(self._broken[name])
        return self._tasks[name]

    def _has(self, name: str) -> bool:
        """Whether the task can be had; what fails is tried once, for trying runs somebody's code."""
        if name not in self._tasks and name not in self._broken:
            try:
                self._tasks[name] = _load(name, self._paths[name], self._settings)
            except TaskUnavailable as error:
                self._broken[name] = str(error)
        return name in self._tasks

    def require(self, name: str) -> None:
        """Raise NotInstalled when *name* is a built-in task whose libraries are missing."""
        if name in self._absent:
            raise extras.not_installed(f"task {name}", self._absent[name])

    def absent(self) -> Mapping[str, str]:
        """The built-in tasks that are not installed, by name the extra that each needs."""
        return self._absent

    def checked(self, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """*params* as the task *name* wants them. Raises what `get` and `spoolfarm.tasks.checked` raise."""
        return checked(self.get(name), name, params)

    def meant(self, name: str, images: Sequence[bytes], params: Mapping[str, Any], field: str) -> str:
        """The task that a job for *name* is really for. Raises UnknownTask, or UnsupportedMedia that names *field*."""
        other = self.get(name).instead(images, params)
        if other is not None and other not in self._paths and other not in self._absent:
            raise UnsupportedMedia(f"{field}: is for the task {other}, which FARM_ENABLE leaves out")
        return other or name

    def for_one(self) -> list[str]:
        """The names of the tasks that can work on one file alone."""
        return [name for name in self.usable() if self.get(name).min_images <= 1 <= self.get(name).max_images]

    def lane(self, lane: str) -> list[str]:
        """The names of the tasks that the workers of *lane* run."""
        return [name for name in self.usable() if self.get(name).lane == lane]

    def shared(self, lane: str) -> list[str]:
        """Those of them that have something to share between workers."""
        return [name for name in self.lane(lane) if type(self.get(name)).prepare is not Task.prepare]


def _load(name: str, path: str, settings: Mapping[str, Any]) -> Task:
    """The task in the class at *path*. Raises TaskUnavailable, whatever the code there does."""
    where = f"task {name!r} is set to {path!r}"
    try:
        found = _found(path, settings.get(config.HOME) or str(config.ROOT))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise TaskUnavailable(f"{where}, which cannot be imported: {_in_a_line(error)}") from error
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise TaskUnavailable(f"{where}, which is no subclass of spoolfarm.tasks.Task")
    if problem := _problem(found, settings):
        raise TaskUnavailable(f"task {name!r} {problem}")
    try:
        task = found()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise TaskUnavailable(f"{where}, which cannot be made without arguments: {_in_a_line(error)}") from error
    task.settings = {each: settings[each] for each in task.needs}
    return task


def _found(path: str, home: str) -> Any:
    """What lies at *path*, where a worker would look for it: what lies at *home* or beside launcher.py comes first."""
    module, _, attribute = path.partition(":")
    before = [here for here in dict.fromkeys([home, str(config.ROOT)]) if here not in sys.path]
    sys.path[:0] = before
    known = set(sys.modules)
    try:
        return getattr(importlib.import_module(module), attribute)
    finally:
        _imported.update(sys.modules.keys() - known)
        for here in before:
            sys.path.remove(here)
        sys.path += before  # it may import more later, and nobody else's modules shall be hidden by it


def _problem(found: type[Task], settings: Mapping[str, Any]) -> str | None:
    """What is wrong with a class of a task, or None."""
    if found.run is Task.run:
        return "has no method run"
    if inspect.iscoroutinefunction(found.run):
        return "has a method run that is a coroutine; the farm calls it and waits for nothing"
    if found.lane not in list(LANES):  # it may be anything, and no key
        return f"wants the lane {found.lane!r}; there are {', '.join(LANES)}"
    for name, least in NUMBERS.items():
        value = getattr(found, name)
        if not isinstance(value, int) or value < least:
            return f"has {value!r} as {name}, which is a whole number from {least}"
    parts: Any = found.parts
    if not isinstance(parts, tuple):
        return f"has {parts!r} as parts, which is a tuple of names of tasks"
    unknown = sorted(set(found.needs) - set(settings))
    return f"needs the setting {unknown[0]}, which there is not" if unknown else _untold(found)


def _untold(found: type[Task]) -> str | None:
    """Which of its models no documentation can tell, or None; those of the farm's own tasks are sound."""
    if found.__module__.partition(".")[0] == "spoolfarm":
        return None
    models: list[tuple[str, Any]] = [("Params", found.Params), *(("results", each) for each in found.results)]
    for name, model in models:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return f"has {model!r} as {name}, which is no model of pydantic"
        try:
            told = schema(model)
        except Exception as error:  # noqa: BLE001  # it may be somebody's code
            said = str(error).partition("\n")[0]  # without pydantic's address
            return f"has a model {model.__name__} that JSON schema cannot tell: {type(error).__name__}: {said}"
        if name == "Params" and told.get("type") != "object":
            return f"has the model {model.__name__} as Params, which has no parameters by name"
        if name == "Params" and (hidden := _hidden(told)):
            return f"has the parameter {hidden}, a secret: workers would get asterisks, so make it a str"
    return None


def _hidden(told: Mapping[str, Any]) -> str | None:
    """The first parameter in the JSON schema *told* of which pydantic writes only asterisks, or None."""
    for model in [told, *told.get("$defs", {}).values()]:
        for name, about in model.get("properties", {}).items():
            if '"writeOnly": true' in json.dumps(about):
                return str(name)
    return None


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
