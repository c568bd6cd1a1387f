"""Requests as others' clients write them: understood, or refused by the name of what is wrong."""

from __future__ import annotations

import gzip
import json
import logging
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.front_client import front_client
from tests.support.http_requests import multipart, refused
from tests.support.pictures import small, text_of

JSON = "application/json"
PAGE = "https://tool.example"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A front that one foreign page may use."""
    with front_client(tmp_path_factory.mktemp("front"), FARM_CORS_ORIGINS=PAGE) as client:
        yield client


# Pictures that are missing.


@pytest.mark.parametrize(
    ("path", "sent", "sentence"),
    [
        ("/v1/run/ocr", {"json": {}}, "ocr needs one image in the field image; none was sent"),
        ("/v1/run/ocr", {"json": {"images": []}}, "ocr needs one image in the field images; none was sent"),
        ("/v1/run/ocr", multipart(("params", "{}")), "ocr needs one image in the field image; none was sent"),
        ("/v1/jobs", {"json": {"task": "segment"}}, "segment needs one image in the field image; none was sent"),
        ("/predict", {"json": {}}, "segment needs one image in the field image; none was sent"),
        ("/predict", multipart(("params", "{}")), "segment needs one image in the field file; none was sent"),
        ("/upload", {"json": {}}, "orient needs one image in the field image; none was sent"),
        ("/upload", multipart(("params", "{}")), "orient needs one image in the field file; none was sent"),
        ("/v1/edit", multipart(("operations", "blur=3")), "edit needs one image in the field image; none was sent"),
        ("/tyocr", {"data": {"a": "b"}}, "imgbase64: is missing"),
        ("/inference", multipart(("model_type", "ocr")), "img_file: is missing"),
        ("/api/predict/", {"json": {"model_id": "Net"}}, "image_data: is missing"),
        ("/v1/run/simulate", {"json": {"image": text_of(small())}}, "image: simulate takes no image"),
        (
            "/v1/run/ocr",
            {"json": {"images": [text_of(small())] * 2}},
            "ocr takes one image in the field images; 2 were sent",
        ),
        (
            "/predict",
            multipart(("file", ("a", small())), ("file", ("b", small()))),
            "segment takes one image in the field file; 2 were sent",
        ),
        (
            "/v1/run/echo",
            {"json": {"images": [text_of(b"x")] * 65}},
            "echo takes 0 to 64 images in the field images; 65 were sent",
        ),
    ],
)
def test_pictures_that_are_missing_are_told_by_the_field_they_belong_in(
    front: FlaskClient, path: str, sent: dict[str, Any], sentence: str
) -> None:
    assert refused(front.post(path, **sent), 400)["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("path", "sent", "field"),
    [
        ("/v1/run/ocr", {"json": {"image": text_of(b"words")}}, "image"),
        ("/v1/run/ocr", multipart(("file", ("a", b"words"))), "file"),
        ("/v1/jobs", multipart(("task", "ocr"), ("images", ("a", b"words"))), "images"),
        ("/predict", multipart(("image", ("a", b"words"))), "image"),
        ("/v1/edit", multipart(("file", ("a", b"words")), ("operations", "blur=3")), "file"),
        ("/tyocr", {"data": {"imgbase64": text_of(b"words")}}, "imgbase64"),
        ("/inference", multipart(("model_type", "ocr"), ("img_file", ("a", b"words"))), "img_file"),
    ],
)
def test_what_is_no_picture_is_told_by_the_field_it_came_in(
    front: FlaskClient, path: str, sent: dict[str, Any], field: str
) -> None:
    assert refused(front.post(path, **sent), 415)["error"].startswith(f"{field}: is not a picture")


def test_a_model_type_that_nobody_knows_is_told_what_there_is(front: FlaskClient) -> None:
    sent = multipart(("model_type", "strawberry"), ("img_file", ("a", small())))
    body = refused(front.post("/inference", **sent), 404, "model_type: ", "'strawberry'")
    assert re.search(r"tasks are classify, document, echo, .*; models are \w", body["error"])


# JSON as some editors and shells write it.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_is_understood_by_its_first_bytes(front: FlaskClient, encoding: str) -> None:
    data = json.dumps({"task": "echo", "params": {"name": "é文"}}, ensure_ascii=False).encode(encoding)
    assert front.post("/v1/jobs", data=data, content_type=JSON).status_code == 202


@pytest.mark.parametrize("data", [b"\xff\xfe{", b"\xef\xbb\xbf", b"\xfe\xff\xd8\x00", b"\xef\xbb\xbf\xff"])
def test_json_that_is_broken_beyond_its_first_bytes_is_refused(front: FlaskClient, data: bytes) -> None:
    refused(front.post("/v1/jobs", data=data, content_type=JSON), 400, "the body is not valid JSON")


def test_parameters_in_a_form_may_begin_with_a_byte_order_mark(front: FlaskClient) -> None:
    answer = front.post("/v1/jobs", **multipart(("task", "echo"), ("params", '\ufeff{"n": 1}')))
    assert answer.status_code == 202


# Bodies that are compressed.


def raw_deflate(data: bytes) -> bytes:
    """Deflate without a header."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "identity": bytes,
    "identity, gzip": gzip.compress,
    " gzip ": lambda data: gzip.compress(data[:3], mtime=0) + gzip.compress(data[3:], mtime=0),
    "X-GZIP": lambda data: gzip.compress(data) + bytes(9),
}


@pytest.mark.parametrize("coding", PACKED)
def test_a_compressed_body_is_understood_by_every_endpoint(front: FlaskClient, coding: str) -> None:
    headers, pack = {"Content-Encoding": coding}, PACKED[coding]
    body = json.dumps({"task": "ocr", "image": text_of(small())}).encode()
    assert front.post("/v1/jobs", data=pack(body), content_type=JSON, headers=headers).status_code == 202
    form = multipart(("task", "ocr"), ("image", ("a", small())))
    form["data"] = pack(form["data"])
    assert front.post("/v1/jobs", **form, headers=headers).status_code == 202
    page = {
        "data": pack(b"imgbase64=" + text_of(small()).encode()),
        "content_type": "application/x-www-form-urlencoded",
    }
    assert front.post("/tyocr", **page, headers=headers).get_json() == {"sign": -1, "text": "time out"}


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_a_body_that_inflates_beyond_the_limit_is_413(front: FlaskClient, pack: Any) -> None:
    coding = "gzip" if pack is gzip.compress else "deflate"
    bomb = pack(b'{"task": "echo"}' + b" " * (1 << 28))
    assert len(bomb) < 1 << 20
    answer = front.post("/v1/jobs", data=bomb, content_type=JSON, headers={"Content-Encoding": coding})
    assert refused(answer, 413, "FARM_MAX_BODY_MB")["code"] == "too_large"
    just = pack(b'{"task": "echo"}'.ljust(1 << 20))
    answer = front.post("/v1/jobs", data=just, content_type=JSON, headers={"Content-Encoding": coding})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("coding", "data", "status", "words"),
    [
        ("gzip", b'{"task": "echo"}', 400, "Content-Encoding: the body is not gzip"),
        ("deflate", b'{"task": "echo"}', 400, "Content-Encoding: the body is not deflate"),
        ("gzip", gzip.compress(b'{"task": "echo"}', mtime=0)[:-9], 400, "Content-Encoding: the body broke off"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", 400, "Content-Encoding: the body is not gzip"),
        ("br", b"{}", 415, "Content-Encoding: send the body as it is, or as gzip or deflate, not as br"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), 415, "not as gzip, gzip"),
    ],
)
def test_a_body_that_cannot_be_inflated_is_refused_by_its_coding(
    front: FlaskClient, coding: str, data: bytes, status: int, words: str
) -> None:
    answer = front.post("/v1/jobs", data=data, content_type=JSON, headers={"Content-Encoding": coding})
    refused(answer, status, words)


# Multipart.


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/run/ocr", "/predict", "/upload", "/v1/edit", "/inference", "/tyocr"])
def test_multipart_that_cannot_be_divided_is_refused_by_its_boundary(front: FlaskClient, path: str) -> None:
    data = multipart(("task", "ocr"), ("image", ("a", small())))["data"]
    for kind in ("multipart/form-data", "multipart/form-data; charset=utf-8", "multipart/form-data; boundary="):
        refused(front.post(path, data=data, content_type=kind), 400, "Content-Type: names no boundary")
    answer = front.post(path, data=data, content_type="multipart/form-data; boundary=another")
    refused(answer, 400, "the boundary that Content-Type names")
    cut = multipart(("task", "ocr"))
    refused(front.post(path, data=cut["data"][:-10], content_type=cut["content_type"]), 400, "no whole part")


@pytest.mark.parametrize("path", ["/v1/jobs?task=echo", "/v1/run/echo", "/predict", "/upload", "/v1/edit"])
@pytest.mark.parametrize("name", ["image", "file"])
def test_a_picture_in_a_part_without_a_filename_is_told_so(front: FlaskClient, path: str, name: str) -> None:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: image/png\r\n\r\n'
    data = head.encode() + small() + b"\r\n--x--\r\n"
    answer = front.post(path, data=data, content_type="multipart/form-data; boundary=x")
    refused(answer, 400, f"{name}: is a file in a part without a filename")


# Addresses.


@pytest.mark.parametrize("path", ["/items", "/api/predict", "/api/models", "/predict", "/v1/edit"])
def test_an_address_that_takes_other_methods_says_which_with_and_without_its_slash(
    front: FlaskClient, path: str
) -> None:
    plain, slashed = (front.delete(path + end) for end in ("", "/"))
    assert refused(plain, 405) == refused(slashed, 405)
    assert plain.headers["Allow"] == slashed.headers["Allow"]


def test_every_address_is_the_same_with_a_slash_at_its_end(front: FlaskClient) -> None:
    for rule in front.application.url_map.iter_rules():
        if "<path:" in rule.rule or rule.rule == "/":
            continue
        path = re.sub(r"<\w+>", "Net", rule.rule).rstrip("/")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            plain, slashed = (front.open(path + end, method=method) for end in ("", "/"))
            with plain, slashed:
                if plain.mimetype == "text/html" and path != "/tyocr":
                    assert (slashed.status_code, slashed.headers["Location"]) == (308, path)
                else:
                    assert slashed.status_code == plain.status_code
                    assert slashed.mimetype == plain.mimetype
                    assert not slashed.is_json or slashed.get_json().keys() == plain.get_json().keys()
                assert slashed.status_code not in (404, 405) or slashed.get_json().get("code") != "not_found"


def test_errors_at_tyocr_with_a_slash_have_its_manner_too(front: FlaskClient) -> None:
    body = refused(front.put("/tyocr/"), 405)
    assert (body["sign"], body["text"]) == (-1, body["error"])


# Preferences.


@pytest.mark.parametrize(
    "given",
    [
        "wait=0.01",
        "Wait=0.01",
        "WAIT = 0.01",
        'wait="0.01"',
        "wait=0.01; x=1",
        "wait=0.01;x",
        "respond-async, wait=0.01",
        "handling=lenient; a=b , Wait=0.01,return=minimal",
        'note="wait=9, wait=8", wait=0.01',
        "wait=0.01, wait=9",
    ],
)
def test_a_wait_is_understood_however_it_is_written(front: FlaskClient, given: str) -> None:
    answer = front.post("/v1/jobs", json={"task": "echo"}, headers={"Prefer": given})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=0.01")


@pytest.mark.parametrize("given", ["", "respond-async", "wait", "wait=", "wait=soon", 'note="a, wait=0.01"', "await=1"])
def test_what_is_no_wait_is_none(front: FlaskClient, given: str) -> None:
    answer = front.post("/v1/jobs", json={"task": "echo"}, headers={"Prefer": given})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


# Pages of others.


def test_a_preflight_of_an_unknown_address_is_answered_as_that_of_a_known_one(front: FlaskClient) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    known, unknown = (front.options(path, headers=asked) for path in ("/v1/jobs", "/v1/nothing"))
    for answer in (known, unknown):
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Headers"] == "x-api-key"
    assert known.headers["Access-Control-Allow-Methods"] == unknown.headers["Access-Control-Allow-Methods"]
    answer = front.post("/v1/nothing", headers={"Origin": PAGE})
    assert refused(answer, 404)["code"] == "not_found"
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    refused(front.options("/v1/nothing"), 404)
    refused(front.options("/v1/nothing", headers={**asked, "Origin": "https://elsewhere.example"}), 403)


def test_a_refused_page_is_logged_once_with_the_setting_that_would_let_it_in(
    front: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    for origin in ("https://a.example", "https://b.example", "https://a.example"):
        refused(front.get("/v1/jobs", headers={"Origin": origin}), 403, "FARM_CORS_ORIGINS")
    told = [record for record in caplog.records if "FARM_CORS_ORIGINS" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.WARNING] * 2
    assert ["a.example" in told[0].getMessage(), "b.example" in told[1].getMessage()] == [True, True]


def test_no_page_can_fill_the_log(front: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(300):
        refused(front.get("/v1/jobs", headers={"Origin": f"https://{number}.example/{'x' * 2000}"}), 403)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) <= 100
    assert max(map(len, told)) < 400
