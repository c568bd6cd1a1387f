"""`/openapi.json`: its examples run and answer as they say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import jsonschema
import requests

from spoolfarm.client.client import Client
from spoolfarm.hotfolder.shelf import key_of
from tests.support.openapi_operations import operations, schema_of
from tests.support.pictures import page, small, text_of
from tests.support.running_farm import RunningFarm, until


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


#: Faces that want a trained model or a run, of which there is none here: they say so.
WANT_A_MODEL = {"/api/predict/", "/api/models/{model_id}/training_history/", "/v1/runs/{run_id}"}
WANT_A_MODEL |= {f"/v1/models/{{model_id}}{more}" for more in ("", "/weights", "/rename")}


def addresses(live: RunningFarm) -> dict[str, str]:
    """What stands for the parts of addresses: a job that is done, an uploaded picture."""
    job = Client(live.url).submit("edit", small())
    job.wait(20)
    sent = {"image": text_of(page(["Invoice 2026-118"]))}
    filename = requests.post(f"{live.url}/upload", json=sent, timeout=60).json()["filename"]
    parts = {"{job_id}": job.id, "{filename}": filename, "{name}": "edited.png", "{model_id}": "Net"}
    parts |= {"{index}": "0", "{chapter}": "ocr", "{run_id}": "Net_1"}
    return parts | {"{task_name}": "edit", "{folder}": "edit", "{key}": dropped(live), "{batch_id}": ordered(live)}


def ordered(live: RunningFarm) -> str:
    """The id of a batch that has not begun."""
    return str(live.post("/v1/batches", {"task": "edit", "params": {"operations": ["blur=3"]}})[1]["id"])


def dropped(live: RunningFarm) -> str:
    """The key of a file that was put into the hot folder, and is answered."""
    with open(f"{live.farm.inbox}/edit/a.png", "wb") as file:
        file.write(small())
    until(lambda: os.path.exists(f"{live.farm.results.root}/inbox/edit/a.png.json"), what="its answer")
    return key_of("a.png")


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
        if method == "delete":
            address = address.replace("{batch_id}", ordered(live))
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
            # What goes on for long is heard as far as it says how it is.
            with requests.request(
                method, live.url + address, headers=headers, timeout=60, stream=True, **sent
            ) as answer:
                if path in WANT_A_MODEL:
                    assert answer.status_code in (404, 501)
                else:
                    check(document, said, answer)
