"""docs/help.md quotes the farm as it speaks; a page says the same in both languages; links to headings hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rules.test_docs import PAGES, ROOT

#: What the page says that people see, and the farm says.
MESSAGES = (
    "Python 3.11 or newer is needed",
    "the venv module is missing",
    "cannot listen there: ",
    "has been running since",
    "the farm runs already, as process",
    "is not allowed: it takes",
    "which cannot be imported",
    "this farm does not answer to the host name",
    "may not use this farm; name it in FARM_CORS_ORIGINS",
    "The API key is missing or wrong.",
    "there is nothing at this address",
    "this address does not take that method",
    "task: is missing",
    "imgbase64: is missing",
    "cannot be a file",
    "img_file: send the file itself",
    "is not a picture of a type we take",
    "the body is over the limit (FARM_MAX_BODY_MB)",
    "pixels are over the limit of",
    "no task is called",
    "is not in the data folder (FARM_DATA_DIR)",
    "no worker is ready",
    "no result within",
    "jobs are waiting; try later",
    "the disk of ",
    "MiB left",
    "results are kept for",
)


@pytest.mark.parametrize("message", MESSAGES)
def test_what_the_help_quotes_is_what_the_farm_says(message: str) -> None:
    assert message in (ROOT / "docs/help.md").read_text()
    sources = [ROOT / "start.sh", *ROOT.glob("spoolfarm/**/*.py")]
    assert any(message in source.read_text() for source in sources)


def test_both_languages_of_a_page_show_the_same_commands_and_as_many_rows() -> None:
    pages = [(ROOT / f"docs/coming-from{language}.md").read_text() for language in ("", ".zh-CN")]
    blocks = [re.findall(r"```\w+\n.*?```", page, re.DOTALL) for page in pages]
    assert blocks[0] == blocks[1]
    rows = [[line.count(" | ") for line in page.splitlines() if line.startswith("| ")] for page in pages]
    assert rows[0] == rows[1]
    headings = [re.findall(r"^(#{2,}) ", page, re.MULTILINE) for page in pages]
    assert headings[0] == headings[1]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", page.read_text()):
        assert anchor in anchors(page.parent / target if target else page), f"{page.name} links to {target}#{anchor}"
