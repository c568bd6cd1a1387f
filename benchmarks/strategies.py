"""What each strategy reaches with honest and with poisoned clients: `python -m benchmarks.strategies --help`.

It prints the table of docs/federated.md. Ten clients with uneven shares of the digits (alpha 0.5; "even" is 100) all
train, ten rounds of two passes, with each strategy's own defaults. Every cell is a median over seeds; 0 stands for a
run that ended because no client could train the model any more.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
from statistics import median
from typing import Any

from benchmarks.measure import MEMORY, OUT, machine, print_table, scratch, stop_on_sigterm

os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
sys.path.insert(0, str(OUT.parents[1] / "flower_project"))

import client_app
from grid import InlineGrid
from record import Record
from server_app import Server
from settings import Settings
from strategies import STRATEGIES

COMMON: dict[str, Any] = {
    "clients": 10,
    "fraction_fit": 1.0,
    "local_epochs": 2,
    "batch_size": 32,
    "learning_rate": 0.02,
}
#: By the column's title: what is different in it.
CASES: dict[str, dict[str, Any]] = {
    "honest": {},
    "1 of 10 poisoned": {"poisoned": 1},
    "honest, even": {"alpha": 100},
    "poisoned, even": {"alpha": 100, "poisoned": 1},
}
#: Measured with honest clients alone.
PRIVATE: dict[str, dict[str, Any]] = {
    f"FedAvg, privacy {side}, noise {noise}": {"privacy": side, "noise_multiplier": noise, "clipping_norm": 1.0}
    for side, noise in (("server", 0.0), ("client", 0.0), ("server", 0.05), ("client", 0.05), ("server", 0.5))
}
ROWS: dict[str, dict[str, Any]] = {name: {"strategy": name} for name in STRATEGIES} | PRIVATE


def result(options: dict[str, Any]) -> dict[str, Any]:
    """The record of one run in this process."""
    with scratch(MEMORY) as folder, contextlib.redirect_stdout(io.StringIO()):
        settings = Settings.read({**COMMON, **options, "out": str(folder)})
        try:
            with Record(settings) as record:
                Server(InlineGrid(client_app.app, settings.clients), settings, record).run()
        except RuntimeError:
            return {"test_accuracy": 0.0, "failed": record.result["error"]}
    return record.result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each cell")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each run")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS), help="rows to measure")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES), help="columns to measure")
    chosen = parser.parse_args()
    stop_on_sigterm()
    logging.getLogger("flwr").setLevel(logging.ERROR)
    done: dict[str, dict[str, list[float]]] = {}
    for name in chosen.only:
        done[name] = {}
        for case in chosen.cases if name in STRATEGIES else ["honest"]:
            runs = [
                result({**ROWS[name], **CASES[case], "rounds": chosen.rounds, "seed": seed})
                for seed in range(1, chosen.seeds + 1)
            ]
            done[name][case] = [run["test_accuracy"] for run in runs]
            shown = " ".join(f"{value:.3f}" for value in done[name][case])
            print(f"{name}, {case}: {shown}", runs[0].get("failed") or runs[0].get("privacy", ""), flush=True)
    rows = [
        [name, *(f"{median(row[case]):.3f}" if case in row else "" for case in chosen.cases)]
        for name, row in done.items()
    ]
    print_table(["test accuracy", *chosen.cases], rows)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "strategies.json").write_text(json.dumps({"machine": machine(("flwr", "torch")), **done}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
