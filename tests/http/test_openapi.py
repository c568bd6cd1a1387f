"""`/openapi.json` and `/docs`: every face is told, as it is, and its examples run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests
from flask.testing import FlaskClient

from spoolfarm.client.client import Client
from spoolfarm.server.request_body import FILES, TEXTS
from tests.http.conftest import Make
from tests.support.http_requests import refused
from tests.support.pictures import page, small, text_of
from tests.support.running_farm import RunningFarm, until

METHODS = ("get", "post", "put", "delete")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every path and method of *document* with what it says of them."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


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


def schema_of(document: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """The schema that *reference* means."""
    found: dict[str, Any] = document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
    return found


def files_for(document: dict[str, Any], reference: dict[str, Any]) -> list[tuple[str, tuple[str, bytes]]]:
    """A page for each part of a form that is a file."""
    found = []
    for name, field in schema_of(document, reference)["properties"].items():
        if "binary" in (field.get("format"), field.get("items", {}).get("format")) and name != "images":
            found.append((name, ("page.png", page(["Invoice 2026-118"]))))
    return found


def requests_of(document: dict[str, Any], said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What `requests` needs to send the example of each content type of an operation."""
    content = said.get("requestBody", {}).get("content", {})
    if not content:
        yield {}
    for kind, body in content.items():
        if kind == "application/json":
            yield {"json": body["example"]}
        elif kind == "multipart/form-data":
            yield {"data": body["example"], "files": files_for(document, body["schema"])}
        elif kind == "application/octet-stream":
            yield {"data": page(["Invoice 2026-118"]), "headers": {"Content-Type": kind}}
        else:
            yield {"data": body["example"]}


def check(document: dict[str, Any], said: dict[str, Any], answer: requests.Response) -> None:
    """Check that *answer* is one of the good ones of *said*."""
    told = said["responses"].get(str(answer.status_code))
    assert answer.status_code < 300, answer.text
    assert told is not None, f"{answer.status_code} is not told"
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in told["content"] or f"{kind.partition('/')[0]}/*" in told["content"] or "octet" in str(told), kind
    if kind == "application/json":
        schema = {**told["content"][kind]["schema"], "components": document["components"]}
        jsonschema.validate(answer.json(), schema)


#: Faces that want a trained model, which there is none of here: they say so.
WANT_A_MODEL = {"/api/predict/", "/api/models/{model_id}/training_history/"}


def addresses(live: RunningFarm) -> dict[str, str]:
    """What stands for the parts of addresses: a job that is done, an uploaded picture."""
    job = Client(live.url).submit("edit", small())
    job.wait(20)
    sent = {"image": text_of(page(["Invoice 2026-118"]))}
    filename = requests.post(f"{live.url}/upload", json=sent, timeout=60).json()["filename"]
    return {"{job_id}": job.id, "{filename}": filename, "{name}": "edited.png", "{model_id}": "Net"}


def dead_letter(live: RunningFarm) -> str:
    """The id of a job that failed for good."""
    failed = Client(live.url).submit("edit", page(["a"])[:300])
    until(lambda: failed.id in live.farm.spool.dead.ids(), what="a dead letter")
    return failed.id


def test_every_example_runs_and_answers_as_it_says(live: RunningFarm) -> None:
    document = live.get("/openapi.json")[1]
    known = addresses(live)
    for path, method, said in operations(document):
        address = path.replace("{job_id}", dead_letter(live)) if path.endswith("/retry") else path
        for name, value in known.items():
            address = address.replace(name, value)
        for sent in requests_of(document, said):
            examples = {each["name"]: str(each["example"]) for each in said.get("parameters", ()) if "example" in each}
            headers = {name: value for name, value in examples.items() if name[0].isupper()}
            if "Idempotency-Key" in headers:
                headers["Idempotency-Key"] += str(sorted(sent))
            headers |= sent.pop("headers", {})
            if headers.get("Content-Type") == "application/octet-stream" and path == "/v1/jobs":
                address += "?task=edit"
            answer = requests.request(method, live.url + address, headers=headers, timeout=60, **sent)
            if path in WANT_A_MODEL:
                assert answer.status_code in (404, 501)
            else:
                check(document, said, answer)


def status(front: FlaskClient, path: str) -> int:
    """The status of a file."""
    with front.get(path) as answer:
        return answer.status_code


def test_the_page_and_its_files_come_from_here_alone(front: FlaskClient) -> None:
    with front.get("/docs") as answer:
        text = answer.text
        assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"https?://", text)
    targets = re.findall(r'(?:href|src)="(docs/[^"]+)"', text)
    assert len(targets) == 4
    for target in targets:
        assert status(front, f"/{target}") == 200, target
    refused(front.get("/docs/nothing.js"), 404)
    refused(front.get("/docs/../server.py"), 404)
    refused(front.get("/docs/%2e%2e/%2e%2e/server.py"), 404)


def test_with_a_key_the_page_is_open_and_what_it_tells_is_not(make: Make) -> None:
    front = make(FARM_API_KEY="secret")
    assert status(front, "/docs") == status(front, "/docs/docs.js") == 200
    refused(front.get("/openapi.json"), 401)
    told = front.get("/openapi.json", headers={"X-API-Key": "secret"}).get_json()
    assert told["security"] == [{"key": []}, {"bearer": []}]


@pytest.mark.parametrize("path", ["/docs/swagger-ui/LICENSE", "/docs/swagger-ui/NOTICE"])
def test_what_is_not_ours_comes_with_its_licence(front: FlaskClient, path: str) -> None:
    assert status(front, path) == 200
