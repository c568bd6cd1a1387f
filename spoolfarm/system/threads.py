"""The thread budget of a worker: how many threads its libraries may keep busy."""

from __future__ import annotations

import ctypes
import os
import sys

#: The launcher hands each worker its budget in this variable, which OpenMP and OpenBLAS obey by themselves.
VARIABLE = "OMP_NUM_THREADS"


def budget() -> int:
    """How many threads this process may keep busy: 1 when nobody said."""
    try:
        return max(1, int(os.environ.get(VARIABLE, "1")))
    except ValueError:
        return 1  # OpenMP also takes "4,2,1"; a worker is never started so


def limit() -> None:
    """Hold the libraries that are loaded by now to the budget, whatever the variable was when they were."""
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(budget())
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(budget())  # a worker started by hand has no variable to read
    if (numpy := sys.modules.get("numpy._core._multiarray_umath")) and numpy.__file__:
        # the name in numpy's wheels for 64 bits; where it is another, OpenBLAS stays as it was when it was loaded
        set_threads = getattr(ctypes.CDLL(numpy.__file__), "scipy_openblas_set_num_threads64_", None)
        if set_threads is not None:
            set_threads(budget())
