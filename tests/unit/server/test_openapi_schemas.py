"""`/openapi.json` as programs need it that make clients of it: names, types and examples that hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from spoolfarm.tasks.segment.result import Mask
from tests.support.front_client import front_client

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The document of a farm with every task, and with two of its own whose parameters have the same name."""
    own = {"FARM_TASKS": "deaf=tests.support.rude_tasks:Deaf,heavy=tests.support.rude_tasks:Deaf"}
    with front_client(tmp_path_factory.mktemp("front"), **own) as front:
        made: Document = front.get("/openapi.json").get_json()
    return made


def parts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Document]]:
    """Every object in *value* with the names that lead to it; examples are no schemas, and are left out."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from parts(each, (*path, str(index)))
    if isinstance(value, dict):
        yield path, value
        for name, each in value.items():
            if name not in ("example", "examples", "default", "enum"):
                yield from parts(each, (*path, name))


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """Every operation by its id."""
    for methods in document["paths"].values():
        for said in methods.values():
            yield said["operationId"], said


def problems(document: Document, schema: Document, value: Any) -> list[str]:
    """What is wrong with *value*, by *schema*."""
    found = jsonschema.Draft202012Validator({**schema, "components": document["components"]}).iter_errors(value)
    return [each.message for each in found]


def test_no_two_models_have_one_title(document: Document) -> None:
    titles = Counter(schema["title"] for _, schema in parts(document) if isinstance(schema.get("title"), str))
    assert [title for title, count in titles.items() if count > 1] == []
    for name, schema in document["components"]["schemas"].items():
        assert schema["title"] == name
        assert name.isidentifier()
        assert "__" not in name


def test_every_array_says_what_is_in_it(document: Document) -> None:
    arrays = [(path, schema) for path, schema in parts(document) if schema.get("type") == "array"]
    assert len(arrays) > 20
    assert [path for path, schema in arrays if "items" not in schema] == []


def test_every_good_response_has_a_schema(document: Document) -> None:
    untyped = {
        (name, kind)
        for name, said in operations(document)
        for status, response in said["responses"].items()
        for kind, content in response["content"].items()
        if status < "300" and not content["schema"]
    }
    assert untyped == {("run_run_deaf", "application/json"), ("run_run_deaf_put", "application/json")} | {
        ("run_run_heavy", "application/json"),
        ("run_run_heavy_put", "application/json"),
    }


def test_every_example_of_a_body_is_one(document: Document) -> None:
    """Files, which JSON cannot say, are the only thing that the examples of forms lack."""
    count = 0
    for name, said in operations(document):
        for kind, content in said.get("requestBody", {}).get("content", {}).items():
            if "example" not in content:
                assert kind == "application/octet-stream", name
                continue
            example = dict(content["example"])
            if kind == "multipart/form-data":
                [model] = [content["schema"]["$ref"].rpartition("/")[2]]
                fields = document["components"]["schemas"][model]["properties"]
                example |= {
                    field: ["a file"] if schema.get("type") == "array" else "a file"
                    for field, schema in fields.items()
                    if "binary" in (schema.get("format"), schema.get("items", {}).get("format"))
                }
            assert problems(document, content["schema"], example) == [], name
            count += 1
    assert count > 20


def test_every_example_of_a_parameter_or_a_field_is_one(document: Document) -> None:
    for name, said in operations(document):
        for parameter in said.get("parameters", ()):
            if "example" in parameter:
                assert problems(document, parameter["schema"], parameter["example"]) == [], (name, parameter["name"])
    for path, schema in parts(document["components"]["schemas"]):
        for example in [*schema.get("examples", ()), *([schema["example"]] if "example" in schema else ())]:
            assert problems(document, schema, example) == [], path


@pytest.mark.parametrize(
    ("path", "required"),
    [
        ("/v1/run/ocr", ["image"]),
        ("/v1/run/classify", ["image", "params"]),
        ("/v1/run/segment", ["image"]),
        ("/v1/run/simulate", []),
        ("/v1/run/echo", []),
        ("/predict", ["image"]),
        ("/upload", ["image"]),
    ],
)
def test_a_picture_is_required_where_it_is_needed(document: Document, path: str, required: list[str]) -> None:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    for kind in ("application/json", "multipart/form-data"):
        schema = document["components"]["schemas"][content[kind]["schema"]["$ref"].rpartition("/")[2]]
        assert schema.get("required", []) == required, kind
        assert ("image" in schema["properties"]) == (path != "/v1/run/simulate")
    assert ("application/octet-stream" in content) == (path != "/v1/run/simulate")


def test_fields_of_forms_that_may_be_left_out_have_good_values_or_none(document: Document) -> None:
    form = document["components"]["schemas"]["OcrJobForm"]["properties"]
    assert (form["params"]["example"], form["priority"]["example"]) == ("{}", 5)
    assert "example" not in form["image"]
    job = document["components"]["schemas"]["JobForm"]
    assert [name for name, field in job["properties"].items() if field.get("type") == "array"] == []
    assert document["components"]["schemas"]["JobForm"]["properties"]["params"]["example"] != "{}"


def test_what_a_task_answers_is_told(document: Document) -> None:
    def schema(path: str) -> Document:
        said: Document = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        return said

    assert schema("/v1/run/segment") == {"$ref": "#/components/schemas/SegmentResult"}
    assert {"$ref": "#/components/schemas/OcrResult"} in schema("/v1/run/ocr")["anyOf"]
    masks = document["components"]["schemas"]["PredictResult"]["properties"]["masks"]
    assert masks["items"] == {"$ref": "#/components/schemas/Mask"}
    assert document["components"]["schemas"]["Mask"]["properties"].keys() == Mask.model_fields.keys()
    edited = document["paths"]["/v1/edit"]["post"]["responses"]["200"]["content"]
    assert {kind: content["schema"]["format"] for kind, content in edited.items()} == dict.fromkeys(
        ("image/*", "application/zip", "application/octet-stream"), "binary"
    )


def test_a_client_is_made_of_it_without_a_warning(document: Document, tmp_path: Path) -> None:
    pytest.importorskip("openapi_python_client")
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    made = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*made, "--path", "openapi.json", "--output-path", "client"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "arning" not in done.stdout + done.stderr
    assert (tmp_path / "client/api/run/run_run_ocr.py").is_file()
