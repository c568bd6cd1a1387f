"""Extras: a task whose libraries are missing is not there, and says how to install it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from spoolfarm.config import load
from spoolfarm.errors import InvalidParams, NotInstalled, SettingError, UnknownTask
from spoolfarm.farm.farm import Farm
from spoolfarm.server.app import create_app
from spoolfarm.tasks import extras
from spoolfarm.tasks.extras import LIBRARIES
from spoolfarm.tasks.registry import BUILT_IN, EXTRAS, Registry

Without = Callable[..., None]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTkPeAAAAABJRU5ErkJggg=="


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Without:
    """Makes libraries look as if they were not installed."""

    def hide(*modules: str) -> None:
        there = extras.there
        monkeypatch.setattr(extras, "there", lambda name: name not in modules and there(name))

    return hide


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ("onnxruntime", {"ocr", "document"}),
        ("pikepdf", {"ocr", "document"}),
        ("torchvision", {"segment", "measure", "orient"}),
        ("torch", {"segment", "measure", "orient", "classify", "simulate"}),
        ("flwr", {"classify", "simulate"}),
        ("cv2", set(BUILT_IN) - {"echo"}),
    ],
)
def test_tasks_whose_libraries_are_missing_are_not_there(without: Without, missing: str, gone: set[str]) -> None:
    without(missing)
    found = Registry(settings=load().by_name())
    assert set(BUILT_IN) - set(found.names()) == gone
    assert not gone & {*found.lane("general"), *found.lane("document"), *found.lane("simulate"), *found.for_one()}
    for name in gone:
        hint = f"task {name} is not installed here: pip install 'spoolfarm[{EXTRAS[name]}]' (or ./start.sh --extras "
        with pytest.raises(NotInstalled, match=re.escape(hint)):
            found.get(name)
    with pytest.raises(UnknownTask, match="no task is called 'nothing'"):
        found.get("nothing")


def test_the_bare_farm_has_echo(without: Without) -> None:
    without(*(module for modules in LIBRARIES.values() for module in modules))
    assert Registry().names() == ["echo"]


def test_the_classical_engine_needs_no_torch(without: Without) -> None:
    without("torch", "torchvision")
    settings = load({"FARM_SEGMENT_MODEL": "classical"}).by_name()
    assert {"segment", "measure", "orient"} <= set(Registry(settings=settings).names())
    without("cv2")
    with pytest.raises(NotInstalled, match=re.escape("pip install 'spoolfarm[edit]'")):
        Registry(settings=settings).get("segment")


def test_a_task_of_ones_own_in_the_place_of_one_that_is_not_installed_is_there(without: Without) -> None:
    without("onnxruntime")
    found = Registry({"ocr": BUILT_IN["echo"]})
    assert "ocr" in found.names()
    assert "document" not in found.names()


def test_enabling_what_is_not_installed_is_refused_and_leaving_it_out_is_not(without: Without) -> None:
    without("onnxruntime")
    with pytest.raises(SettingError, match=r"^FARM_ENABLE: task ocr is not installed here: pip install .*$"):
        Registry({}, ["echo", "ocr"])
    assert Registry({}, ["echo"]).names() == ["echo"]
    with pytest.raises(UnknownTask):
        Registry({}, ["echo"]).get("ocr")


def test_the_hint_keeps_what_the_environment_was_made_with(
    without: Without, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert extras.chosen() is None
    assert str(extras.not_installed("task ocr", "ocr")).endswith("(or ./start.sh --extras ocr)")
    (tmp_path / "extras").write_text("edit\n")
    assert extras.chosen() == ("edit",)
    assert str(extras.not_installed("task ocr", "ocr")).endswith("(or ./start.sh --extras edit,ocr)")
    (tmp_path / "extras").write_text("all\n")
    assert extras.chosen() == tuple(LIBRARIES)
    assert str(extras.not_installed("task ocr", "ocr")).endswith("(or ./start.sh --extras ocr)")
    (tmp_path / "extras").write_text("none\n")
    assert extras.chosen() == ()


def test_every_extra_of_the_package_is_known_and_all_brings_them_together() -> None:
    wanted = [Requirement(text) for text in requires("spoolfarm") or ()]
    of: dict[str, set[str]] = {}
    for each in wanted:
        for extra in (*LIBRARIES, "all", "test"):
            if each.marker is not None and each.marker.evaluate({"extra": extra}):
                of.setdefault(extra, set()).add(each.name)
    [everything] = [each for each in wanted if each.name == "spoolfarm" and "ocr" in each.extras]
    assert everything.extras == set(LIBRARIES)
    assert set(EXTRAS.values()) == set(LIBRARIES) - {"ray"}  # which no task needs
    names = {"cv2": "opencv-python-headless", "grpc": "grpcio"}
    for extra, modules in LIBRARIES.items():
        assert {names.get(module, module) for module in modules} <= of[extra]
    bare = {each.name for each in wanted if each.marker is None}
    assert not bare & {names.get(module, module) for modules in LIBRARIES.values() for module in modules}
    assert not bare & {"pycocotools", "ray"}


FACES = [
    ("/v1/jobs", {"json": {"task": "ocr", "image": PICTURE}}, "ocr"),
    ("/v1/run/ocr", {"json": {"image": PICTURE}}, "ocr"),
    ("/v1/run/document", {"json": {"image": PICTURE}}, "document"),
    ("/tyocr", {"data": {"imgbase64": PICTURE}}, "ocr"),
    ("/predict", {"json": {"image": PICTURE}}, "segment"),
    ("/upload", {"json": {"image": PICTURE}}, "orient"),
    ("/items/", {"json": {"images": [], "operations": []}}, "edit"),
    ("/items/", {"json": {"images": [{"input": "a.png", "output": "b.png"}], "operations": []}}, "edit"),
    ("/api/predict/", {"json": {"model_id": "no such model", "image_data": PICTURE}}, "classify"),
    ("/v1/jobs", {"json": {"task": "simulate"}}, "simulate"),
]


@pytest.mark.parametrize(("path", "sent", "task"), FACES, ids=[path for path, *_ in FACES])
def test_a_request_for_what_is_not_installed_is_a_501(
    settings_here: dict[str, str], without: Without, path: str, sent: dict[str, object], task: str
) -> None:
    without("cv2")
    app = create_app(load(settings_here))
    answer = app.test_client().post(path, **sent)  # type: ignore[arg-type]
    told = answer.get_json()
    assert answer.status_code == 501, told
    assert told["code"] == "not_installed"
    assert told["error"].startswith(f"task {task} is not installed here: pip install 'spoolfarm[{EXTRAS[task]}]'")
    assert ("sign" in told) == (path == "/tyocr")
    app.extensions["spoolfarm.server.uploads"].close()


def test_tasks_and_docs_know_only_what_is_installed(settings_here: dict[str, str], without: Without) -> None:
    without("onnxruntime", "torch")
    app = create_app(load(settings_here))
    front = app.test_client()
    assert [each["name"] for each in front.get("/v1/tasks").get_json()["tasks"]] == ["echo", "edit"]
    paths = set(front.get("/openapi.json").get_json()["paths"])
    assert {"/v1/run/echo", "/v1/run/edit", "/v1/edit", "/items/", "/v1/jobs"} <= paths
    assert not paths & {"/v1/run/ocr", "/tyocr", "/predict", "/upload", "/api/predict/", "/federated"}
    app.extensions["spoolfarm.server.uploads"].close()


def test_a_farm_takes_no_job_of_a_task_that_is_not_installed(settings_here: dict[str, str], without: Without) -> None:
    without("onnxruntime")
    farm = Farm(settings=load(settings_here))
    with pytest.raises(NotInstalled):
        farm.submit("ocr", b"")
    with pytest.raises(InvalidParams):
        farm.submit("echo", seconds=-1)
    assert farm.jobs() == []
    farm.close()


@pytest.fixture
def settings_here(tmp_path: Path) -> dict[str, str]:
    """Directories of the test's own, all tasks, and whatever the disk has."""
    directories = {f"FARM_{name.upper()}_DIR": str(tmp_path / name) for name in ("spool", "results", "data", "run")}
    return {**directories, "FARM_MIN_FREE_MB": "0", "FARM_ENABLE": ""}
