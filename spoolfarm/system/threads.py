"""The thread budget of a worker: how many threads its libraries may keep busy."""

from __future__ import annotations

import os
import sys

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

#: The launcher hands each worker its budget in this variable, which OpenMP and OpenBLAS obey by themselves.
VARIABLE = "OMP_NUM_THREADS"


def budget() -> int:
    """How many threads this process may keep busy: 1 by default."""
    try:
        return max(1, int(os.environ.get(VARIABLE, "1")))
    except ValueError:
        return 1  # OpenMP also takes "4,2,1"; a worker is never started like that


def limit() -> None:
    """Hold the libraries that are loaded by now to the budget, whatever the variable was when they were loaded."""
    threadpool_limits(budget())  # every OpenBLAS, numpy's and OpenCV's own, and OpenMP
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(budget())  # it has its own thread pool
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(budget())  # else its first use sets OpenMP to its own number
