"""`/openapi.json` and `/docs`: every face is told, as it is."""

from __future__ import annotations

import json
import re

import jsonschema
from flask.testing import FlaskClient

from spoolfarm.server.openapi import HEADINGS
from spoolfarm.server.request_body import FILES, TEXTS
from tests.support.http_requests import refused
from tests.support.openapi_operations import operations, schema_of
from tests.unit.server.conftest import Make


def test_every_face_is_told_and_no_other(front: FlaskClient) -> None:
    tasks = [task["name"] for task in front.get("/v1/tasks").get_json()["tasks"]]
    wanted = set()
    for rule in front.application.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[2] == "static":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        paths = [path.replace("{task}", task) for task in tasks] if "{task}" in path else [path]
        wanted |= {(path, method) for path in paths for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    told = {(path, method.upper()) for path, method, _ in operations(front.get("/openapi.json").get_json())}
    assert told == wanted, f"views without a row in FACES: {wanted - told}"


def test_the_document_is_sound(front: FlaskClient) -> None:
    document = front.get("/openapi.json").get_json()
    text = json.dumps(document)
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', text)):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [said["operationId"] for _, _, said in operations(document)]
    assert len(names) == len(set(names))
    for path, _, said in operations(document):
        assert said["summary"]
        assert set(re.findall(r"{(\w+)}", path)) == {
            parameter["name"] for parameter in said.get("parameters", ()) if parameter["in"] == "path"
        }


def test_the_parts_of_the_job_form_are_those_that_are_taken(front: FlaskClient) -> None:
    document = front.get("/openapi.json").get_json()
    content = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    assert set(schema_of(document, content["multipart/form-data"]["schema"])["properties"]) <= {*TEXTS, *FILES}


def test_a_task_of_ones_own_is_told_with_its_parameters(make: Make) -> None:
    front = make(FARM_TASKS="deaf=tests.support.rude_tasks:Deaf", FARM_ENABLE="deaf,echo")
    document = front.get("/openapi.json").get_json()
    assert "/v1/run/ocr" not in document["paths"]
    content = document["paths"]["/v1/run/deaf"]["post"]["requestBody"]["content"]["application/json"]
    params = schema_of(document, content["schema"])["properties"]["params"]
    assert "seconds" in schema_of(document, params)["properties"]


def status(front: FlaskClient, path: str) -> int:
    """The status of a file."""
    with front.get(path) as answer:
        return answer.status_code


def test_the_page_and_its_files_come_from_here_alone(front: FlaskClient) -> None:
    with front.get("/docs") as answer:
        text = answer.text
        assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"https?://", text)
    targets = re.findall(r'(?:href|src)="\./(web/[^"]+)"', text)
    assert len(targets) >= 6
    for target in targets:
        assert status(front, f"/{target}") == 200, target


def test_with_a_key_the_page_is_open_and_what_it_tells_is_not(make: Make) -> None:
    front = make(FARM_API_KEY="secret")
    assert status(front, "/docs") == 200
    refused(front.get("/openapi.json"), 401)
    told = front.get("/openapi.json", headers={"X-API-Key": "secret"}).get_json()
    assert told["security"] == [{"key": []}, {"bearer": []}]


def test_every_endpoint_has_a_heading_that_is_explained_jobs_and_run_first(front: FlaskClient) -> None:
    document = front.get("/openapi.json").get_json()
    headings = [each["name"] for each in document["tags"]]
    assert headings[:2] == ["jobs", "run"]
    assert headings == [name for name in HEADINGS if name in headings]
    assert {tag for _, _, said in operations(document) for tag in said["tags"]} == set(headings)
