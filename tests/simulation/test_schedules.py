"""Two thousand schedules in which nothing that was promised is broken, and what a failure would say."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation import options
from tests.simulation.__main__ import main
from tests.simulation.kernel import Kernel
from tests.simulation.planted import RACES
from tests.simulation.schedule import play
from tests.support.running_farm import ROOT

#: The seeds of the suite, in parts that different processes may take.
PARTS = [range(first, first + 500) for first in range(0, 2000, 500)]
#: A seed with kills, errors and several clients.
BUSY = 11


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel()


@pytest.mark.parametrize("seeds", PARTS, ids=str)
def test_no_schedule_breaks_a_law(seeds: range, kernel: Kernel) -> None:
    calls = kills = errors = 0
    with kernel.installed():
        for seed in seeds:
            outcome = play(kernel, options.drawn(seed))
            calls, kills, errors = calls + outcome.steps, kills + outcome.kills, errors + outcome.errors
            assert outcome.violation is None, f"{outcome.violation}\npython -m tests.simulation {outcome.options}"
    assert calls > 100 * len(seeds)
    assert kills > len(seeds) / 2
    assert errors > len(seeds) / 4


def test_a_schedule_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(BUSY), "--last", "1000000"]
    traces = [
        subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True, timeout=60
        ).stdout
        for seed in ("1", "2")
    ]
    assert traces[0].count(b"\n") > 100
    assert traces[0] == traces[1]


def test_a_failure_says_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    with RACES["a claim is not counted"].planted():
        assert main(["--seeds", "0:50", "--most", "1"]) == 1
        said = capsys.readouterr().out.splitlines()
        command = said[1].split()
        assert command[:3] == ["python", "-m", "tests.simulation"]
        assert main(command[3:]) == 1
    trace = capsys.readouterr().out.splitlines()
    assert said[0] == trace[-1]
    assert any("VIOLATION" in line for line in trace)
