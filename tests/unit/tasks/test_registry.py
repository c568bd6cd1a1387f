"""The registry: which tasks there are, and where each lives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.errors import SettingError, UnknownTask
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Task, registry
from spoolfarm.tasks.echo import Echo
from spoolfarm.tasks.registry import BUILT_IN, Registry


class Mine(Task):
    """A task of one's own."""

    lane = "simulate"

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [None for _ in batch]


class Needy(Mine):
    """A task that wants to know a setting."""

    needs = ("FARM_TIMEOUT",)


class Astray(Mine):
    """A task that nobody would run."""

    lane = "no such lane"


NOT_A_TASK = "text"
SETTINGS = load({}).by_name()
MINE = f"{__name__}:Mine"


def test_the_built_in_tasks_are_there() -> None:
    found = Registry(settings=SETTINGS)
    assert set(BUILT_IN) <= set(found.names())
    assert found.names() == sorted(found.names())
    assert isinstance(found.get("echo"), Echo)
    assert found.get("echo") is found.get("echo")


def test_a_task_of_ones_own_wins_over_a_built_in_one() -> None:
    found = Registry({"echo": MINE, "mine": MINE})
    assert isinstance(found.get("echo"), Mine)
    assert "mine" in found.names()


def test_an_installed_package_adds_tasks_and_a_setting_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Registry().names()
    package = tmp_path / "its-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: its\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[{registry.GROUP}]\nadded = {MINE}\necho = {MINE}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(Registry().names()) - set(before) == {"added"}
    assert isinstance(Registry().get("added"), Mine)
    assert isinstance(Registry().get("echo"), Mine)
    assert isinstance(Registry({"echo": "spoolfarm.tasks.echo:Echo"}, settings=SETTINGS).get("echo"), Echo)


def test_only_the_tasks_that_are_enabled_are_there() -> None:
    found = Registry({"mine": MINE}, ["mine", "echo"])
    assert found.names() == ["echo", "mine"]
    with pytest.raises(UnknownTask, match="no task is called 'ocr'; there are echo, mine"):
        found.get("ocr")
    with pytest.raises(SettingError, match=r"FARM_ENABLE names 'nothing'; there are .*echo"):
        Registry({}, ["nothing"])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module:Task", "cannot be imported"),
        (f"{__name__}:Missing", "cannot be imported"),
        (":Task", "cannot be imported"),
        (f"{__name__}:NOT_A_TASK", "is no subclass of"),
        ("json:JSONDecoder", "is no subclass of"),
    ],
)
def test_a_path_that_leads_to_no_task_is_refused_by_name(path: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason) as caught:
        Registry({"bad": path}).get("bad")
    assert "task 'bad'" in str(caught.value)
    assert path in str(caught.value)


def test_a_bad_path_harms_no_other_task() -> None:
    found = Registry({"bad": "no_such_module:Task"}, settings=SETTINGS)
    assert isinstance(found.get("echo"), Echo)


def test_a_task_gets_the_settings_it_needs_and_no_others() -> None:
    paths = {"needy": f"{__name__}:Needy", "mine": MINE}
    found = Registry(paths, (), load({"FARM_TIMEOUT": "7"}).by_name())
    assert found.get("needy").settings == {"FARM_TIMEOUT": 7.0}
    assert found.get("mine").settings == {}
    with pytest.raises(SettingError, match="task 'needy' needs the setting FARM_TIMEOUT, which there is not"):
        Registry(paths).get("needy")


def test_each_lane_has_its_tasks() -> None:
    found = Registry({"mine": MINE}, ["echo", "mine"], SETTINGS)
    assert found.lane("general") == ["echo"]
    assert found.lane("simulate") == ["mine"]
    assert found.lane("other") == []


def test_a_task_of_no_lane_is_refused() -> None:
    with pytest.raises(SettingError, match="'astray' wants the lane 'no such lane'; there are general, simulate"):
        Registry({"astray": f"{__name__}:Astray"}).get("astray")


def test_a_registry_imports_no_task_until_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "spoolfarm.tasks.echo")
    found = Registry(settings=SETTINGS)
    assert "echo" in found.names()
    assert "spoolfarm.tasks.echo" not in sys.modules
    found.get("echo")
    assert "spoolfarm.tasks.echo" in sys.modules


def test_every_built_in_task_describes_itself() -> None:
    found = Registry(settings=SETTINGS)
    for name in BUILT_IN:
        shown = found.get(name).describe()
        assert shown["description"]
        assert shown["params"]["type"] == "object"
        assert 0 <= shown["min_images"] <= shown["max_images"]
