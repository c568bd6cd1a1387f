"""What all pages for people have in common: their words, languages and themes, their navigation, and no inline code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from spoolfarm.server import words
from spoolfarm.server.page import NAVIGATION
from tests.support.front_client import front_client

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SERVER = Path(words.__file__).parent
#: The pages made of templates.
PAGES = sorted(path.stem for path in words.FOLDER.glob("*.html") if path.stem != words.SHARED)
#: A word as templates and modules ask for it: `text.NAME`, `text["NAME"]`, `text("NAME"`.
ASKED = re.compile(r"(?<![/\w])text(?:\.(\w+)|\[\"(\w+)\"\]|\(\"(\w+)\")")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A front that wants a key, which nobody here sends."""
    with front_client(tmp_path_factory.mktemp("front"), FARM_API_KEY="secret") as client:
        yield client


def sources(page: str) -> str:
    """The template and the modules of *page*, and for the shared table those that all pages have."""
    modules = SERVER.glob("web/*.js") if page == words.SHARED else SERVER.glob(f"web/{page}/*.js")
    return "\n".join(path.read_text() for path in (words.FOLDER / f"{page}.html", *modules))


@pytest.mark.parametrize("name", [*PAGES, words.SHARED])
def test_every_word_stands_in_both_languages_and_leaves_room_for_the_same(name: str) -> None:
    for row in words.table(name).values():
        assert len(row) == len(words.LANGUAGES)
        assert all(row)
        rooms = [set(re.findall(r"\{(\w+)\}", each)) for each in row]
        assert rooms[0] == rooms[1], row


@pytest.mark.parametrize("page", [*PAGES, words.SHARED])
def test_every_word_that_a_page_asks_for_is_there(page: str) -> None:
    there = words.table(words.SHARED).keys() | words.table(page).keys()
    asked = {name for names in ASKED.findall(sources(page)) for name in names if name}
    assert len(asked) > 1
    assert asked <= there


@pytest.mark.parametrize("page", PAGES)
def test_no_page_says_the_same_word_twice(page: str) -> None:
    assert not words.table(words.SHARED).keys() & words.table(page).keys()


@pytest.mark.parametrize("page", ["base", *PAGES])
def test_a_page_has_no_code_and_no_style_in_it(page: str) -> None:
    source = (words.FOLDER / f"{page}.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b", source)
    assert set(re.findall(r"<script(?! type=\"application/json\")([^>]*)>", source)) <= set(
        re.findall(r"<script( [^>]*src=\"[^\"]+\"[^>]*)>", source)
    )


def test_the_navigation_names_the_pages_that_are_there(front: FlaskClient) -> None:
    with front.get("/", headers=BROWSER) as answer:
        menu = answer.text.partition("<nav")[2].partition("</nav>")[0]
    there = {rule.rule for rule in front.application.url_map.iter_rules()} & set(NAVIGATION.values())
    assert {"/", "/docs", "/federated"} <= there
    named = re.findall(r'href="([^"]+)"', menu)
    assert {"/" + each.removeprefix("./") for each in named} == there
    for path in there:
        with front.get(path, headers=BROWSER) as page:
            assert page.status_code == 200


def test_an_address_may_name_the_language_and_it_is_kept(front: FlaskClient) -> None:
    with front.get("/?lang=zh", headers=BROWSER | {"Accept-Language": "en"}) as answer:
        assert '<html lang="zh-CN">' in answer.text
        assert answer.headers["Set-Cookie"].startswith("spoolfarm-language=zh;")
    with front.get("/", headers=BROWSER | {"Accept-Language": "en"}) as answer:
        assert '<html lang="zh-CN">' in answer.text
        assert "Set-Cookie" not in answer.headers
        assert {"accept-language", "cookie"} <= {each.lower() for each in answer.vary}
    with front.get("/?lang=fr", headers=BROWSER) as answer:
        assert "Set-Cookie" not in answer.headers
    front.delete_cookie("spoolfarm-language")


@pytest.mark.parametrize(("chosen", "shown"), [("dark", ' data-theme="dark"'), ("light", ' data-theme="light"')])
def test_a_chosen_theme_is_in_the_page_before_it_is_painted(front: FlaskClient, chosen: str, shown: str) -> None:
    front.set_cookie("spoolfarm-theme", chosen)
    with front.get("/", headers=BROWSER) as answer:
        assert shown in answer.text
    front.set_cookie("spoolfarm-theme", '"><script>')
    with front.get("/", headers=BROWSER) as answer:
        assert "data-theme" not in answer.text.partition("<head>")[0]
        assert "><script>" not in answer.text.partition("<head>")[0]
    front.delete_cookie("spoolfarm-theme")


def test_the_words_in_a_page_are_data_and_never_end_it(front: FlaskClient) -> None:
    with front.get("/", headers=BROWSER) as answer:
        [data] = re.findall(r'<script type="application/json" id="text">(.*?)</script>', answer.text)
    assert json.loads(data)["nav_try"] == "Try"
    assert "<" not in data


def test_what_a_page_loads_is_served_without_a_key_and_nothing_else_is(front: FlaskClient) -> None:
    for path in ("web/base.css", "web/frame.js", "web/icon.svg", "web/vendor/uplot/uPlot.iife.min.js"):
        with front.get(f"/{path}") as answer:
            assert answer.status_code == 200, path
    for path in ("/web/../app.py", "/web/%2e%2e/app.py", "/web/nothing"):
        with front.get(path) as answer:
            assert answer.status_code in (401, 404), path


def test_every_library_comes_with_its_licence_and_where_it_is_from() -> None:
    for library in (SERVER / "web/vendor").iterdir():
        assert (library / "LICENSE").read_text()
        assert "npm" in (library / "README.md").read_text()
