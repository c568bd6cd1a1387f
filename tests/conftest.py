"""What every test gets: a farm of its own on real directories, and a check that nothing is left running."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm

#: The directories whose tests run farms and look at the clock: one after the other, in one process.
ALONE = ("http", "farm")


class Scheduling(LoadScopeScheduling):
    """Tests that share a farm, or look at the clock, are run by one of the processes, in their order.

    xdist's own mark for that, xdist_group, changes the items' node ids, which pytest 9.2 makes anew.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, kind = nodeid.split("::")[0], nodeid.split("/")[1]
        if kind in ALONE:
            return "farms"
        return path if kind == "browser" else nodeid


def pytest_configure() -> None:
    """Take interrupts, also where a shell started the tests in its background: their processes would ignore them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
