"""Broken tasks of one's own: each is disabled alone and says why, and the others are there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm import config
from spoolfarm.config import Settings, load
from spoolfarm.errors import JobFailed, TaskUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.disabled import DisabledTasks
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.tasks.registry import Registry, forget_code

HEAD = "from spoolfarm.tasks import Task\nclass T(Task):\n    def run(self, batch, context): return [1]\n"
PARAMS = (
    "from pydantic import RootModel, SecretStr\nfrom spoolfarm.tasks import Params, Task\n"
    "class T(Task):\n    def run(self, batch, context): return [1]\n\n"
    "class P(Params):\n"
)
#: What a module holds, and what is said of it.
BROKEN = {
    "def x(:": "cannot be imported: SyntaxError: invalid syntax",
    "import nosuchpackage": "cannot be imported: ModuleNotFoundError: No module named 'nosuchpackage'",
    "raise RuntimeError('licence\\nexpired')": "cannot be imported: RuntimeError: licence expired",
    "import ctypes; ctypes.CDLL('libcudart.so.99')": "cannot be imported: OSError: libcudart.so.99",
    "import sys; sys.exit('usage: me')": "cannot be imported: SystemExit: usage: me",
    "x = os.environ": "cannot be imported: NameError",
    "import os; x = os.environ['MODEL_PATH_OF_NOBODY']": "cannot be imported: KeyError: 'MODEL_PATH_OF_NOBODY'",
    "class E(BaseException): pass\nraise E('panic')": "cannot be imported: E: panic",
    "class T: pass": "is no subclass of spoolfarm.tasks.Task",
    "from spoolfarm.tasks import Task\nclass T(Task): pass": "has no method run",
    "from spoolfarm.tasks import Task\nclass T(Task):\n    async def run(self, b, c): ...": "that is a coroutine",
    HEAD + "    def __init__(self, path): pass": "cannot be made without arguments: TypeError",
    HEAD
    + "    def __init__(self): raise OSError('no licence')": "cannot be made without arguments: OSError: no licence",
    HEAD + "    lane = ['general']": "wants the lane ['general']; there are general",
    HEAD + "    max_batch = '8'": "has '8' as max_batch, which is a whole number from 1",
    HEAD + "    parts = 'ocr'": "has 'ocr' as parts, which is a tuple of names of tasks",
    HEAD + "    class Params: x = 1": "as Params, which is no model of pydantic",
    HEAD + "    results = (int,)": "has <class 'int'> as results, which is no model of pydantic",
    PARAMS + "    x: 'Nowhere' = 1": "has a model P that JSON schema cannot tell: PydanticUserError",
    PARAMS.replace("P(Params)", "P(RootModel[list[int]])") + "    pass": "as Params, which has no parameters by name",
    PARAMS + "    key: SecretStr = ''": "has the parameter key, a secret: workers would get asterisks",
    PARAMS + "    key: list[SecretStr] | None = None": "has the parameter key, a secret",
    HEAD + "    min_images = -1": "has -1 as min_images, which is a whole number from 0",
}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where launcher.py would lie: a directory that this process does not look into by itself."""
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_task_is_disabled_alone_and_says_why(text: str, beside: Path) -> None:
    (beside / "broken_task.py").write_text(text + ("\nT.Params = P" if text.startswith(PARAMS[:30]) else ""))
    registry = Registry({"bad": "broken_task:T"}, ["bad", "echo"], load().by_name())
    with pytest.raises(TaskUnavailable) as caught:
        registry.get("bad")
    assert str(caught.value).startswith("task 'bad' ")
    assert BROKEN[text] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert registry.broken() == {"bad": str(caught.value)}
    assert (registry.names(), registry.usable()) == (["bad", "echo"], ["echo"])
    assert registry.lane("general") == registry.for_one() == ["echo"]


def test_a_module_that_fails_is_run_once(beside: Path) -> None:
    (beside / "making_task.py").write_text(f"import os\nos.mkdir({str(beside / 'made')!r})\nraise ValueError('mine')\n")
    registry = Registry({"bad": "making_task:T"})
    for _ in range(3):
        with pytest.raises(TaskUnavailable, match="ValueError: mine"):  # and not that the folder is there
            registry.get("bad")


def test_what_lies_beside_the_launcher_is_found_and_comes_first(beside: Path) -> None:
    (beside / "near_task.py").write_text("import near_more\n" + HEAD)
    (beside / "near_more.py").write_text("")
    (beside / "tabnanny.py").write_text(HEAD)
    path = list(sys.path)
    registry = Registry({"near": "near_task:T", "mine": "tabnanny:T"}, ["near", "mine"])
    assert registry.broken() == {}
    assert sys.path == [*path, str(beside)]


def test_what_lies_in_the_home_of_the_farm_is_found_and_comes_first(beside: Path) -> None:
    home = beside / "home"
    home.mkdir()
    for path, answer in ((home, "home"), (beside, "beside")):
        (path / "task_at_home.py").write_text(f"{HEAD}    answer = {answer!r}\n")
    registry = Registry({"mine": "task_at_home:T"}, ["mine"], load({"FARM_HOME": str(home)}).by_name())
    assert vars(type(registry.get("mine")))["answer"] == "home"


def test_a_farm_of_a_program_knows_the_task(beside: Path, settings: Settings) -> None:
    (beside / "program_task.py").write_text(HEAD + "    min_images = 0\n")
    farm = Farm(settings=load({**settings.environment(), "FARM_TASKS": "mine=program_task:T"}))
    assert farm.submit("mine").status() == "queued"
    farm.close()


# Those whose setup fails.


@pytest.fixture
def disabled(farm: Farm) -> Iterator[DisabledTasks]:
    """Of a farm whose launcher lives, and that has no worker."""
    from filelock import FileLock

    with FileLock(f"{farm.root}/launcher.lock", fallback_to_soft=False, thread_local=False):
        yield farm.spool.disabled


def test_a_task_that_no_worker_can_set_up_is_refused_with_the_reason(farm: Farm, disabled: DisabledTasks) -> None:
    disabled.note("echo", "RuntimeError: CUDA out of memory")
    for ask in (farm.submit, farm.call):
        with pytest.raises(TaskUnavailable, match=r"task 'echo' is disabled, for its setup failed: .*CUDA out of"):
            ask("echo")
    assert farm.unfinished() == []
    assert disabled.all() == {"echo": "RuntimeError: CUDA out of memory"}
    disabled.clear("echo")
    assert farm.submit("echo").status() == "queued"


def test_a_task_that_another_worker_can_run_is_not_disabled(farm: Farm, disabled: DisabledTasks) -> None:
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    lease.announce({"tasks": ["echo"]})
    disabled.note("echo", "no memory")
    assert farm.submit("echo").status() == "queued"
    assert disabled.all() == {}
    lease.end()
    with pytest.raises(TaskUnavailable):
        farm.submit("echo")


def test_without_a_launcher_nobody_knows_and_the_job_waits(farm: Farm) -> None:
    farm.spool.disabled.note("echo", "no memory")
    assert farm.submit("echo").status() == "queued"
    farm.spool.disabled.clear_all()
    assert farm.spool.disabled.all() == {}


# Those that are there, and fail when they are asked.


@pytest.mark.parametrize("how", ["raise ValueError('mine')", "raise SystemExit(3)", "return None", "return [1]"])
def test_a_validate_that_fails_fails_the_request_and_ends_nobody(how: str, beside: Path) -> None:
    (beside / "strict_task.py").write_text(f"{HEAD}    def validate(self, params): {how}\n")
    registry = Registry({"strict": "strict_task:T"}, ["strict", "echo"], load().by_name())
    with pytest.raises(JobFailed, match=r"^task strict: its validate failed: \w+: ") as caught:
        registry.checked("strict", {})
    assert caught.value.code == "task_error"
    assert registry.checked("echo", {"x": 1})["x"] == 1


def test_a_mended_module_is_read_again_with_what_it_imports(beside: Path) -> None:
    (beside / "mended_part.py").write_text("answer = 1\n")
    (beside / "mended_task.py").write_text(
        "import mended_part\nfrom spoolfarm.tasks import Task\nclass T(Task): pass\n"
    )
    paths = {"mended": "mended_task:T"}
    assert "has no method run" in Registry(paths, ["mended"]).broken()["mended"]
    (beside / "mended_part.py").write_text("answer = 12\n")
    (beside / "mended_task.py").write_text(f"import mended_part\n{HEAD}    answer = mended_part.answer\n")
    forget_code()
    assert vars(type(Registry(paths, ["mended"]).get("mended")))["answer"] == 12
