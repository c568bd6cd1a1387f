"""Who may import whom: arrows between packages point one way."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "spoolfarm"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOORS = [ROOT / f"{name}.py" for name in ("server", "wsgi", "worker", "launcher")]

#: What each package may import of the others; `package.module` allows that module alone.
MAY = {
    "errors": "",
    "units": "",
    "system": "",
    "validation": "",
    "csv_lines": "",
    "images": "errors",
    "envfile": "errors",
    "values": "",
    "config": "errors envfile values",
    "spool": "errors",
    "client": "errors images spool.job spool.record",
    "tasks": "errors validation csv_lines images config system spool.job spool.files",
    "farm": "errors images config spool tasks",
    "worker": "errors config system spool tasks farm",
    "launcher": "errors config system spool tasks.lanes farm worker",
    "server": (
        "errors validation images config system spool.job spool.record spool.files tasks farm hotfolder.shelf "
        "batch.desk"
    ),
    "hotfolder": "errors validation images config system spool farm",
    "batch": "errors csv_lines config units spool tasks.lanes farm launcher.pool",
    "training": "errors images tasks.segment",
    "cli": (
        "errors validation images config units system spool tasks farm client worker launcher batch hotfolder training"
    ),
}
#: What each wing of `tasks` may import of the others, beside what lies in `tasks` itself.
WINGS = {"ocr": "documents", "documents": "", "segment": "", "edit": "", "flower": ""}
#: Which libraries may be imported where, by package or file: what is not named here may be imported anywhere.
ONLY = {
    "flask": "server",
    "werkzeug": "server",
    "flask_cors": "server",
    "gunicorn": "server",
    "watchdog": "spool/watch.py",
}


@functools.cache
def imported(path: Path) -> list[str]:
    """The dotted name of every module that *path* imports anywhere, in functions and for typing too."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            found += (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
    return found


def ours(path: Path) -> Iterator[str]:
    """The names below `spoolfarm` that *path* imports."""
    return (name.removeprefix("spoolfarm.") for name in imported(path) if name.startswith("spoolfarm."))


def module_of(path: Path) -> str:
    """The dotted name of the module in *path*; that of a package for its `__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules(path: Path, known: set[str]) -> Iterator[str]:
    """Those of the *known* modules that *path* imports, or imports something of."""
    for name in imported(path):
        yield from {name, name.rpartition(".")[0]} & known if name not in known else [name]


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def within(name: str, allowed: str) -> bool:
    """Whether the dotted *name* lies in one of the *allowed* modules or packages."""
    return any(name == each or name.startswith(f"{each}.") for each in allowed.split())


@pytest.mark.parametrize("package", MAY)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for path in (each for each in FILES if package_of(each) == package):
        for name in ours(path):
            assert within(name, f"{package} {MAY[package]}"), f"{path.relative_to(ROOT)} imports {name}"


def test_no_two_modules_import_each_other_by_whatever_way() -> None:
    names = {path: module_of(path) for path in FILES}
    uses = {name: {*modules(path, {*names.values()})} - {name} for path, name in names.items()}
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' imports '.join(reversed(error.args[1]))}")


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_of_the_tasks_stands_alone(wing: str) -> None:
    for path in (PACKAGE / "tasks" / wing).rglob("*.py"):
        for name in ours(path):
            other = name.removeprefix("tasks.").partition(".")[0] if name.startswith("tasks.") else ""
            assert other not in WINGS or other in f"{wing} {WINGS[wing]}".split(), f"{path.name} imports {name}"


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_used_in_one_place(library: str) -> None:
    for path in FILES:
        if any(within(name, library) for name in imported(path)):
            place = path.relative_to(PACKAGE).as_posix()
            assert place.startswith(ONLY[library]), place


def test_views_touch_no_files() -> None:
    for path in (PACKAGE / "server/views").glob("*.py"):
        assert not {name.partition(".")[0] for name in imported(path)} & {"os", "pathlib", "shutil", "glob"}, path
        assert not re.search(r"\bopen\(", path.read_text()), path


def test_views_ask_the_farm_and_reach_not_through_it() -> None:
    for path in (PACKAGE / "server/views").glob("*.py"):
        assert not re.search(r"\b(farm\(\)|self\._farm)\.(spool|results)\b", path.read_text()), path


def test_doors_are_under_15_lines_and_only_open() -> None:
    for path in DOORS:
        assert len(path.read_text().splitlines()) < 15, path
        assert len({package for package, *_ in (name.split(".") for name in ours(path))}) == 1, path


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_opens_with_a_sentence_on_one_line_and_has_at_most_400_lines(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert docstring.partition("\n")[0].endswith("."), docstring
    assert len(text.splitlines()) <= 400
