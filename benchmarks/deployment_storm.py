"""A storm over federated training on several machines: `python -m benchmarks.deployment_storm --help`.

A farm, a SuperLink and two SuperNodes, each on a host of its own, which are network namespaces: so this needs root.
Simulations train the digits with `engine=deployment`. In the first a SuperNode is killed and comes back, in the second
the SuperLink is, and in the third a SuperNode of another version takes part. Each has to reach an accuracy of .96.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.hosts import Hosts
from benchmarks.measure import ROOT, Service, scratch, stop_on_sigterm
from spoolfarm import Farm

#: The farm's host, the SuperLink's, those of the SuperNodes, and of one that is of another version.
FARM, LINK, NODES, OTHER = "farm", "link", ("a", "b"), "c"
#: Where the SuperLink listens.
PORT = 9095
#: Seconds for anything to start, and for one round.
START, ROUND = 240.0, 400.0
#: What may happen, by the names of the command line.
FAULTS = ("node", "superlink", "version")
#: What all simulations have to reach.
ACCURACY = 0.96


class Storm:
    """One farm and its clients' machines."""

    def __init__(self, home: Path, hosts: Hosts, options: argparse.Namespace) -> None:
        self._home, self._hosts, self._rounds = home, hosts, options.rounds
        self._faults, self._away, self._other = options.faults, options.away, options.other
        self._farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
        self._address = f"{hosts.addresses[LINK]}:{PORT}"
        self._services: dict[str, Service] = {}
        self._began = time.monotonic()

    def run(self) -> list[str]:
        """Raise it; what went wrong, a line each."""
        self._start_all()
        acts = {
            "node": self._with_a_node_killed,
            "superlink": self._with_the_superlink_killed,
            "version": self._with_a_node_of_another_version,
        }
        return [fault for name in self._faults for fault in acts[name]()]

    def _start_all(self) -> None:
        keys = ["keys", self._hosts.addresses[LINK], *NODES, OTHER]
        self._flower("keys", FARM, *keys).process.wait(START)
        self._start_superlink()
        self._flower("superexec", FARM, "superexec", self._address)
        if self._flower("register", FARM, "register", self._address, *NODES, OTHER).process.wait(START):
            raise RuntimeError((self._home / "register.log").read_text())
        for node in NODES:
            self._start_node(node)
        settings = {f"FARM_{name.upper()}_DIR": str(self._home / name) for name in ("spool", "results", "data", "run")}
        settings |= {"FARM_ENABLE": "echo,simulate", "FARM_WORKERS": "1", "FARM_MIN_FREE_MB": "0"}
        settings |= {"FLOWER_SUPERLINK": self._address, "FLOWER_SUPERLINK_CA": str(self._home / "keys/ca.crt")}
        project = self._home / "flower_project"
        shutil.copytree(ROOT / "flower_project", project, ignore=shutil.ignore_patterns("*_20*", "__pycache__"))
        settings["FLOWER_PROJECT_DIR"] = str(project)
        self._service("farm", FARM, [sys.executable, "launcher.py"], settings)
        self._until(lambda: len(self._farm.workers()) == 2, "the workers", START)
        self._say("all are up")

    def _with_a_node_killed(self) -> list[str]:
        job = self._simulate()
        self._until(lambda: self._lines(job, "round 1/"), "the first round", ROUND)
        self._say(f"node b is killed: {self._hosts.kill('b')} processes")
        self._until(lambda: self._lines(job, "round 2/"), "the second round", ROUND)
        self._start_node("b")
        self._say("node b is back")
        return self._end(job, "a node killed and back")

    def _with_the_superlink_killed(self) -> list[str]:
        job = self._simulate()
        self._until(lambda: self._lines(job, "round 1/"), "the first round", ROUND)
        self._say(f"the SuperLink is killed: {self._hosts.kill(LINK)} processes")
        time.sleep(self._away)
        self._start_superlink()
        self._say("the SuperLink is back")
        return self._end(job, "the SuperLink killed and back")

    def _with_a_node_of_another_version(self) -> list[str]:
        self._start_node(OTHER, {"PYTHONPATH": self._other})
        self._say("a node of another version is up")
        job = self._simulate(min_clients=3)
        return self._end(job, "a node of another version")

    def _simulate(self, min_clients: int = 1) -> str:
        params = {"engine": "deployment", "rounds": self._rounds, "fraction_fit": 1.0, "learning_rate": 0.05}
        return self._farm.submit("simulate", **params, min_clients=min_clients, timeout=120).id

    def _end(self, job: str, what: str) -> list[str]:
        """Wait for the end of *job*, show its log, and return what is wrong with it."""
        record: dict[str, Any] = self._until(
            lambda: self._farm.results.get(job), "the end", ROUND * self._rounds, shown=lambda: self._show(job)
        )
        self._show(job)
        if record["status"] != "succeeded":
            return [f"{what}: {record['status']}: {record.get('error')}"]
        folder = self._home / "flower_project/global_models" / record["result"]["folder"]
        accuracy = json.loads((folder / "result.json").read_text())["test_accuracy"]
        self._say(f"{what}: test accuracy {accuracy:.4f}")
        return [] if accuracy >= ACCURACY else [f"{what}: an accuracy of {accuracy} only"]

    def _show(self, job: str) -> None:
        print("\n".join(f"          {line}" for line in self._lines(job, "")), flush=True)

    def _lines(self, job: str, start: str) -> list[str]:
        told = (line["log"] for line in self._farm.log(job) if "log" in line)
        return [line for line in told if line.startswith(start)]

    def _start_superlink(self) -> None:
        link = self._flower("superlink", LINK, "superlink", f"0.0.0.0:{PORT}")
        began = link.log.stat().st_size
        self._until(lambda: "startup complete" in link.log.read_text()[began:], "the SuperLink", START)

    def _start_node(self, node: str, more: Mapping[str, str] | None = None) -> None:
        config = f"partition-id={(*NODES, OTHER).index(node)} num-partitions=3"
        service = self._flower(node, node, "supernode", self._address, node, config, more=more)
        began = service.log.stat().st_size
        self._until(lambda: "SuperNode ID" in service.log.read_text()[began:], f"node {node}", START)

    def _flower(self, name: str, host: str, *arguments: str, more: Mapping[str, str] | None = None) -> Service:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        given = {"FLOWER_KEYS": str(self._home / "keys"), "FLWR_HOME": str(self._home / f"home-{name}"), "PATH": path}
        return self._service(name, host, [str(ROOT / "deploy/flower.sh"), *arguments], given | dict(more or {}))

    def _service(self, name: str, host: str, command: list[str], env: Mapping[str, str]) -> Service:
        self._services[name] = Service([*self._hosts.inside(host), *command], env=env, log=self._home / f"{name}.log")
        return self._services[name]

    def _until(
        self, condition: Callable[[], Any], what: str, seconds: float, shown: Callable[[], None] = lambda: None
    ) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                shown()
                logs = [
                    f"{path.name}:\n{path.read_text(errors='replace')[-3000:]}" for path in self._home.glob("*.log")
                ]
                raise RuntimeError("\n".join([f"waited {seconds:g} s for {what}", *logs]))
            time.sleep(0.1)
        return value

    def _say(self, line: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {line}", flush=True)


def main() -> int:
    """Raise a storm and tell how it ended."""
    parser = argparse.ArgumentParser(prog="benchmarks.deployment_storm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--away", type=float, default=10.0, help="seconds that the SuperLink is away")
    parser.add_argument(
        "--other", default="", metavar="FOLDER", help="another flwr: pip install --no-deps --target FOLDER flwr==1.40.0"
    )
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS[:2])
    options = parser.parse_args()
    if "version" in options.faults and not options.other:
        parser.error("the fault version takes --other")
    stop_on_sigterm()
    if os.geteuid() != 0:
        parser.error("needs root, to make network namespaces")
    hosts = Hosts((FARM, LINK, *NODES, OTHER))
    with ExitStack() as stack:
        home = stack.enter_context(scratch(Path("/tmp")))
        stack.callback(hosts.remove)
        hosts.make()
        faults = Storm(home, hosts, options).run()
    if left := hosts.processes():
        faults.append(f"processes {left} are left")
    print("\n".join(f"FAIL  {fault}" for fault in faults) or "pass  all simulations learned the digits")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
