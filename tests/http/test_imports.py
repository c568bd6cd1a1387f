"""What is loaded when, and who may import whom."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT

#: What only a worker that runs a task may load: each costs more than the whole front.
HEAVY = {"torch", "torchvision", "cv2", "onnxruntime", "ray", "flwr", "rapidocr"}
#: The modules that are imported to be a process, and those that others import to use the farm.
PROCESSES = ("launcher", "background", "front", "worker", "zygote", "hotfolder.__main__", "farm", "client", "cli")
#: The front at work: it takes a picture, refuses another, and tells what it can do.
AT_WORK = """
import base64, io
from PIL import Image
from spoolfarm.server import create_app
front = create_app().test_client()
file = io.BytesIO()
Image.new("RGB", (9, 9)).save(file, "PNG")
for picture, status in ((file.getvalue(), 202), (b"no picture", 415)):
    sent = {"task": "ocr", "image": base64.b64encode(picture).decode()}
    assert front.post("/v1/jobs", json=sent).status_code == status
    assert front.post("/upload", json={"image": sent["image"]}).status_code == (200 if status == 202 else status)
for path in ("/ready", "/v1/jobs", "/v1/tasks", "/metrics"):
    front.get(path)
"""
PACKAGE = sorted((ROOT / "spoolfarm").rglob("*.py"))
FRONT_DOORS = [ROOT / f"{name}.py" for name in ("server", "worker", "launcher")]


def loaded(code: str, path: Path) -> set[str]:
    """The top-level modules that a fresh process has loaded after *code*."""
    directories = {f"FARM_{name.upper()}_DIR": str(path / name) for name in ("spool", "results", "data")}
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env={**os.environ, **directories, "FARM_MIN_FREE_MB": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize(
    "code",
    [
        *(f"import spoolfarm.{name}" for name in PROCESSES),
        "from spoolfarm import Farm, Client; Farm()",
        "import server",
        AT_WORK,
    ],
    ids=lambda code: code if len(code) < 80 else "the front at work",
)
def test_nothing_heavy_is_loaded(tmp_path: Path, code: str) -> None:
    assert not loaded(code, tmp_path) & HEAVY


def test_a_front_loads_no_socketio_before_somebody_speaks_it(tmp_path: Path) -> None:
    speaks = 'assert front.get("/socket.io/?EIO=4&transport=polling").status_code == 200\n'
    assert "socketio" not in loaded(AT_WORK, tmp_path)
    assert "socketio" in loaded(AT_WORK + speaks, tmp_path)


def test_importing_the_package_loads_next_to_nothing(tmp_path: Path) -> None:
    found = loaded("import spoolfarm", tmp_path)
    assert "spoolfarm" in found
    assert not found & (HEAVY | {"flask", "werkzeug", "pydantic", "numpy", "PIL", "watchdog", "filelock", "dotenv"})


def test_the_client_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    new = loaded("from spoolfarm import Client; Client('http://localhost:1')", tmp_path) - loaded("", tmp_path)
    assert new - sys.stdlib_module_names == {"spoolfarm"}


# Arrows.


def imports(path: Path) -> Iterator[str]:
    """Every module that *path* imports anywhere: ours by their name in the package, others by their top-level name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "spoolfarm" else [module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            ours, _, rest = name.partition("spoolfarm.")
            yield rest.partition(".")[0] if not ours and rest else name.partition(".")[0]


def ours(path: Path) -> set[str]:
    """What of the package *path* imports."""
    rooms = {each.parent.name for each in (ROOT / "spoolfarm").glob("*/__init__.py")}
    mine = {each.stem for each in (ROOT / "spoolfarm").glob("*.py")} | rooms
    return {name for name in imports(path) if name in mine}


def named(*names: str) -> list[Path]:
    """The files of the package called so, and all files of the directories called so."""
    found = [path for path in PACKAGE if path.relative_to(ROOT / "spoolfarm").parts[0].removesuffix(".py") in names]
    assert found
    return found


def test_views_see_the_farm_and_what_it_speaks_of() -> None:
    for path in named("views"):
        assert ours(path) <= {
            "views",
            "farm",
            "several",
            "uploads",
            "project",
            "tasks",
            "edit",
            "errors",
            "images",
            "job",
            "results",
        }, path
        third = set(imports(path)) - sys.stdlib_module_names - ours(path)
        assert third <= {
            "flask",
            "werkzeug",
            "pydantic",
            "pydantic_core",
            "prometheus_client",
            "flask_socketio",
            "socketio",
            "engineio",
        }, path


def test_views_take_from_results_only_what_reads_a_record() -> None:
    for path in named("views"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "spoolfarm.results":
                assert {alias.name for alias in node.names} <= {"ended"}, path


def test_views_touch_no_files() -> None:
    for path in named("views"):
        assert not set(imports(path)) & {"os", "pathlib", "shutil", "glob"}, path
        assert not re.search(r"\bopen\(", path.read_text()), path


def test_tasks_know_no_http_and_no_spool() -> None:
    for path in named("tasks", "ocr", "segment", "documents"):
        below = {"tasks", "ocr", "segment", "scenes", "edit", "classifier", "simulation", "documents", "project"}
        assert ours(path) <= below | {"errors", "job", "images", "memory", "threads", "lanes"}, path
        assert not set(imports(path)) & {"flask", "werkzeug", "requests", "urllib", "http"}, path


def test_drawn_scenes_need_nothing_of_the_farm() -> None:
    for path in named("scenes"):
        assert ours(path) <= {"scenes"}, path
        assert set(imports(path)) - sys.stdlib_module_names - {"scenes"} <= {"cv2", "numpy"}, path


def test_edits_know_pictures_and_paths_and_no_farm() -> None:
    for path in named("edit"):
        assert ours(path) <= {"edit", "errors", "images"}, path
        third = set(imports(path)) - sys.stdlib_module_names - ours(path)
        assert third <= {"cv2", "numpy"}, path


def test_the_project_and_what_works_on_it_know_no_farm() -> None:
    for path in named("project", "classifier", "simulation"):
        assert ours(path) <= {"project", "classifier", "simulation", "errors", "files"}, path


def test_the_spool_knows_files_and_jobs_and_no_more() -> None:
    below = {"files", "job", "errors", "results", "attachments", "lease", "queue", "bell", "deadletters", "entry"}
    below |= {"watch", "whereabouts"}
    for path in named("spool", *below):
        assert ours(path) <= below, path
        third = set(imports(path)) - sys.stdlib_module_names - ours(path)
        assert third <= {"filelock", "watchdog"}, path


def test_uploads_stand_on_the_farm() -> None:
    assert ours(ROOT / "spoolfarm/records.py") <= {"errors", "files"}
    assert ours(ROOT / "spoolfarm/uploads.py") <= {"farm", "records", "results", "job", "errors", "files"}


def test_the_hot_folder_stands_on_the_farm() -> None:
    spoken_of = {"farm", "results", "endings", "job", "errors", "images", "files", "watch", "config", "process"}
    for path in named("hotfolder"):
        assert ours(path) <= {"hotfolder", *spoken_of}, path
        assert set(imports(path)) - sys.stdlib_module_names - ours(path) <= {"filelock"}, path


def test_endings_need_nothing_of_the_farm() -> None:
    assert not ours(ROOT / "spoolfarm/endings.py")


def test_only_the_front_speaks_http_and_only_its_process_runs_gunicorn() -> None:
    for path in PACKAGE:
        if set(imports(path)) & {"flask", "werkzeug", "flask_cors"}:
            assert path in named("views", "server"), path
        if "gunicorn" in imports(path):
            assert path in named("front"), path


def test_nobody_imports_server_worker_or_launcher_but_those_who_start_them() -> None:
    starters = {"server": {"front.py", "server.py"}, "worker": {"worker.py", "zygote.py"}}
    starters["launcher"] = {"background.py", "launcher.py"}
    for path in [*PACKAGE, *FRONT_DOORS]:
        for name in ours(path) & starters.keys():
            assert path.name in starters[name], path


def test_the_farm_is_the_one_bridge() -> None:
    for path in named("views", "client", "wire", "top"):
        assert not ours(path) & {"spool", "queue", "deadletters", "keys", "room", "lease", "files"}, path


def test_only_the_settings_read_the_environment() -> None:
    allowed = {
        "config.py",  # the table
        "threads.py",  # the budget that the launcher hands a worker
        "doctor.py",  # names what is set and is no setting
        "zygote.py",  # makes what a worker is to have its own
        *("launcher.py", "crew.py", "keeper.py", "background.py"),  # hand it on to what they start
        "front.py",  # throws away what Gunicorn would read
        "session.py",  # hands it on to a simulation, less the secrets
    }
    for path in PACKAGE:
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text()):
            assert path.name in allowed, path


def test_front_doors_are_under_15_lines_and_only_open() -> None:
    for path in FRONT_DOORS:
        assert len(path.read_text().splitlines()) < 15, path
        assert len(ours(path)) <= 2, path


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_opens_with_a_sentence_on_one_line_and_has_at_most_400_lines(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert docstring.partition("\n")[0].endswith("."), docstring
    assert len(text.splitlines()) <= 400
