"""The docs say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spoolfarm import config

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks/README.md"]


def test_every_setting_stands_in_the_docs_with_its_default_and_meaning() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    for row in config.rows():
        default = (
            "number of cores" if row["name"] == "FARM_WORKERS" else f"`{row['default']}`" if row["default"] else "empty"
        )
        assert f"| `{row['name']}` | {default} | {row['help']} |" in page


def test_the_docs_name_no_setting_that_is_not_there() -> None:
    known = {row["name"] for row in config.rows()}
    for page in PAGES:
        named = set(re.findall(r"\bFARM_[A-Z_]+[A-Z]\b", page.read_text()))
        assert named <= known, f"{page.name} names {named - known}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_both_readmes_show_the_same_commands() -> None:
    blocks = [
        re.findall(r"```\w+\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
        for name in ("README.md", "README.zh-CN.md")
    ]
    strip = [[re.sub(r"#.*", "", block) for block in found] for found in blocks]
    assert strip[0] == strip[1]
    assert len(strip[0]) >= 4


def test_every_file_and_room_of_the_package_stands_in_the_architecture() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    rooms = [f"{path.parent.name}/" for path in (ROOT / "spoolfarm").glob("*/__init__.py")]
    for name in [*rooms, *(path.name for path in (ROOT / "spoolfarm").glob("*.py") if path.name != "__init__.py")]:
        assert re.search(rf"(^|\s){re.escape(name)}", page, re.MULTILINE), name
