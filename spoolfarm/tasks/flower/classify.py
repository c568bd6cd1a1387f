"""The classify task: what a model of the Flower project says of a picture."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from spoolfarm import images
from spoolfarm.errors import BadModel, BrokenImage, LabelMismatch, UnknownModel
from spoolfarm.spool.job import Job
from spoolfarm.system import threads
from spoolfarm.tasks import Context, Params, Task
from spoolfarm.tasks.flower import faults
from spoolfarm.tasks.flower.project import NEEDS as WHERE
from spoolfarm.tasks.flower.project import Project
from spoolfarm.tasks.flower.result import ClassifyResult

if TYPE_CHECKING:
    from spoolfarm.tasks.flower.network import Network
    from spoolfarm.tasks.flower.networks import Networks

#: The settings that speak for models of which nothing else is known.
PICTURES = ("CLASS_LABELS", "IMG_SIZE", "IMG_MEAN", "IMG_STD")


class ClassifyParams(Params):
    """By which model."""

    model: str = Field(description="the id of a model; GET /api/models/ lists them", examples=["Net"])


class Classify(Task):
    """Answers how likely each class is, by a model of the Flower project; see docs/platform.md."""

    Params = ClassifyParams
    results = (ClassifyResult,)
    max_batch = 16
    needs = (*WHERE, *PICTURES)
    _networks: Networks

    def validate(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters, once it is sure that there is such a model. Raises UnknownModel, too."""
        checked = super().validate(params)
        self._project.model(checked["model"])
        return checked

    def stays(self, params: Mapping[str, Any]) -> bool:
        return True  # the models lie in the project

    def faults(self) -> Iterable[str]:
        return faults.of_models(self._project, self.settings)

    def prepare(self) -> None:
        from spoolfarm.tasks.flower import networks  # noqa: F401  # torch comes with it

    def setup(self) -> None:
        import torch

        from spoolfarm.tasks.flower.networks import Networks

        threads.limit()
        torch.set_num_threads(threads.budget())
        self._networks = Networks(self._project, self.settings)

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        """Pictures for the same model go through it together; one that is broken fails alone."""
        outcomes: dict[str, Any] = {}
        for model_id in dict.fromkeys(job.params["model"] for job in batch):
            jobs = [job for job in batch if job.params["model"] == model_id]
            try:
                outcomes |= self._classify(jobs, self._networks.get(model_id), model_id)
            except (BadModel, LabelMismatch, UnknownModel) as error:
                outcomes |= {job.id: error for job in jobs}
        return [outcomes[job.id] for job in batch]

    @cached_property
    def _project(self) -> Project:
        return Project(self.settings)

    def _classify(self, jobs: Sequence[Job], network: Network, model_id: str) -> dict[str, Any]:
        start = time.perf_counter()
        outcomes: dict[str, Any] = {}
        prepared = {}
        for job in jobs:
            try:
                prepared[job.id] = network.prepare(images.decode(job.images[0]))
            except BrokenImage as error:
                outcomes[job.id] = error
        decoded = time.perf_counter()
        if prepared:
            rows = network.predict(list(prepared.values()))
            ms = {"decode": _ms(start, decoded), "predict": _ms(decoded, time.perf_counter()), "batch": len(prepared)}
            told = ({"model": model_id, "predictions": row, "ms": ms} for row in rows)
            outcomes |= dict(zip(prepared, told, strict=True))
        return outcomes


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 1)
