"""What all pages for people have in common: their words, languages and themes, their navigation, and no inline code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from spoolfarm.config import load
from spoolfarm.server import words
from spoolfarm.server.page import NAVIGATION
from spoolfarm.tasks.registry import BUILT_IN, Registry
from tests.support.front_client import front_client

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SERVER = Path(words.__file__).parent
#: The pages made of templates.
PAGES = sorted(path.stem for path in words.FOLDER.glob("*.html") if path.stem != words.SHARED)
#: The modules of the pages, less the libraries.
MODULES = sorted({*SERVER.glob("web/*.js"), *(path for page in PAGES for path in SERVER.glob(f"web/{page}/*.js"))})
#: A word as templates ask for it, and as modules do.
IN_TEMPLATES = re.compile(r"\btext(?:\.|\[\")(\w+)\b(?!\" ~)")
IN_MODULES = re.compile(r"\btext(?:Or)?\(\"(\w+)\"")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A front that wants a key, which nobody here sends."""
    with front_client(tmp_path_factory.mktemp("front"), FARM_API_KEY="secret") as client:
        yield client


def asked(page: str) -> set[str]:
    """The words that the template and the modules of *page* ask for; those of the shared table all pages have."""
    modules = SERVER.glob("web/*.js" if page == words.SHARED else f"web/{page}/*.js")
    named = IN_TEMPLATES.findall((words.FOLDER / f"{page}.html").read_text())
    return {*named, *(name for path in modules for name in IN_MODULES.findall(path.read_text()))}


@pytest.mark.parametrize("name", [*PAGES, words.SHARED])
def test_every_word_stands_in_both_languages_and_leaves_room_for_the_same(name: str) -> None:
    for row in words.table(name).values():
        assert len(row) == len(words.LANGUAGES)
        assert all(row)
        rooms = [set(re.findall(r"\{(\w+)\}", each)) for each in row]
        assert rooms[0] == rooms[1], row


@pytest.mark.parametrize("page", [*PAGES, words.SHARED])
def test_every_word_that_a_page_asks_for_is_there(page: str) -> None:
    assert len(asked(page)) > 1
    assert asked(page) <= words.words(page, "en").keys()


def test_what_the_page_try_says_of_parameters_in_english_is_what_the_tasks_say() -> None:
    told = {row[0] for name, row in words.table("try").items() if name.startswith("param_")}
    tasks = Registry(settings=load().by_name())
    schemas = [tasks.get(name).describe()["params"] for name in BUILT_IN]
    assert told == {each["description"] for schema in schemas for each in schema.get("properties", {}).values()}


def test_what_the_page_federated_says_of_parameters_in_english_is_what_the_project_says() -> None:
    beginning = "param_simulate_"
    rows = words.table("federated").items()
    told = {name.removeprefix(beginning): row[0] for name, row in rows if name.startswith(beginning)}
    project = json.loads((SERVER.parents[1] / "flower_project/parameters.json").read_text())
    assert told == {name: each["description"] for name, each in project["properties"].items()}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_says_the_same_word_twice(page: str) -> None:
    rows = words.table(page)
    assert not words.table(words.SHARED).keys() & rows.keys()
    also = words.table(words.ALSO[page]) if page in words.ALSO else {}
    assert [name for name in rows if also.get(name) == rows[name]] == []


@pytest.mark.parametrize("page", ["base", *PAGES])
def test_a_page_has_no_code_and_no_style_in_it(page: str) -> None:
    source = (words.FOLDER / f"{page}.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b", source)
    assert set(re.findall(r"<script(?! type=\"application/json\")([^>]*)>", source)) <= set(
        re.findall(r"<script( [^>]*src=\"[^\"]+\"[^>]*)>", source)
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_what_a_module_shows_is_text_and_never_markup(path: Path) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write\(|\beval\(|DOMParser", path.read_text()
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


def test_readers_of_chinese_are_told_what_kind_of_error_it_is() -> None:
    told = {name.removeprefix("code_") for name in words.table(words.SHARED) if name.startswith("code_")}
    table = (SERVER.parents[1] / "docs/http.md").read_text().partition("\n## Errors\n")[2].partition("\n## ")[0]
    codes = {
        code for row in re.findall(r"^\| \d{3} \|([^|]+)\|", table, re.MULTILINE) for code in re.findall(r"\w+", row)
    }
    assert told <= codes
    assert {"invalid_params", "broken_image", "unsupported_media", "simulation_failed"} <= told
