"""A project's code: its module of model classes, imported so that it and the farm do not see each other's modules."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from spoolfarm.errors import BadModel
from spoolfarm.tasks.flower.project import plain


class Code:
    """The modules below *root*, seen by nobody but those inside `visible`."""

    def __init__(self, root: str, module: str) -> None:
        self._root = root
        self._module = module
        self._modules: dict[str, ModuleType] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        #: The project's top-level names, the farm's modules of these names, and how many modules there were then.
        self._top: set[str] = set()
        self._hidden: list[str] = []
        self._loaded = 0

    def stamp(self) -> Mapping[str, tuple[int, int]]:
        """When each loaded file was written, and its size; a change means that all are to be loaded anew."""
        now = {path: _stamp(path) for path in self._stamps}
        if now != self._stamps:
            self._modules = {}
            self._stamps = {}
            self._loaded = 0
        return self._stamps

    def find(self, class_names: Sequence[str]) -> type[nn.Module]:
        """The model class called by the first of *class_names* that one is called, without case, `_` and `-`.

        Raises BadModel.
        """
        with self.visible():
            module = self._load()
        found = {name: each for name, each in vars(module).items() if inspect.isclass(each)}
        models = {name: each for name, each in found.items() if issubclass(each, nn.Module)}
        called = {plain(name): each for name, each in reversed(models.items())}
        for name in class_names:
            if name in called:
                return called[name]
        named = ", ".join(sorted(name for name, each in models.items() if each.__module__ in self._modules)) or "none"
        raise BadModel(f"module {self._module} has no model class called like {class_names[0]!r}; it has {named}")

    def _load(self) -> ModuleType:
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(self._module)
        except (Exception, SystemExit) as error:  # it is the user's code: whatever it raises is told
            sentence = f"{type(error).__name__}: {error}".replace(self._root, "the project")
            raise BadModel(f"module {self._module} of the project cannot be imported: {sentence}") from error
        return module

    @contextlib.contextmanager
    def visible(self) -> Iterator[None]:
        """Let imports find the project's modules, and not the farm's of the same names, until the block ends."""
        hidden = self._hide()
        sys.modules.update(self._modules)
        sys.path.insert(0, self._root)
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the project is not ours to write to
        before = len(sys.modules)
        try:
            yield
        finally:
            sys.path.remove(self._root)
            sys.dont_write_bytecode = writes
            if len(sys.modules) != before:
                self._modules = {name: sys.modules[name] for name in self._ours()}
                paths = (each.__file__ for each in self._modules.values() if getattr(each, "__file__", None))
                self._stamps = {path: self._stamps.get(path) or _stamp(path) for path in paths if path}
            for name in self._modules:
                sys.modules.pop(name, None)
            sys.modules.update(hidden)
            self._loaded = len(sys.modules)

    def _hide(self) -> dict[str, ModuleType]:
        """Take the farm's modules out that have a name of ours. Which they are is looked up when there are new ones."""
        if len(sys.modules) != self._loaded:
            self._top = self._names()
            self._hidden = self._ours()
        return {name: sys.modules.pop(name) for name in self._hidden if name in sys.modules}

    def _ours(self) -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in self._top]

    def _names(self) -> set[str]:
        """The top-level modules that the project has: its files, its packages, and folders that hide nothing loaded."""
        try:
            entries = list(os.scandir(self._root))
        except OSError as error:
            raise BadModel(f"FLOWER_PROJECT_DIR cannot be read: {error.strerror}") from error
        files = {entry.name[:-3] for entry in entries if entry.name.endswith(".py")}
        folders = {entry.name for entry in entries if entry.is_dir()}
        packages = {name for name in folders if Path(self._root, name, "__init__.py").is_file()}
        return files | packages | {name for name in folders if name not in sys.modules}


def arguments(kind: type[nn.Module], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of *offered* that making a *kind* takes."""
    try:
        taken = inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return {}
    if any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        return dict(offered)
    return {name: value for name, value in offered.items() if name in taken}


def needed(kind: type[nn.Module]) -> Sequence[str]:
    """The names without which no *kind* can be made."""
    try:
        taken = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in taken if each.default is each.empty and each.kind not in variable]


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
