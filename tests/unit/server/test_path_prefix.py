"""A farm below a path prefix: every address it gives keeps the prefix that the proxy says or a setting names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.config import load
from spoolfarm.errors import SettingError
from tests.support.front_client import front_client
from tests.support.http_requests import refused

SAID = {"X-Forwarded-Prefix": "/ocr"}


def addresses(front: FlaskClient, root: str, **asked: Any) -> list[str]:
    """The addresses that a client is given who asks below *root*."""
    job = front.post(f"{root}/v1/jobs", json={"task": "echo"}, **asked)
    late = front.post(f"{root}/v1/run/echo", json={}, **asked)
    home = front.get(f"{root}/", **asked).get_json()
    document = front.get(f"{root}/openapi.json", **asked).get_json()
    slash = front.get(f"{root}/docs/", **asked)
    assert (job.status_code, late.status_code, slash.status_code) == (202, 504, 308)
    given = [answer.headers["Location"] for answer in (job, late, slash)]
    return [*given, home["docs"], home["openapi"], *home["endpoints"], document["servers"][0]["url"] + "/"]


@pytest.mark.parametrize("root", ["", "/ocr"], ids=["taken off", "left on"])
@pytest.mark.parametrize(
    ("settings", "asked"),
    [({}, {"headers": SAID}), ({"FARM_BASE_PATH": "ocr/"}, {})],
    ids=["said by the proxy", "named by the setting"],
)
def test_every_address_keeps_the_prefix(
    tmp_path: Path, root: str, settings: dict[str, str], asked: dict[str, Any]
) -> None:
    with front_client(tmp_path, **settings) as front:
        given = addresses(front, root, **asked)
        assert [address for address in given if not address.startswith("/ocr/")] == []
        page = front.get(f"{root}/", headers={**SAID, "Accept": "text/html"})
        assert page.status_code == 200
        assert ' href="/' not in page.text, "links are relative, so they keep it too"
        page.close()


def test_without_a_prefix_addresses_are_as_ever(tmp_path: Path) -> None:
    with front_client(tmp_path) as front:
        assert [address for address in addresses(front, "") if address.startswith("/ocr")] == []


def test_the_prefix_alone_leads_to_the_page_below_it(tmp_path: Path) -> None:
    with front_client(tmp_path, FARM_BASE_PATH="/ocr") as front:
        answer = front.get("/ocr", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["Location"]) == (308, "/ocr/")


def test_a_prefix_that_begins_as_an_address_of_the_farm_does_is_not_taken_off_twice(tmp_path: Path) -> None:
    with front_client(tmp_path) as front:
        said = {"X-Forwarded-Prefix": "/v1"}
        assert front.get("/v1/tasks", headers=said).status_code == 200
        assert (
            front.post("/v1/jobs", json={"task": "echo"}, headers=said).headers["Location"].startswith("/v1/v1/jobs/")
        )


@pytest.mark.parametrize(
    "said",
    [
        *("", "/", "ocr", "//evil.example", "/a/../b/", "/a//b", "/a b", "/a?b", "/a\\b", "https://evil.example"),
        *("/é", "/" + "a" * 200, "/a" * 20, "/a, /b"),
    ],
)
def test_what_is_no_prefix_is_ignored(tmp_path: Path, said: str) -> None:
    if said == "/a/../b/":
        said = "/a/%2e%2e"
    with front_client(tmp_path) as front:
        answer = front.post("/v1/jobs", json={"task": "echo"}, headers={"X-Forwarded-Prefix": said})
        assert answer.headers["Location"].startswith("/v1/jobs/")


@pytest.mark.parametrize(
    ("trusted", "peer", "counts"),
    [
        ("", "127.0.0.1", True),
        ("", "127.9.9.9", True),
        ("", "::1", True),
        ("", "::ffff:127.0.0.1", True),
        ("", "10.0.0.7", False),
        ("", "", False),
        ("", "unix:", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("192.168.0.0/16, 10.0.0.0/8", "::ffff:10.9.9.9", True),
        ("fd00::/8", "fd00::7", True),
        ("fd00::/8", "10.0.0.7", False),
    ],
)
def test_only_a_proxy_that_is_trusted_may_say_the_prefix(tmp_path: Path, trusted: str, peer: str, counts: bool) -> None:
    with front_client(tmp_path, FARM_TRUSTED_PROXIES=trusted) as front:
        asked: dict[str, Any] = {"headers": SAID, "environ_overrides": {"REMOTE_ADDR": peer}}
        answer = front.post("/v1/jobs", json={"task": "echo"}, **asked)
        assert answer.headers["Location"].startswith("/ocr/v1/jobs/") is counts


def test_errors_below_a_prefix_are_those_of_the_farm(tmp_path: Path) -> None:
    with front_client(tmp_path, FARM_BASE_PATH="/ocr") as front:
        refused(front.get("/ocr/nothing"), 404)
        refused(front.get("/ocrs/v1/tasks"), 404)
        body = refused(front.put("/ocr/tyocr"), 405)
        assert body["sign"] == -1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("FARM_BASE_PATH", value) for value in ("a b", "/a/../b?", "http://a", "/é", "a//b")),
        *(("FARM_TRUSTED_PROXIES", value) for value in ("proxy.example", "10.0.0.0/33", "10.0.0")),
    ],
)
def test_a_setting_that_means_nothing_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        load({name: value})
