"""The races that the simulation is there to find, each planted on purpose: the suite's schedules find them."""

from __future__ import annotations

import pytest

from tests.simulation import options
from tests.simulation.kernel import Kernel
from tests.simulation.planted import RACES
from tests.simulation.schedule import play

#: How many schedules the suite plays.
SCHEDULES = 2000


@pytest.mark.parametrize("name", RACES)
def test_a_planted_race_is_found(name: str) -> None:
    kernel = Kernel()
    with kernel.installed(), RACES[name].planted():
        for seed in range(SCHEDULES):
            violation = play(kernel, options.drawn(seed)).violation
            if violation and not violation.startswith("Traceback"):
                return
    pytest.fail(f"no law was broken in {SCHEDULES} schedules")
