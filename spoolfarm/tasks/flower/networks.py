"""The networks of a worker: loaded when first asked for, loaded anew when a file of theirs changes."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from spoolfarm.errors import UnknownModel
from spoolfarm.tasks.flower.model_info import ModelInfo
from spoolfarm.tasks.flower.network import Network
from spoolfarm.tasks.flower.project import Model, Project
from spoolfarm.tasks.flower.project_code import Code

#: How many stay loaded.
MOST = 8


class Networks:
    """The project's networks by model id."""

    def __init__(self, project: Project, settings: Mapping[str, Any]) -> None:
        self._project = project
        self._settings = settings
        self._code = Code(project.root, project.module)
        self._loaded: OrderedDict[str, tuple[Any, Network]] = OrderedDict()

    def get(self, model_id: str) -> Network:
        """The network of that id, as its files are now. Raises UnknownModel or BadModel."""
        model = self._project.model(model_id)
        now = self._stamp(model)
        if model_id not in self._loaded or self._loaded[model_id][0] != now:
            self._loaded.pop(model_id, None)
            network = Network(model, ModelInfo.of(model, self._settings), self._code)
            self._loaded[model_id] = (now | {"code": dict(self._code.stamp())}, network)
            while len(self._loaded) > MOST:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(model_id)
        return self._loaded[model_id][1]

    def _stamp(self, model: Model) -> dict[str, Any]:
        """What changes when a file does: the weights, their record, or the code."""
        found: dict[str, Any] = {"code": dict(self._code.stamp())}
        for path in (model.weights, model.about):
            try:
                stat = os.stat(path)
                found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            except FileNotFoundError:
                if path == model.weights:
                    raise UnknownModel(f"the weights of {model.id!r} are gone") from None
        return found
