"""The manual: all of docs/ is in it, its links and anchors hold in both languages, and what was asked for is found."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from flask.testing import FlaskClient

from spoolfarm.errors import JobFailed
from spoolfarm.server import manual
from spoolfarm.server.app import HTTP_ERRORS, STATUS
from spoolfarm.server.markdown import parse, render
from spoolfarm.server.words import LANGUAGES
from tests.support.http_requests import refused
from tests.support.running_farm import ROOT

ENV = {"root": "../", "name": "page", "folder": manual.FOLDER, "path": manual.path}


def anchors(name: str, language: str) -> set[str]:
    """The ids in a page."""
    return set(re.findall(r' id="([^"]+)"', manual.html(name, language, "../")))


def test_every_page_of_the_docs_is_in_the_manual_and_no_other() -> None:
    assert manual.FOLDER.resolve() == ROOT / "docs"
    there = {path.name.partition(".")[0] for path in Path(ROOT / "docs").glob("*.md")}
    assert sorted(manual.names()) == sorted(there)
    for language in LANGUAGES:
        titles = [manual.title(name, language) for name in manual.names()]
        assert titles == [manual.sections(name, language)[0].title for name in manual.names()]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", manual.names())
def test_every_link_of_a_page_leads_somewhere(front: FlaskClient, name: str, language: str) -> None:
    for target in re.findall(r'(?:href|src)="([^"]+)"', manual.html(name, language, "../")):
        url = urlsplit(target)
        if url.scheme:
            continue
        path = url.path.removeprefix("../")
        page = path.removeprefix("help/") if path.startswith("help/") else path or name
        if page in manual.names():
            assert not url.fragment or unquote(url.fragment) in anchors(page, language), target
        else:
            with front.get(f"/{path}") as answer:
                assert answer.status_code in (200, 405), target


def test_a_page_is_shown_in_the_readers_language_where_it_is_written_in_it(front: FlaskClient) -> None:
    english, chinese = (front.get(f"/help/coming-from?lang={language}").text for language in LANGUAGES)
    assert '<h2 id="other-machines">' in english
    assert '<h2 id="其他机器"><span id="other-machines"></span>' in chinese
    assert "只有英文版" in front.get("/help/ocr?lang=zh").text
    assert '<article lang="en">' in front.get("/help/ocr").text
    assert "<article>" in front.get("/help/ocr?lang=en").text


def test_what_looks_like_html_in_a_page_is_text() -> None:
    text = '# <b>A</b>\n\n<script>alert(1)</script>\n\n<p onclick="x">\n\n[a](javascript:alert(1)) [c](../server.py)\n'
    html = render(parse(text), ENV)
    assert "<script" not in html
    assert "<p onclick" not in html
    assert not re.search(r'href="(javascript|\.\./server)', html)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_headings_of_the_same_words_have_anchors_of_their_own() -> None:
    heads = [token.meta["anchors"] for token in parse("# A b\n\n## A b\n\n## `c`: d_e\n", ["x", "y"]) if token.meta]
    assert heads == [["a-b", "x"], ["a-b-1", "y"], ["c-d_e"]]


def test_the_code_of_a_task_that_gives_up_is_explained() -> None:
    assert [found.page for found in manual.search(JobFailed.code, "en")] == ["help"]


@pytest.mark.parametrize(
    "code", sorted({*STATUS, *(code for code, _ in HTTP_ERRORS.values()), "worker_died", "task_error"})
)
def test_a_search_for_a_code_finds_where_all_are_explained(code: str) -> None:
    assert ("http", "errors") in [(found.page, found.section.anchor) for found in manual.search(code, "en")[:6]]


@pytest.mark.parametrize(
    ("query", "language", "title", "excerpt"),
    [
        ("no worker is READY", "en", "The answer does not come, or is another", "the workers still load"),
        ("machines other", "en", "Other machines", ""),
        ("FARM_MIN_FREE_MB", "en", "Settings", "FARM_MIN_FREE_MB"),
        ("其他机器", "zh", "其他机器", ""),
    ],
)
def test_a_search_finds_the_section_and_what_in_it_fits(query: str, language: str, title: str, excerpt: str) -> None:
    found = manual.search(query, language)
    assert title in [each.section.title for each in found[:5]]
    assert any(excerpt in each.excerpt for each in found)
    assert all(len(each.excerpt) <= manual.SHOWN + 4 for each in found)


def test_a_search_for_nothing_or_for_what_is_not_there_finds_nothing(front: FlaskClient) -> None:
    assert manual.search(" ", "en") == manual.search("worker zzyzx", "en") == []
    refused(front.get("/help/search?q=" + "a" * 201), 400)
    assert front.get("/help/search?q=worker_died").get_json()["sections"][0] == {
        "page": "Help",
        "title": "The answer does not come, or is another",
        "excerpt": front.get("/help/search?q=worker_died").get_json()["sections"][0]["excerpt"],
        "lang": "en",
        "address": "/help#the-answer-does-not-come-or-is-another",
    }


def test_the_manual_is_open_where_the_farm_has_a_key(front: FlaskClient) -> None:
    refused(front.get("/help/nothing"), 404, "the manual has no page 'nothing'")
    with front.get("/help/files/pages/jobs.webp") as picture:
        assert picture.mimetype == "image/webp"
    refused(front.get("/help/files/../setup.cfg"), 404)


@pytest.mark.parametrize("address", ["/help/nothing", "/nothing", "/a/b/../c.php", "/v1/jobs/a/b/c"])
def test_a_browser_that_finds_nothing_is_given_the_manual_and_a_program_json(front: FlaskClient, address: str) -> None:
    response = front.get(f"{address}?lang=zh", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "此地址没有内容" in response.text
    assert 'id="words"' in response.text
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert front.get(address, headers=headers).json["code"] in ("not_found", "unknown_file")
    assert front.post(address, headers={"Accept": "text/html"}).is_json
