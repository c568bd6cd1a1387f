"""Hostile and sloppy input on every face that takes a body: a 4xx that names the field."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.server.current import FARM
from tests.support.http_requests import multipart, refused
from tests.support.picture_endpoints import FACES, post, send
from tests.support.pictures import bomb, large_gif, large_webp, png, small, text_of
from tests.support.running_farm import until

pytestmark = pytest.mark.usefixtures("nothing_is_queued")


# Pictures.


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of what it then refuses
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("picture", "status", "word"),
    [
        (b"just words, and many of them", 415, "is not a picture of a type we take"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "is not a picture"),
        (b"%!PS-Adobe-3.0", 415, "is not a picture"),
        (b"\0" * 1000, 415, "is not a picture"),
        (b"\x89PNG\r\n\x1a\n", 400, "header cannot be read"),
        (b"\xff\xd8\xff", 400, "header cannot be read"),
        (b"BM", 400, "header cannot be read"),
        (b"GIF89a", 400, "header cannot be read"),
        (b"II*\0\xff\xff\xff\xff", 400, "header cannot be read"),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 ", 400, "header cannot be read"),
        (b"RIFF\x24\0\0\0WAVEfmt ", 415, "is not a picture"),
        (small("JPEG")[:150], 400, "header cannot be read"),
        (png(0, 20, b""), 400, "PNG"),
        (png(30000, 30000, b""), 413, "30000 x 30000 pixels"),
        (png(2**31 - 1, 2**31 - 1, b""), 413, "pixels"),
        (png(20000, 10, b""), 413, "20000 x 10 pixels"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_what_is_no_good_picture_is_refused_from_its_header(
    front: FlaskClient, face: str, picture: bytes, status: int, word: str
) -> None:
    answer, field = send(front, face, picture)
    refused(answer, status, f"{field}: ", word)


@pytest.mark.parametrize("picture", [large_webp(), large_gif()], ids=["WebP", "GIF"])
def test_a_size_that_pillow_itself_refuses_is_413_too(front: FlaskClient, picture: bytes) -> None:
    for face in FACES:
        answer, field = send(front, face, picture)
        assert refused(answer, 413, f"{field}: ", "pixels")["code"] == "too_large"


@pytest.mark.parametrize("face", [face for face in FACES if not face.endswith("file")])
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "is empty"),
        (" \r\n\t ", "is empty"),
        ("data:image/png;base64,", "is empty"),
        ("====", "is empty"),
        ("A", "is not base64"),
        ("AAAAA", "is not base64"),
        ("!!!!", "is not base64"),
        ("QUJD=QUJD", "is not base64"),
        ("ÄÖÜ€", "is not base64"),
        ("QUJD\0QUJD", "is not base64"),
        ("data:image/png,QUJD", "is not base64"),
        ("data:" + "a" * 100_000 + ";base64,QUJD", "is not base64"),
        ("http://127.0.0.1/picture.png", "is not base64"),
        ("file:///etc/passwd", "is not base64"),
    ],
)
def test_what_is_no_base64_is_refused(front: FlaskClient, face: str, text: str, word: str) -> None:
    answer, field = send(front, face, text)
    refused(answer, 400, f"{field}: {word}")


@pytest.mark.parametrize("face", FACES)
def test_a_bomb_of_900_million_pixels_is_answered_from_its_header_within_200_ms(front: FlaskClient, face: str) -> None:
    picture = bomb()

    def seconds() -> float:
        start = time.perf_counter()
        answer, field = send(front, face, picture)
        took = time.perf_counter() - start
        assert refused(answer, 413, f"{field}: 30000 x 30000 pixels")["code"] == "too_large"
        return took

    until(lambda: seconds() < 0.2, what="an answer in time: the machine may be busy, the front may not")


# JSON.


#: Values that a field does not take.
WRONG: dict[str, list[Any]] = {
    "task": [1, None, True, ["echo"], {"echo": 1}],
    "image": [1, ["x"], {}, True],
    "images": [1, "x", {}, [1], [None], [["x"]]],
    "params": [[], "{}", None, 1, [["n", 1]]],
    "priority": ["5", 5.0, True, None, [], 10, -1, 10**400],
    "bogus": [1],
    "Task": ["echo"],
    "__class__": ["x"],
}


@pytest.mark.parametrize("face", ["/v1/jobs", "/v1/run/echo"])
@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_value_is_400_and_its_field_is_named(front: FlaskClient, face: str, field: str, value: Any) -> None:
    body = refused(post(front, {"task": "echo", field: value}, face), 400, field)
    assert body["code"] == "invalid_request"


@pytest.mark.parametrize("face", ["/v1/jobs", "/v1/run/echo"])
@pytest.mark.parametrize(
    "body",
    [
        *["", " ", "{", "[]", "null", "1", '"x"', "{'task': 'echo'}", '{"task": "echo"} more', '{"task": "echo",}'],
        b'{"task": "\xff\xfe"}',
        b"\x89PNG\r\n\x1a\n",
        "[" * 100_000,
        '{"task": "echo", "params": ' + '{"a":' * 100_000 + "1" + "}" * 100_001,
        '{"task": "echo", "params": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        '{"task": "echo", "params": {"a": ' + "[" * 40 + "]" * 40 + "}}",
        *[json.dumps({"task": "echo", "params": {"n": value}}) for value in (math.nan, math.inf, -math.inf)],
        f"""{{"task": "echo", "params": {{"n": {"9" * 5000}}}}}""",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_json_object_is_400(front: FlaskClient, face: str, body: str | bytes) -> None:
    refused(post(front, body, face), 400, "the body")


@pytest.mark.parametrize("kind", ["json", "multipart"])
@pytest.mark.parametrize(
    "params",
    ['{"n": 1e999}', '{"n": [{"m": -1e999}]}'],
)
def test_parameters_that_no_job_file_can_hold_are_400(front: FlaskClient, kind: str, params: str) -> None:
    if kind == "json":
        answer = post(front, f'{{"task": "echo", "params": {params}}}')
    else:
        answer = front.post("/v1/jobs", **multipart(("task", "echo"), ("params", params)))
    refused(answer, 400, "params: ")


@pytest.mark.parametrize("params", [r'{"n": "\ud800"}', r'{"\udfff": 1}', r'{"n": [["\ud83d"]]}'])
def test_half_a_letter_is_no_json(front: FlaskClient, params: str) -> None:
    refused(post(front, f'{{"task": "echo", "params": {params}}}'), 400, "the body is not valid JSON")
    answer = front.post("/v1/jobs", **multipart(("task", "echo"), ("params", params)))
    refused(answer, 400, "params is not valid JSON")


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"seconds": "1"}, "params.seconds"),
        ({"seconds": -1}, "params.seconds"),
        ({"seconds": 1e300}, "params.seconds"),
        ({"seconds": 10**400}, "params.seconds"),
        ({"seconds": None}, "params.seconds"),
        ({"seconds": []}, "params.seconds"),
    ],
)
def test_parameters_that_can_never_work_are_422(front: FlaskClient, params: dict[str, Any], word: str) -> None:
    for face in ("/v1/jobs", "/v1/run/echo"):
        assert refused(post(front, {"task": "echo", "params": params}, face), 422, word)["code"] == "invalid_params"


def test_a_parameter_the_task_does_not_have_is_422(front: FlaskClient) -> None:
    body = {"task": "ocr", "image": text_of(small()), "params": {"bogus": 1}}
    refused(post(front, body), 422, "params.bogus")


@pytest.mark.parametrize("name", ["nosuch", "../echo", "\0", "echo\n", "x" * 1_000_000, "Echo", "__init__"])
def test_a_task_that_is_none_is_404_and_its_name_is_not_repeated_at_length(front: FlaskClient, name: str) -> None:
    answer = post(front, {"task": name})
    assert refused(answer, 404, "no task is called")["code"] == "unknown_task"
    assert len(answer.text) < 2000


def test_a_missing_task_is_named(front: FlaskClient) -> None:
    for body in ({}, {"task": ""}, {"image": text_of(small())}):
        refused(post(front, body), 400, "task: is missing")


@pytest.mark.parametrize("count", [0, 2, 50])
def test_a_wrong_number_of_pictures_is_400(front: FlaskClient, count: int) -> None:
    sent = f"{count} were sent" if count else "none was sent"
    refused(post(front, {"task": "ocr", "images": [text_of(small())] * count}), 400, "in the field images; ", sent)


def test_image_and_images_together_are_400(front: FlaskClient) -> None:
    refused(post(front, {"task": "echo", "image": "QUJD", "images": ["QUJD"]}), 400, "image, images")


def test_the_bad_one_of_several_pictures_is_named(front: FlaskClient) -> None:
    refused(post(front, {"task": "echo", "images": ["QUJD", "QUJD", "***"]}), 400, "images[2]: ")


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "video/mp4", "json"])
@pytest.mark.parametrize("face", ["/v1/jobs", "/v1/run/echo"])
def test_another_content_type_is_415(front: FlaskClient, face: str, kind: str | None) -> None:
    answer = front.post(face, data=b'{"task": "echo"}', content_type=kind)
    assert refused(answer, 415, "application/json")["code"] == "unsupported_media"


def test_text_in_every_script_is_accepted(front: FlaskClient) -> None:
    params = {"a": "é 文 🦊 \0  ", "文": [True, None, -0.0, 2**63]}
    answer = post(front, {"task": "echo", "params": params})
    assert answer.status_code == 202
    job_id = json.loads(answer.text)["id"]
    with open(front.application.extensions[FARM].spool.find(job_id).path, encoding="utf-8") as file:
        assert json.loads(file.readline())["params"] == params


# Forms.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("params", value) for value in ("{", "[]", "", "{" * 100_000, '{"n": NaN}', ("params.json", b"{}"))],
        *[("priority", value) for value in ("x", "", "-1", "10", "9" * 5000, "٣", ("priority.txt", b"5"))],
        *[("bogus", value) for value in ("1", ("x.png", b"x"))],
        ("file", "QUJD"),
        ("task", ("task.txt", b"echo")),
    ],
)
def test_a_wrong_part_is_400_and_named(front: FlaskClient, name: str, value: Any) -> None:
    for face in ("/v1/jobs", "/v1/run/echo"):
        refused(front.post(face, **multipart(("task", "echo"), (name, value))), 400, name)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("multipart/form-data", b"whatever"),
        ("multipart/form-data; boundary=x", b"whatever"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="task"\r\n\r\necho'),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\necho\r\n--x--"),
        (f"multipart/form-data; boundary={'x' * 5000}", b"whatever"),
    ],
)
def test_a_malformed_multipart_body_is_400(front: FlaskClient, kind: str, data: bytes) -> None:
    for face in ("/v1/jobs", "/tyocr"):
        refused(front.post(face, data=data, content_type=kind), 400)


def test_too_many_parts_are_413(front: FlaskClient) -> None:
    parts = multipart(("task", "echo"), *[("image", "QUJD")] * 150)
    for face in ("/v1/jobs", "/v1/run/echo", "/tyocr"):
        answer = front.post(face, **parts)
        assert refused(answer, 413, "100 parts")["code"] == "too_large"


def test_a_text_field_of_600_kb_is_accepted(front: FlaskClient) -> None:
    parts = multipart(("task", "echo"), ("image", "A" * 600 * 1024))
    assert front.post("/v1/jobs", **parts).status_code == 202


# Addresses and methods.

#: What only a launcher that keeps the front can do.
KEPT = {("/v1/workers/add", 501), ("/v1/workers/retire", 501)}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")


def addresses(front: FlaskClient) -> dict[str, set[str]]:
    """Every address, with the methods it takes: also those of a rule in which its last word is a name."""
    found: dict[str, set[str]] = {}
    matching = front.application.url_map.bind("localhost")
    for rule in front.application.url_map.iter_rules():
        assert rule.methods is not None
        path = rule.rule.replace("<job_id>", "0" * 24).replace("<task>", "echo").replace("<int:index>", "0")
        found.setdefault(path, set()).update(rule.methods, matching.allowed_methods(path))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_every_address_has_an_answer(front: FlaskClient, method: str) -> None:
    for path, methods in addresses(front).items():
        if (path, method) == ("/v1/changes", "GET"):
            continue  # it goes on
        answer = front.open(path, method=method, buffered=True)
        if method not in methods:
            assert set(answer.headers["Allow"].split(", ")) == methods
            if method != "HEAD":
                body = refused(answer, 405)
                assert body["code"] == "method_not_allowed"
        elif path != "/ready":
            assert answer.status_code in (200, 202, 400, 404, 415) or (path, answer.status_code) in KEPT, answer.text


def test_an_address_that_is_none_is_404_in_json(front: FlaskClient) -> None:
    for path in ("/nowhere", "/v1", "/v1/", "/v1//jobs", "/v1/jobs//", "/.env", "/static/x", "/%00", "/é"):
        assert refused(front.get(path), 404)["code"] == "not_found"


@pytest.mark.parametrize("face", ["/v1/jobs", "/v1/run/echo", "/v1/edit", "/inference"])
@pytest.mark.parametrize("name", ["", '; name=""', '; name="\\"'])
def test_parts_without_a_name_are_refused(front: FlaskClient, face: str, name: str) -> None:
    part = f"--B\r\nContent-Disposition: form-data{name}\r\n\r\nx\r\n"
    other = '--B\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n'
    for text in (f"{part}{part}--B--\r\n", f"{part}{other}--B--\r\n"):
        answer = front.post(face, data=text, content_type="multipart/form-data; boundary=B")
        refused(answer, 400, "is no text field")
