"""`/v1/runs` and `/v1/models`: folders and jobs as one list, compared, renamed and removed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.farm.farm import Farm
from spoolfarm.server.current import FARM
from spoolfarm.server.views.runs import RUNS
from spoolfarm.spool.job import Result, State
from tests.support import foreign_flower_project as foreign
from tests.support.front_client import front_client
from tests.support.http_requests import refused
from tests.support.run_folders import run_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


@pytest.fixture
def front(tmp_path: Path, root: Path) -> Iterator[FlaskClient]:
    with front_client(tmp_path, **foreign.settings(root), FARM_ENABLE="simulate,classify") as client:
        yield client


@pytest.fixture
def farm(front: FlaskClient) -> Farm:
    found: Farm = front.application.extensions[FARM]
    return found


def look(front: FlaskClient, query: str = "") -> dict[str, Any]:
    """The listing as it is now, and not as it was a moment ago."""
    front.application.extensions[RUNS]._forget()
    answer = front.get(f"/v1/runs{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def states(front: FlaskClient, query: str = "") -> dict[str, str]:
    return {each["id"]: each["state"] for each in look(front, query)["runs"]}


def end(farm: Farm, status: State, **more: Any) -> str:
    """Have a simulation end as a worker would; its id."""
    job = farm.submit("simulate", rounds=2)
    farm.cancel(job.id)
    farm.remove_result(job.id)
    farm.results.publish(Result(job.id, "simulate", status, 1, 1.0, 1.0, 5.0, **more), sync=True)
    return job.id


def test_a_job_without_a_folder_is_a_run_and_its_cancellation_is_a_stop(front: FlaskClient, farm: Farm) -> None:
    job = farm.submit("simulate", rounds=2)
    assert states(front) == {job.id: "queued"}
    told = front.get(f"/v1/runs/{job.id}").get_json()
    assert (told["settings"], told["rounds"], told["source"], told["has_model"]) == ({"rounds": 2}, [], "http", False)
    refused(front.delete(f"/v1/runs/{job.id}"), 409, "is queued")
    job.cancel()
    assert states(front) == {job.id: "stopped"}
    assert front.delete(f"/v1/runs/{job.id}").get_json() == {"id": job.id}
    assert states(front) == {}
    refused(front.get(f"/v1/runs/{job.id}"), 404)


def test_a_folder_and_the_job_that_made_it_are_one_run_by_either_id(front: FlaskClient, farm: Farm, root: Path) -> None:
    own, foreign_one, by_hand = (run_folder(root, number) for number in range(3))
    job = end(farm, State.SUCCEEDED, result={"exit_code": 0, "folder": foreign_one})
    other = end(farm, State.FAILED, error="it ended", details={"exit_code": 1, "folder": None})
    path = root / "global_models" / own / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"job": other}))
    assert states(front) == {own: "failed", foreign_one: "completed", by_hand: "completed"}
    told = front.get(f"/v1/runs/{job}").get_json()
    assert (told["id"], told["job"], told["seconds"]) == (foreign_one, job, 4.0)
    assert front.get(f"/v1/runs/{own}").get_json()["error"] == "it ended"
    sources = {each["id"]: each["source"] for each in look(front)["runs"]}
    assert sources[by_hand] == "hand"
    end(farm, State.SUCCEEDED, result={"exit_code": 0, "folder": foreign_one})  # it goes on with the run
    assert look(front)["total"] == 3
    assert front.delete(f"/v1/runs/{foreign_one}").status_code == 200
    assert states(front).keys() == {own, by_hand}
    farm.remove_dead_letter(other)
    farm.remove_result(other)
    assert {each["id"]: each["source"] for each in look(front)["runs"]}[own] == "farm"


def test_runs_are_found_sorted_and_paged_with_the_figures_of_a_round(front: FlaskClient, root: Path) -> None:
    names = [run_folder(root, number, rounds=number, learning_rate=0.01 * number) for number in range(1, 5)]
    run_folder(root, 5, rounds=0, status="stopped")
    assert [each["id"] for each in look(front, "?limit=2")["runs"]][1] == names[3]
    best = look(front, "?sort=accuracy&limit=2&offset=1&at=best")
    assert ([each["id"] for each in best["runs"]], best["total"]) == ([names[2], names[1]], 5)
    second = look(front, "?sort=loss&descending=false&at=2")["runs"]
    assert [each["at"] and each["at"]["round"] for each in second] == [2, 2, 2, None, None]
    assert look(front, "?state=stopped")["counts"] == {
        "queued": 0, "running": 0, "completed": 4, "stopped": 1, "failed": 0,
    }  # fmt: skip
    assert look(front, "?name=smallcnn&state=stopped")["total"] == 1
    assert look(front, "?name=nobody")["runs"] == []
    refused(front.get("/v1/runs?at=worst"), 400, "at")


def test_of_several_runs_the_settings_that_differ_are_told(front: FlaskClient, root: Path) -> None:
    names = [run_folder(root, 1, learning_rate=rate, seed=3 + at) for at, rate in enumerate((0.1,))]
    names.append(run_folder(root, 2, learning_rate=0.2, seed=3))
    told = front.post("/v1/run-curves", json={"runs": [*names, "nobody", names[0]]}).get_json()
    assert (told["settings"], told["missing"]) == (["learning_rate"], ["nobody"])
    assert [(each["id"], each["settings"]["learning_rate"]) for each in told["runs"]] == [
        (names[0], 0.1),
        (names[1], 0.2),
    ]
    assert [len(each["accuracies"]) for each in told["runs"]] == [10, 10]
    refused(front.post("/v1/run-curves", json={"runs": "all"}), 400, "runs")


def test_a_model_is_taken_away_renamed_and_removed(front: FlaskClient, root: Path) -> None:
    name = run_folder(root, 1)
    assert front.get(f"/v1/models/{name}").get_json()["beginning"] == "SmallCNN"
    with front.get(f"/v1/models/{name}/weights") as answer:
        assert answer.data == b"no weights"
        assert f"{name}.pth" in answer.headers["Content-Disposition"]
    assert (
        front.post(f"/v1/models/{name}/rename", json={"name": "SmallCNN_digits"}).get_json()["id"] == "SmallCNN_digits"
    )
    assert states(front) == {"SmallCNN_digits": "completed"}
    refused(front.post("/v1/models/SmallCNN_digits/rename", json={"name": "digits"}), 422, "begin with SmallCNN")
    refused(front.post("/v1/models/SmallCNN_digits/rename", json={"name": "SmallCNN_digits"}), 409, "already")
    refused(front.post(f"/v1/models/{name}/rename", json={"name": "SmallCNN_2"}), 404)
    assert front.delete("/v1/models/SmallCNN_digits").get_json() == {"id": "SmallCNN_digits"}
    refused(front.delete("/v1/models/SmallCNN_digits"), 404)
    assert os.listdir(root / "global_models") == []


def test_a_run_under_way_is_neither_renamed_nor_removed(front: FlaskClient, root: Path) -> None:
    name = run_folder(root, 1, status="running")
    refused(front.post(f"/v1/models/{name}/rename", json={"name": "SmallCNN_2"}), 409, "is running")
    refused(front.delete(f"/v1/models/{name}"), 409)
    refused(front.delete(f"/v1/runs/{name}"), 409)
    assert front.get(f"/v1/models/{name}").status_code == 200


def test_a_run_may_be_given_what_the_script_declares(front: FlaskClient) -> None:
    told = front.get("/v1/run-parameters").get_json()
    assert told["properties"]["rounds"] == {"type": "integer", "default": 2}
