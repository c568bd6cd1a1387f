"""What a worker costs, forked beside by exec: `python -m benchmarks.workers --help`.

Memory of a whole farm, seconds until it is ready, and from the SIGKILL of a worker to its replacement.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks.measure import (
    MEMORY,
    OUT,
    Comparison,
    Figure,
    Target,
    arguments,
    machine,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers.farm import launch
from benchmarks.segment import picture, weights
from spoolfarm import Farm

#: How workers come into being.
FORKED, EXEC = "spoolfarm, workers forked", "spoolfarm, workers by exec"
#: How many there are, and in a quick run.
COUNTS, COUNTS_QUICK = (1, 2, 4), (1, 2)
#: Seconds until a farm is ready.
PATIENCE = 300.0
FIGURES = (Figure("pss_mb", "PSS MB", 0), Figure("ready_s", "ready s", 1), Figure("replaced_s", "replaced s", 2))
VERSIONS = ("torch", "torchvision")


def compared(settings: Mapping[str, str], counts: Sequence[int], rounds: int) -> dict[int, Comparison]:
    """Farms of so many workers with these *settings*."""
    done = {}
    for count in counts:

        def trial(name: str, count: int = count) -> dict[str, float]:
            os.environ |= {**settings, "FARM_FORK": "1" if name == FORKED else "0"}
            return staffed(count)

        print(f"\nworkers: {count}")
        done[count] = Comparison(FIGURES, EXEC)
        done[count].run([FORKED, EXEC], rounds, trial)
        done[count].show()
    return done


def staffed(count: int) -> dict[str, float]:
    """Start a farm with *count* general workers, have each do something, and kill one."""
    with ExitStack() as stack:
        home = stack.enter_context(scratch(MEMORY))
        begin = time.perf_counter()
        service, _ = launch(home, count)
        stack.callback(service.stop)
        farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
        stack.callback(farm.close)

        def crew() -> set[int]:
            return {worker["pid"] for worker in farm.workers() if "segment" in worker["tasks"]}

        service.wait_until(lambda: len(crew()) == count, PATIENCE)
        ready = time.perf_counter() - begin
        enabled = ("segment", "ocr") if farm.tasks.names() != ["segment"] else ("segment",)
        for task in enabled:
            list(farm.map(task, [picture(200, seed) for seed in range(4 * count)]))
        held = pss_mb(service.pid)
        before, begin = crew(), time.perf_counter()
        os.kill(min(before), signal.SIGKILL)
        service.wait_until(lambda: len(crew() - {min(before)}) == count, PATIENCE)
        return {"pss_mb": held, "ready_s": ready, "replaced_s": time.perf_counter() - begin}


def promised(name: str, done: Mapping[int, Comparison]) -> list[Target]:
    """What forks are to spare: memory of the workers after the first, and the wait for one that died."""
    few, many = done[min(done)], done[max(done)]
    forked, alone = (median(many.values(way, "pss_mb")) - median(few.values(way, "pss_mb")) for way in (FORKED, EXEC))
    replaced = median(many.values(FORKED, "replaced_s"))
    return [
        Target(f"memory of more workers, forked to exec, {name}", forked / alone, 0.5),
        Target(f"s until a forked worker is replaced, {name}", replaced, 1.0),
    ]


def main() -> int:
    chosen = arguments(__doc__ or "", ("r50", "all"), rounds=3).parse_args()
    stop_on_sigterm()
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    counts, rounds = (COUNTS_QUICK, 1) if chosen.quick else (COUNTS, chosen.rounds)
    done: dict[str, Any] = {"machine": machine(VERSIONS)}
    targets: list[Target] = []
    with weights() as path:
        sections = {
            "r50": {"FARM_ENABLE": "segment", "FARM_SEGMENT_MODEL": str(path)},
            "all": {"FARM_ENABLE": "", "FARM_SEGMENT_MODEL": ""},
        }
        for name in chosen.sections:
            print(f"\n{name}", flush=True)
            comparisons = compared(sections[name], counts, rounds)
            done[name] = {str(count): each.record() for count, each in comparisons.items()}
            targets += promised(name, comparisons)
    return report("workers", done, targets)


if __name__ == "__main__":
    sys.exit(main())
