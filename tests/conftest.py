"""What every test gets: a farm of its own on real directories, and a check that nothing is left running."""

from __future__ import annotations

import functools
import gc
import os
import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from spoolfarm.system import process
from tests.support import packages

#: The directories whose tests run farms.
FARMS = ("farm", "http", "browser")
#: What stands in a file of theirs that looks at the clock, or asks the farms that all files share.
ALONE = re.compile(r"\b(monotonic|perf_counter|elapsed)\b|\b(live|idle|netted|either): RunningFarm\b")

#: The directories whose single tests take longest; begun last, they would leave the other processes without work.
LONG = ("unit/training",)

#: The commands that were run while the tests were collected.
EARLY = pytest.StashKey[list[Any]]()


class Scheduling(LoadScopeScheduling):
    """Which tests are run by one process, in their order; of these groups, the one with most tests is begun first.

    One group are all tests of farms that look at the clock or share their farms with other files: they would disturb
    each other. Other files of tests of farms are a group each, and every other test is one.

    xdist's own mark for that, xdist_group, changes the items' node ids, which pytest 9.2 makes anew.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.split("/")[1] not in FARMS:
            return nodeid
        return "alone" if runs_alone(self.config.rootpath / path) else path


@functools.cache
def runs_alone(path: Path) -> bool:
    """Whether the tests of a file want no other farm beside theirs."""
    return ALONE.search(path.read_text(encoding="utf-8")) is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--strict-packages", action="store_true", help="fail tests whose packages are missing")


def pytest_configure(config: pytest.Config) -> None:
    """Take interrupts, also where a shell started the tests in its background: their processes would ignore them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["PATH"] += f":{packages.SYSTEM}"
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # each of a thousand processes would look for them
    process.end_at_once()
    config.addinivalue_line("markers", "needs(*names): programs that the test calls, or 'root'")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Note which commands run before the first test: one that is not there would stop them all."""
    early = session.config.stash[EARLY] = []
    begin = subprocess.Popen.__init__

    def noted(self: subprocess.Popen[Any], command: Any, *more: Any, **named: Any) -> None:
        early.append(command)
        begin(self, command, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", noted)
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(f"tests/{name}/" for name in LONG)))


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of every search for garbage: it takes a third of a second."""
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Try no test of which it is known that it needs what is not there."""
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    if absent := [name for name in names if not packages.found(name)]:
        raise packages.Missing(*absent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that does not find a program or a font is skipped, and says which package brings it."""
    report = yield
    names = packages.needed(call.excinfo.value) if call.excinfo else ()
    if names and (packages.ROOT in names or not item.config.getoption("--strict-packages")):
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {packages.Missing(*names)}")
        report.user_properties += [("needs", name) for name in names]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line of what was skipped for want of which package."""
    skipped = terminalreporter.stats.get("skipped", [])
    names = [name for report in skipped for key, name in report.user_properties if key == "needs"]
    if names:
        wanted = Counter(packages.PACKAGES.get(name, name) for name in names)
        told = ", ".join(f"{name} ({count})" for name, count in sorted(wanted.items()))
        absent = packages.missing()
        cure = f"; apt install {' '.join(absent)}" if absent else ""
        terminalreporter.write_line(f"skipped for want of {told}{cure}")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The default settings, with the data in a directory of the test's own."""
    return load(
        {
            "FARM_SPOOL_DIR": str(tmp_path / "spool"),
            "FARM_RESULTS_DIR": str(tmp_path / "results"),
            "FARM_DATA_DIR": str(tmp_path / "data"),
            "FARM_RUN_DIR": str(tmp_path / "run"),
            "FARM_MIN_FREE_MB": "0",
        }
    )


@pytest.fixture
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm without workers."""
    made = Farm(settings=settings)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    for thread in left:
        thread.join(timeout=5)
    assert not [thread for thread in left if thread.is_alive()], f"the test left threads behind: {left}"
