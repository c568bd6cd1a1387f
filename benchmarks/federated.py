"""Federated training: what Flower costs beside a plain loop, `python -m benchmarks.federated --help`.

Every run is a process of its own, from its start to its exit: the digits, 6 clients of which 4 train, SmallCNN, one
torch thread. All compute the same: the same shares of the pictures, passes, steps, averages and validation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import (
    OUT,
    ROOT,
    Comparison,
    Figure,
    Target,
    arguments,
    cpu_seconds,
    machine,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
)

SCRIPT = str(ROOT / "flower_project" / "run_flower.py")
LOOP, INLINE = "plain loop", "spoolfarm inline"
RAY_TWO, RAY_ONE = "flower on ray, 2 actors x 1 core", "flower on ray, 1 actor x 2 cores"
#: By name: how the run is started, and its options beside those of all.
PEERS: dict[str, Sequence[str]] = {
    LOOP: (sys.executable, "-m", "benchmarks.peers.loop"),
    INLINE: (sys.executable, SCRIPT),
    RAY_TWO: (sys.executable, SCRIPT, "--engine", "ray", "--ray_cpus", "1"),
    RAY_ONE: (sys.executable, SCRIPT, "--engine", "ray", "--ray_cpus", "2"),
}
FIGURES = (
    Figure("wall_s", "wall s", 1),
    Figure("cpu_s", "CPU s", 1),
    Figure("round_s", "s/round after the first", 2),
    Figure("pss_mb", "PSS MB", 0),
    Figure("accuracy", "test accuracy", 3),
)
ROUNDS, ROUNDS_QUICK = 10, 3
#: Seconds between two looks at a run's processes.
LOOK = 0.1
VERSIONS = ("flwr", "ray", "torch", "numpy")


def measured(command: Sequence[str], folder: Path) -> dict[str, float]:
    """Run *command*, which prints the lines of a run, to its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    seen = {"cpu_s": 0.0, "pss_mb": 0.0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            seen["cpu_s"] = max(seen["cpu_s"], cpu_seconds(process.pid))
            seen["pss_mb"] = max(seen["pss_mb"], pss_mb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stdout
    try:
        out = process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its times can be read until it is reaped
        seen["cpu_s"] = max(seen["cpu_s"], cpu_seconds(process.pid))
    finally:
        over.set()
        watcher.join()
        process.terminate()
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.perf_counter() - begin
    times = [float(text) for text in re.findall(r"^round .* time (\S+) s$", out, re.MULTILINE)]
    accuracy = float(re.findall(r"^test accuracy (\S+)", out, re.MULTILINE)[0])
    return {**seen, "wall_s": wall, "round_s": median(times[1:]), "accuracy": accuracy}


def engines(repeats: int, rounds: int) -> tuple[dict[str, Any], list[Target]]:
    """The same training by a plain loop, by Flower in one process, and by Flower's simulation on Ray."""

    def trial(peer: str) -> dict[str, float]:
        with scratch(Path("/tmp")) as folder:  # Ray's sockets need a short path
            ours = ["--rounds", str(rounds)] + ([] if peer == LOOP else ["--out", str(folder / "runs")])
            return measured([*PEERS[peer], *ours], folder)

    comparison = Comparison(FIGURES, LOOP)
    comparison.run(list(PEERS), repeats, trial)
    comparison.show()
    comparison.plot(OUT / "federated.png", f"federated training, {rounds} rounds")
    cheapest = min(comparison.ratio(peer, "cpu_s", INLINE) for peer in (RAY_ONE, RAY_TWO))
    targets = [
        Target("CPU of the run in one process to a plain loop", comparison.ratio(INLINE, "cpu_s"), 1.15),
        Target("CPU of the cheaper simulation on Ray to the run in one process", cheapest, 1.5, at_most=False),
    ]
    if rounds == ROUNDS:
        targets.append(Target("test accuracy", min(comparison.values(INLINE, "accuracy")), 0.96, at_most=False))
        targets.append(Target("seconds from start to exit", max(comparison.values(INLINE, "wall_s")), 60))
    return comparison.record(), targets


#: What can be measured; each section takes the repeats and the rounds of a run.
SECTIONS: Mapping[str, Callable[[int, int], tuple[dict[str, Any], list[Target]]]] = {"engines": engines}


def main() -> int:
    chosen = arguments(__doc__ or "", list(SECTIONS), rounds=3).parse_args()
    stop_on_sigterm()
    done: dict[str, Any] = {"machine": machine(VERSIONS)}
    targets: list[Target] = []
    for name in chosen.sections:
        print(f"\n{name}", flush=True)
        repeats, rounds = (1, ROUNDS_QUICK) if chosen.quick else (chosen.rounds, ROUNDS)
        done[name], promised = SECTIONS[name](repeats, rounds)
        targets += promised
    return report("federated", done, targets)


if __name__ == "__main__":
    sys.exit(main())
