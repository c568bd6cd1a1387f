"""A reload: from then on `.env` is the truth, in every process; what stood in the environment at the start stays."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import own_checkout
from tests.support.running_farm import RunningFarm, free_port, until

Make = Callable[..., RunningFarm]

NEW = '''"""A task that came later."""
from spoolfarm.tasks import Task

class New(Task):
    """Says that it is there."""
    min_images = max_images = 0

    def run(self, batch, context):
        return ["new" for _ in batch]
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return own_checkout.make(tmp_path / "checkout")


@pytest.fixture
def farm(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningFarm]:
    """A farm of that checkout, not started: what its tests change does not stand in its environment."""
    made = RunningFarm(tmp_path, checkout, FARM_WORKERS=1)
    for name in ("FARM_ENABLE", "FARM_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    del made.given["FARM_ENABLE"]
    yield made
    made.stop()


def reload(farm: RunningFarm, **settings: object) -> None:
    """Write *settings* into `.env`, reload, and wait until front and workers are other processes."""
    front, workers = set(farm.front()), set(farm.workers())
    own_checkout.write(farm.root, **settings)
    farm.signal(signal.SIGHUP)
    until(lambda: len(set(farm.front()) - front) == 1 and len(farm.front()) == 2, what=f"a new front; {farm.log()}")
    until(lambda: farm.workers() and not set(farm.workers()) & workers, what=f"new workers; {farm.log()}")


def status(farm: RunningFarm, key: str = "", size: int = 0) -> int:
    """The status of a request with *key* and so large a body, or of one without a body."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    if not size:
        return farm.ask(urllib.request.Request(f"{farm.url}/v1/tasks", headers=headers))[0]
    return farm.ask(urllib.request.Request(f"{farm.url}/v1/jobs", b" " * size, headers))[0]


def test_after_a_reload_the_file_holds_in_the_front_and_in_the_workers(farm: RunningFarm) -> None:
    own_checkout.write(farm.root, FARM_API_KEY="old", FARM_MAX_BODY_MB=1, FARM_ENABLE="echo", FARM_MAX_ATTEMPTS=5)
    farm.start()
    assert (status(farm, "old"), status(farm, "new"), status(farm)) == (200, 401, 401)
    assert status(farm, "old", 2 * 2**20) == 413
    reload(farm, FARM_API_KEY="new", FARM_MAX_BODY_MB=8, FARM_ENABLE="echo", FARM_TIMEOUT=1)
    assert (status(farm, "old"), status(farm, "new"), status(farm)) == (401, 200, 401)
    assert status(farm, "new", 2 * 2**20) == 400
    request = {"params": {"seconds": 5}}
    assert farm.post("/v1/run/echo", request, **{"X-API-Key": "new"})[0] == 504
    reload(farm, FARM_ENABLE="echo")
    assert (status(farm, "new"), status(farm)) == (200, 200)
    assert status(farm, "", 2 * 2**20) == 400
    assert "not reloaded" not in farm.log()


def test_a_task_may_come_and_go_by_a_reload(farm: RunningFarm) -> None:
    own_checkout.write(farm.root, FARM_ENABLE="echo")
    farm.start()
    (farm.root / "later.py").write_text(NEW)
    reload(farm, FARM_TASKS="new=later:New", FARM_ENABLE="echo,new")
    assert farm.post("/v1/run/new", {}) == (200, "new")
    assert farm.post("/v1/run/echo", {})[0] == 200
    (farm.root / "later.py").write_text(NEW.replace("def run", "def runs"))
    reload(farm, FARM_TASKS="new=later:New", FARM_ENABLE="echo,new")
    assert farm.post("/v1/run/new", {})[0] == 501
    (farm.root / "later.py").write_text(NEW.replace('"new" for', '"newer, at last" for'))
    reload(farm, FARM_TASKS="new=later:New", FARM_ENABLE="new")
    assert farm.post("/v1/run/new", {}) == (200, "newer, at last")
    assert farm.post("/v1/run/echo", {})[0] == 404
    assert "no task is called" not in farm.log()


def test_what_stood_in_the_environment_at_the_start_wins_after_a_reload_too(farm: RunningFarm) -> None:
    own_checkout.write(farm.root, FARM_ENABLE="echo")
    farm.given["FARM_API_KEY"] = "given"
    farm.start()
    reload(farm, FARM_ENABLE="echo", FARM_API_KEY="written")
    assert (status(farm, "given"), status(farm, "written")) == (200, 401)


def test_what_only_a_restart_can_change_is_named_and_all_else_is_reloaded(farm: RunningFarm, tmp_path: Path) -> None:
    bind = farm.given.pop("FARM_BIND")
    results = farm.given.pop("FARM_RESULTS_DIR")
    own_checkout.write(farm.root, FARM_ENABLE="echo", FARM_BIND=bind, FARM_RESULTS_DIR=results)
    farm.start()
    elsewhere = tmp_path / "elsewhere"
    moved = f"127.0.0.1:{free_port()}"
    reload(farm, FARM_ENABLE="echo", FARM_API_KEY="new", FARM_BIND=moved, FARM_RESULTS_DIR=elsewhere)
    assert (status(farm), status(farm, "new")) == (401, 200)
    assert farm.post("/v1/run/echo", {}, **{"X-API-Key": "new"})[0] == 200
    assert not elsewhere.exists()
    lines = [line for line in farm.log().splitlines() if "restart" in line]
    assert len(lines) == 1
    assert "FARM_BIND, FARM_RESULTS_DIR changed" in lines[0]


def test_a_bad_file_is_not_reloaded_and_all_goes_on(farm: RunningFarm) -> None:
    bad = {
        "FARM_TIMEOUT=soon\n": "FARM_TIMEOUT='soon' is not allowed",
        "FARM_ENABLE=nothing\n": "FARM_ENABLE names 'nothing'",
        "FARM_ENABLE=echo\nhello world\n": "line 2: is neither NAME=value nor a comment",
    }

    def refusals() -> list[str]:
        return [line for line in farm.log().splitlines() if "not reloaded" in line]

    own_checkout.write(farm.root, FARM_ENABLE="echo", FARM_API_KEY="old")
    farm.start()
    front, workers = farm.front(), farm.workers()
    for number, (text, why) in enumerate(bad.items()):
        (farm.root / ".env").write_text(text)
        farm.signal(signal.SIGHUP)
        until(lambda: len(refusals()) > number)
        assert len(refusals()) == number + 1
        assert why in refusals()[number]
        assert (farm.front(), farm.workers()) == (front, workers)
    os.kill(min(front), signal.SIGKILL)  # who is started anew has what was loaded last, whatever the file says now
    until(lambda: not set(farm.front()) & set(front))
    until(lambda: status(farm, "old") == 200, what=f"the front; {farm.log()}")
    assert status(farm) == 401
