"""Equipment: the tasks of a worker, where their jobs run, and what workers may share before they are forked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from spoolfarm import config
from spoolfarm.errors import SettingError, TaskUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.tasks import Task, extras
from spoolfarm.tasks.registry import Registry, forget_code
from spoolfarm.worker.executors import Executor
from spoolfarm.worker.executors.local import LocalExecutor

log = logging.getLogger("spoolfarm.worker")


def usable(registry: Registry, names: Sequence[str]) -> dict[str, Task]:
    """Those of the tasks *names* that can be had; the log tells of the others. Raises FarmError when none can."""
    found, problems = {}, []
    for name in names:
        try:
            found[name] = registry.get(name)
        except TaskUnavailable as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    for problem in problems:
        log.error("%s; it is disabled", problem)
    return found


def executor(tasks: Mapping[str, Task], farm: Farm) -> Executor:
    """Where the jobs of a worker for *tasks* run: tasks that all stay have no use for a cluster."""
    if farm.settings.executor == "local" or all(task.stays({}) for task in tasks.values()):
        return LocalExecutor(tasks)
    from spoolfarm.worker.executors.ray import RayExecutor

    return RayExecutor(tasks, farm)


def reloaded(settings: config.Settings) -> Farm:
    """The farm of *settings*, with its tasks as their files are now."""
    forget_code()
    return Farm(settings=settings)


def check(farm: Farm) -> None:
    """Raise SettingError when no worker could use the executor that the settings name."""
    settings = farm.settings
    if settings.executor == "local":
        return
    if not extras.installed("ray"):
        raise SettingError(f"FARM_EXECUTOR=ray: {extras.not_installed('it', 'ray')}")
    if unknown := sorted(set(settings.ray_resources) - set(farm.tasks.names())):
        raise SettingError(f"FARM_RAY_RESOURCES names {unknown[0]!r}; there are {', '.join(farm.tasks.names())}")


def prepare(tasks: Sequence[str]) -> None:
    """Have each task load what workers may share. What fails here fails again in the worker, which reports it."""
    settings = config.load()
    registry = Registry(settings.tasks, settings.enable, settings.by_name())
    if settings.executor == "ray":
        from spoolfarm.worker.executors import ray

        ray.prepare(settings)
        return
    for name in tasks:
        try:
            registry.get(name).prepare()
        except BaseException as error:  # noqa: BLE001  # whatever a task raises is no reason to share nothing
            log.warning("nothing of the task %s is shared: %s", name, error)
