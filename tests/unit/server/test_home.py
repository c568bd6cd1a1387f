"""`/`: a page for people, in their language, and a list of addresses for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.front_client import front_client

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.fixture(scope="module", params=["", "secret"], ids=["open", "with a key"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A front, with and without a key, which nobody here sends."""
    with front_client(tmp_path_factory.mktemp("front"), FARM_API_KEY=request.param) as client:
        yield client


@pytest.mark.parametrize(
    ("languages", "lang"),
    [
        ("", "en"),
        ("en-US,en;q=0.9", "en"),
        ("fr", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("de,zh;q=0.5,en;q=0.3", "zh-CN"),
        ("en,zh", "en"),
    ],
)
def test_a_browser_gets_the_page_in_its_language(front: FlaskClient, languages: str, lang: str) -> None:
    with front.get("/", headers={"Accept": BROWSER, "Accept-Language": languages}) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert f'<html lang="{lang}">' in answer.text
        assert answer.headers["Content-Language"] == lang.partition("-")[0]
        assert {"accept", "accept-language"} <= {each.lower() for each in answer.vary}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_loads_nothing_from_elsewhere_and_links_to_what_is_there(front: FlaskClient, language: str) -> None:
    with front.get("/", headers={"Accept": BROWSER, "Accept-Language": language}) as answer:
        text, policy = answer.text, answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in text
    targets = [each.removeprefix("./") for each in re.findall(r'(?:href|src)="(?![#?])([^"]*)"', text)]
    assert {"docs", "federated", "web/base.css", "web/frame.js"} <= {*targets}
    for target in targets:
        with front.get(f"/{target}") as found:
            assert found.status_code in (200, 401, 503), target


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0.5,application/json", "image/*"])
def test_a_program_gets_the_addresses(front: FlaskClient, accept: str | None) -> None:
    answer = front.get("/", headers={"Accept": accept} if accept else {})
    assert answer.mimetype == "application/json"
    told = answer.get_json()
    assert told["name"] == "spoolfarm"
    assert (told["docs"], told["openapi"]) == ("/docs", "/openapi.json")
    assert told["endpoints"]["/v1/jobs"] == ["GET", "POST"]
    assert {"/tyocr", "/predict", "/items/", "/health"} <= told["endpoints"].keys()
    assert "secret" not in answer.text


def test_the_styles_know_light_and_dark(front: FlaskClient) -> None:
    with front.get("/web/base.css") as answer:
        assert "color-scheme: light dark" in answer.text
        assert "url(" not in answer.text
