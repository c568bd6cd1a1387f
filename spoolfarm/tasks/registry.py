"""The registry: every installed task's name and the dotted path of its class."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from spoolfarm.errors import SettingError, UnknownTask, UnsupportedMedia
from spoolfarm.tasks import Task, extras
from spoolfarm.tasks.lanes import LANES

#: The tasks that come with the farm.
BUILT_IN: Mapping[str, str] = {
    "classify": "spoolfarm.tasks.flower.classify:Classify",
    "document": "spoolfarm.tasks.ocr.document:Document",
    "echo": "spoolfarm.tasks.echo:Echo",
    "edit": "spoolfarm.tasks.edit.task:Edit",
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
    "ocr": "ocr",
    "orient": "segment",
    "segment": "segment",
    "simulate": "flower",
}
#: The engine of `segment` and `orient` that learned nothing, and the extra whose libraries are enough for it.
CLASSICAL, ITS_EXTRA = "classical", "edit"

#: The entry-point group by which an installed package adds tasks.
GROUP = "spoolfarm.tasks"


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
        self._paths |= {point.name: point.value for point in entry_points(group=GROUP)}
        self._paths |= extra or {}
        #: The built-in tasks that are not installed, by name the extra that each needs.
        self._absent = {name: extra for name, extra in self._extras().items() if not extras.installed(extra)}
        for name in self._absent:
            del self._paths[name]
        if only:
            self._restrict(only)
        self._tasks: dict[str, Task] = {}

    def _extras(self) -> dict[str, str]:
        """The extra that each task needs which is the farm's own."""
        found = {name: extra for name, extra in EXTRAS.items() if self._paths[name] == BUILT_IN[name]}
        if self._settings.get("FARM_SEGMENT_MODEL") == CLASSICAL:
            found |= {name: ITS_EXTRA for name, extra in found.items() if extra == "segment"}
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
        """Every task's name, sorted."""
        return sorted(self._paths)

    def get(self, name: str) -> Task:
        """Return the task called *name*, not set up.

        Raises UnknownTask, NotInstalled when its libraries are missing, or SettingError without such a class.
        """
        if name not in self._tasks:
            self.require(name)
            path = self._paths.get(name)
            if path is None:
                raise UnknownTask(f"no task is called {name!r}; there are {', '.join(self.names())}")
            self._tasks[name] = _load(name, path, self._settings)
        return self._tasks[name]

    def require(self, name: str) -> None:
        """Raise NotInstalled when *name* is a built-in task whose libraries are missing."""
        if name in self._absent:
            raise extras.not_installed(f"task {name}", self._absent[name])

    def absent(self) -> Mapping[str, str]:
        """The built-in tasks that are not installed, by name the extra that each needs."""
        return self._absent

    def meant(self, name: str, images: Sequence[bytes], params: Mapping[str, Any], field: str) -> str:
        """The task that a job for *name* is really for. Raises UnknownTask, or UnsupportedMedia that names *field*."""
        other = self.get(name).instead(images, params)
        if other is not None and other not in self._paths and other not in self._absent:
            raise UnsupportedMedia(f"{field}: is for the task {other}, which FARM_ENABLE leaves out")
        return other or name

    def for_one(self) -> list[str]:
        """The names of the tasks that can work on one file alone."""
        return [name for name in self.names() if self.get(name).min_images <= 1 <= self.get(name).max_images]

    def lane(self, lane: str) -> list[str]:
        """The names of the tasks that the workers of *lane* run."""
        return [name for name in self.names() if self.get(name).lane == lane]

    def shared(self, lane: str) -> list[str]:
        """Those of them that have something to share between workers."""
        return [name for name in self.lane(lane) if type(self.get(name)).prepare is not Task.prepare]


def _load(name: str, path: str, settings: Mapping[str, Any]) -> Task:
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingError(f"task {name!r} is set to {path!r}, which cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise SettingError(f"task {name!r} is set to {path!r}, which is no subclass of spoolfarm.tasks.Task")
    if found.lane not in LANES:
        raise SettingError(f"task {name!r} wants the lane {found.lane!r}; there are {', '.join(LANES)}")
    task = found()
    if unknown := sorted(set(task.needs) - set(settings)):
        raise SettingError(f"task {name!r} needs the setting {unknown[0]}, which there is not")
    task.settings = {each: settings[each] for each in task.needs}
    return task
