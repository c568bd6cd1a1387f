"""What every benchmark here measures with: processes, CPU time, memory, rounds, ratios, tables and plots."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

#: The repository, where every process of a benchmark starts, so that `-m benchmarks.peers.NAME` is found.
ROOT = Path(__file__).resolve().parent.parent
#: Where tables, figures and the files of a run on disk go; git ignores it.
OUT = ROOT / "benchmarks" / "out"
#: A file system in memory.
MEMORY = Path("/dev/shm")

#: Seconds a process gets to become ready: the slowest peer starts seven processes on a busy machine.
START = 60.0
#: Seconds a process gets to stop before it is killed, and those that it left behind.
STOP, ORPHANS = 10.0, 3.0
#: Seconds between two looks while waiting for a process.
LOOK = 0.02

_TICKS = os.sysconf("SC_CLK_TCK")
#: Where in /proc/<pid>/stat, after the name, the parent, the four CPU times and the start time stand (proc(5)).
_PARENT, _TIMES, _STARTED = 1, slice(11, 15), 19


# Processes.


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def tree(root: int) -> list[int]:
    """*root* and all its living descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(name))
    found, at = [root], 0
    while at < len(found):
        found += children.get(found[at], ())
        at += 1
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of *root*'s tree so far, the children it has buried included. Good to 10 ms a process."""
    ticks = sum(int(ticks) for pid in tree(root) for ticks in _stat(pid)[_TIMES])
    return ticks / _TICKS


def pss_mb(root: int) -> float:
    """Memory of *root*'s tree in MB; a page that n processes share counts 1/n for each."""
    total = 0
    for pid in tree(root):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return total / 1024


def _started(pid: int) -> str:
    """When *pid* began, in ticks since the machine did; empty when it is gone or a zombie."""
    fields = _stat(pid)
    return fields[_STARTED] if fields and fields[0] != "Z" else ""


def _living(members: Mapping[int, str]) -> list[int]:
    """Those of *members* that are still the process they were, and not another with the same number."""
    return [pid for pid, started in members.items() if started and _started(pid) == started]


class Service:
    """A process that a benchmark starts, and everything below it."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path) -> None:
        self.command = list(command)
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the benchmark, which then stops its services in order
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = START) -> None:
        """Return as soon as *ready* says so. Raises RuntimeError with the log's end when the process cannot."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                end = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{' '.join(self.command)} did not become ready:\n{end}")
            time.sleep(LOOK)

    def stop(self) -> None:
        """Ask the process to end, then what is left of its tree, and at last kill; each by its own number."""
        members = {pid: _started(pid) for pid in tree(self.pid)}
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in _living(members):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            # Python's resource tracker ends by itself after the others, and takes their semaphores with it
            deadline = time.monotonic() + ORPHANS
            while _living(members) and time.monotonic() < deadline:
                time.sleep(LOOK)


def stop_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that services are stopped and temporary directories removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(address: tuple[str, int], path: str) -> bool:
    """Whether `GET path` is answered with 200."""
    connection = HTTPConnection(*address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A directory under *parent* for the length of one trial."""
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="spoolfarm-benchmark-", dir=parent) as path:
        yield Path(path)


# Figures.


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest of *values* that at least *percent* of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True)
class Figure:
    """One measured quantity: its key in the records, and how it is shown."""

    key: str
    title: str
    digits: int


@dataclass(frozen=True)
class Target:
    """A promise about one number."""

    text: str
    value: float
    limit: float
    at_most: bool = True

    @property
    def passed(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        sign = "<=" if self.at_most else ">="
        return f"{'pass' if self.passed else 'FAIL'}  {self.text}: {self.value:.2f} (wanted {sign} {self.limit:g})"


@dataclass
class Comparison:
    """Rounds in which every peer was measured once, one soon after the other."""

    figures: Sequence[Figure]
    #: The peer the others are divided by.
    base: str
    rounds: list[dict[str, dict[str, float]]] = field(default_factory=list)

    def run(self, peers: Sequence[str], rounds: int, trial: Callable[[str], dict[str, float]]) -> None:
        """Measure all *peers* in every round, each round beginning with another one."""
        for number in range(rounds):
            turn = number * len(peers) // rounds
            done: dict[str, dict[str, float]] = {}
            for peer in (*peers[turn:], *peers[:turn]):
                done[peer] = trial(peer)
                shown = (f"{each.title} {done[peer][each.key]:.{each.digits}f}" for each in self.figures)
                print(f"round {number + 1}/{rounds}  {peer}:", *shown, sep="  ", flush=True)
            self.rounds.append({peer: done[peer] for peer in peers})

    @property
    def peers(self) -> list[str]:
        return list(self.rounds[0])

    def values(self, peer: str, key: str) -> list[float]:
        return [each[peer][key] for each in self.rounds]

    def ratio(self, peer: str, key: str, base: str = "") -> float:
        """The median over rounds of *peer*'s figure divided by *base*'s of the same round."""
        return median(self._ratios(peer, key, base or self.base))

    def _ratios(self, peer: str, key: str, base: str) -> list[float]:
        pairs = zip(self.values(peer, key), self.values(base, key), strict=True)
        return [ours / theirs if theirs else math.inf for ours, theirs in pairs]

    def _shown(self, peer: str, key: str) -> str:
        ratios = self._ratios(peer, key, self.base)
        return f"{median(ratios):.2f} [{min(ratios):.2f} {max(ratios):.2f}]"

    def show(self) -> None:
        """Print medians, and ratios to the base."""
        titles = [figure.title for figure in self.figures]
        rows = [
            [peer, *(f"{median(self.values(peer, figure.key)):.{figure.digits}f}" for figure in self.figures)]
            for peer in self.peers
        ]
        print_table(["median of rounds", *titles], rows)
        ratios = [[peer, *(self._shown(peer, figure.key) for figure in self.figures)] for peer in self.peers]
        print_table([f"ratio to {self.base} [lowest highest]", *titles], ratios)

    def record(self) -> dict[str, Any]:
        """Everything measured, for the JSON file."""
        return {
            "base": self.base,
            "rounds": self.rounds,
            "medians": {
                peer: {figure.key: median(self.values(peer, figure.key)) for figure in self.figures}
                for peer in self.peers
            },
            "ratios": {
                peer: {figure.key: self.ratio(peer, figure.key) for figure in self.figures} for peer in self.peers
            },
        }

    def plot(self, path: Path, title: str) -> None:
        """Draw one panel a figure: bars are medians, whiskers reach from the lowest to the highest round."""
        import matplotlib

        path.parent.mkdir(parents=True, exist_ok=True)
        matplotlib.use("Agg")
        from matplotlib import pyplot

        chart, panels = pyplot.subplots(
            1, len(self.figures), figsize=(3.2 * len(self.figures), 1.2 + 0.4 * len(self.peers)), squeeze=False
        )
        for number, (panel, figure) in enumerate(zip(panels[0], self.figures, strict=True)):
            series = [self.values(peer, figure.key) for peer in self.peers]
            middle = [median(values) for values in series]
            below = [center - min(values) for center, values in zip(middle, series, strict=True)]
            above = [max(values) - center for center, values in zip(middle, series, strict=True)]
            colours = ["tab:orange" if peer.startswith("spoolfarm") else "tab:gray" for peer in self.peers]
            panel.barh(self.peers, middle, xerr=[below, above], color=colours, ecolor="black", capsize=2)
            panel.set_title(figure.title, fontsize=10)
            panel.invert_yaxis()
            if number:
                panel.set_yticks([])
        chart.suptitle(title)
        chart.tight_layout()
        chart.savefig(path, dpi=120)
        pyplot.close(chart)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* with the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print()
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]))


# Reports.


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """What a reader must know of the machine and the peers to judge a figure."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def report(name: str, sections: Mapping[str, Any], targets: Sequence[Target]) -> int:
    """Print the targets, write OUT/<name>.json, and return the exit status: 0 when every target passed."""
    print()
    for target in targets:
        print(target.line())
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    verdicts = [{**asdict(target), "passed": target.passed} for target in targets]
    path.write_text(json.dumps({**sections, "targets": verdicts}, indent=1, default=str) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}")
    return 0 if all(target.passed for target in targets) else 1


def arguments(purpose: str, sections: Sequence[str], rounds: int) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run: shows that it works, not how fast it is")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each peer is measured")
    parser.add_argument("--sections", nargs="+", choices=sections, default=list(sections), help="what to measure")
    return parser
