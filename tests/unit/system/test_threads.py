"""The thread budget: every library that is loaded keeps to it, and nothing starts a thread before it is set."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: Loads libraries, sets the budget to each of the numbers, and tells every time how many threads each pool may have.
LOOK = """
import json, os, sys
import cv2, numpy, torch
from spoolfarm.system import threads
before = len(os.listdir("/proc/self/task"))
from threadpoolctl import threadpool_info
for budget in sys.argv[1:]:
    os.environ["OMP_NUM_THREADS"] = budget
    threads.limit()
    pools = {pool["filepath"].rpartition("/")[2].partition("-")[0]: pool["num_threads"] for pool in threadpool_info()}
    print(json.dumps({"before": before, "pools": pools, "cv2": cv2.getNumThreads(), "torch": torch.get_num_threads()}))
"""


@pytest.mark.parametrize(("at_start", "budgets"), [("1", (3,)), ("4", (1,)), (None, (1, 2))])
def test_every_pool_of_every_library_keeps_to_the_budget(at_start: str | None, budgets: tuple[int, ...]) -> None:
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if at_start:
        own |= {"OMP_NUM_THREADS": at_start, "OPENBLAS_NUM_THREADS": at_start}
    command = [sys.executable, "-c", LOOK, *map(str, budgets)]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    for budget, line in zip(budgets, done.stdout.splitlines(), strict=True):
        told = json.loads(line)
        assert len(told["pools"]) >= 3, "OpenBLAS of numpy and of OpenCV, and the OpenMP of torch"
        assert {*told["pools"].values(), told["cv2"], told["torch"]} == {budget}
        if at_start == "1":
            assert told["before"] == 1, "what the zygote loads must start no thread"
