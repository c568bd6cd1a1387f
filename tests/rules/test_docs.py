"""The docs say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spoolfarm import config
from spoolfarm.client.client import Client, ClientJob
from spoolfarm.client.transport import BY_CODE
from tests.rules.test_imports import MAY

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


def test_the_tree_in_the_architecture_is_the_tree_on_the_disk() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    tree = page.partition("\nspoolfarm/\n")[2].partition("```")[0]
    told: dict[str, set[str]] = {}
    package = ""
    for line in tree.splitlines():
        indent, words = len(line) - len(line.lstrip()), line.split()
        if indent in (2, 4) and words[0].endswith("/"):
            package = words[0] if indent == 2 else f"{package.partition('/')[0]}/{words[0]}"
            told[package] = set()
        elif indent > 4:
            told[package] |= set(words)
        else:
            told.setdefault("", set()).add(words[0].removesuffix(".py"))
    there: dict[str, set[str]] = {}
    for path in (ROOT / "spoolfarm").rglob("*.py"):
        folder = path.parent.relative_to(ROOT / "spoolfarm").as_posix()
        names = there.setdefault("" if folder == "." else f"{folder}/", set())
        names |= {path.stem} - {"__init__", "__main__"}
    assert told == there


def test_the_rules_of_imports_in_the_architecture_are_those_of_the_test() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    for package, allowed in MAY.items():
        told = ", ".join(f"`{name}`" for name in allowed.split()) or "nothing of ours"
        assert f"| `{package}` | {told} |" in page


def test_the_page_on_python_names_every_verb_and_every_error_of_the_client() -> None:
    page = (ROOT / "docs/python.md").read_text()
    verbs = {name for made in (Client, ClientJob) for name in vars(made) if not name.startswith("_")}
    names = {each.__name__ for each in BY_CODE.values()} - {"SettingError", "FarmRunning"}
    assert [name for name in sorted(verbs | names) if not re.search(rf"\b{name}\b", page)] == []
