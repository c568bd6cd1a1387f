"""The REST faces of the Flower platform on a front: its settings, its key, and what a client may not choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import foreign_flower_project as foreign
from tests.support.http_requests import refused
from tests.support.pictures import small, text_of
from tests.unit.server.conftest import Make

GOOD = {"model_id": "colours", "image_data": text_of(small())}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project."""
    return foreign.make(tmp_path_factory.mktemp("foreign") / "project")


def test_without_histories_it_is_a_501(make: Make, root: Path) -> None:
    front = make(**foreign.settings(root, HISTORY_SUBDIR=""))
    refused(front.get("/api/models/colours/training_history/"), 501, "HISTORY_SUBDIR")


def test_a_project_that_is_not_there_is_a_500(make: Make, tmp_path: Path) -> None:
    front = make(**foreign.settings(tmp_path / "nothing"))
    refused(front.get("/api/models/"), 500, "FLOWER_PROJECT_DIR")
    refused(front.post("/api/predict/", json=GOOD), 404, "no model")
    refused(front.get("/api/models/colours/training_history/"), 404, "no training history")
    refused(front.post("/v1/jobs", json={"task": "simulate"}), 500, "FLOWER_PROJECT_DIR")


def test_the_faces_want_the_key(make: Make, root: Path) -> None:
    front = make(**foreign.settings(root, FARM_API_KEY="secret"))
    refused(front.get("/api/models/"), 401)
    refused(front.post("/api/predict/", json=GOOD), 401)
    assert front.get("/api/models/", headers={"X-API-Key": "secret"}).status_code == 200


def test_parameters_that_cannot_reach_a_script_are_a_422(make: Make, root: Path) -> None:
    front = make(**foreign.settings(root))
    for params in ({"-a": 1}, {"a b": 1}, {"a": {}}, {"a": ["--x"]}, {"a": "--x"}):
        refused(front.post("/v1/jobs", json={"task": "simulate", "params": params}), 422, "params")
    assert front.post("/v1/jobs", json={"task": "simulate", "params": {"rounds": 1}}).status_code == 202
    dashed = {"num-clients": 2, "verbose": None, "layers": [64, 32]}
    assert front.post("/v1/jobs", json={"task": "simulate", "params": dashed}).status_code == 202


def test_a_client_chooses_no_path_of_the_machine(make: Make, root: Path, tmp_path: Path) -> None:
    front = make(**foreign.settings(root, FARM_DATA_DIR=tmp_path / "data"))

    def ask(params: dict[str, Any]) -> Any:
        return front.post("/v1/jobs", json={"task": "simulate", "params": params})

    for name, path in (("out", "/tmp/x"), ("data", "../../etc"), ("resume", "~root"), ("anything", str(tmp_path))):
        refused(ask({"rounds": 1, name: path}), 403, f"params.{name}: leads out of the Flower project")
    for path in ("", "runs", str(tmp_path / "data/pictures"), f"{root}/global_models"):
        assert ask({"rounds": 1, "out": path}).status_code == 202
