"""The farm at work, live on a terminal: what waits, what each worker does, how fast, and what went wrong."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spoolfarm.cli.overview import overview, resting
from spoolfarm.farm.farm import Farm
from spoolfarm.units import count, duration

#: Seconds between refreshes, and the least pause as a multiple of a refresh's duration: counting a deep queue takes
#: time.
REFRESH, SHARE = 1.0, 20
#: Lines beside those of tasks and workers: first and last, the titles of the tables, three blanks, the cursor's.
REST = 8
#: Lines for tasks, at most.
TASKS = 8
#: The columns of the tables, and how wide the others than the task's are.
OF_TASKS = {"task": 0, "queued": 9, "running": 9, "/s in 10 s": 11, "/s in 1 min": 12, "failed/min": 11}
OF_WORKERS = {"worker": 8, "task": 0, "job": 24, "for": 8, "done": 8, "failed": 8}
ON_NODES = {"worker": 8, "task": 0, "job": 24, "for": 8, "done": 7, "node": 15}


def watch(farm: Farm, *, once: bool = False) -> None:
    """Show *farm* until q or Ctrl-C; with *once*, and where there is no terminal for it, only as it is now."""
    console = Console(highlight=False)
    live_terminal = _is_live(console)
    if once or not live_terminal:
        console.print(picture(overview(farm), console.height if live_terminal else sys.maxsize))
        return
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # leaving the terminal as it was
    try:
        with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                begin = time.monotonic()
                live.update(picture(overview(farm), console.height), refresh=True)
                if pressed("q", max(REFRESH, SHARE * (time.monotonic() - begin))):
                    return
    except KeyboardInterrupt:
        return


def _is_live(console: Console) -> bool:
    """Whether keys come from a terminal, and what is shown goes to one that can clear its screen."""
    both = sys.stdin.isatty() and sys.stdout.isatty()  # not as rich sees it, which FORCE_COLOR misleads
    return both and not console.is_dumb_terminal


def picture(seen: Mapping[str, Any], height: int) -> RenderableType:
    """An overview in at most *height* lines."""
    tasks = _tasks(seen)
    room = max(1, height - REST - min(len(tasks), TASKS))
    disk = seen["disk"]
    free = f"{disk['free_bytes'] / 2**30:.1f} of {disk['total_bytes'] / 2**30:.1f} GiB free"
    dead = Text(f"{count(seen['dead'], 'dead letter')}", style="red" if seen["dead"] else "")
    paused = seen["paused"]
    return Group(
        _line(Text(f"spoolfarm {disk['path']}", style="bold"), Text(time.strftime("%H:%M:%S"))),
        Text(f"paused: {resting(paused)}" if paused else "", style="yellow", no_wrap=True, overflow="ellipsis"),
        _table(OF_TASKS, tasks, TASKS, "nothing to do"),
        Text(),
        _table(ON_NODES if _on_nodes(seen) else OF_WORKERS, _workers(seen, room), room, "no worker is ready"),
        Text(),
        _line(dead, Text(free)),
    )


def _tasks(seen: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row for each task with jobs that wait, run, or ended in the last minute."""
    running: dict[str, int] = {}
    for job in seen["running"]:
        running[job["task"]] = running.get(job["task"], 0) + 1
    rates = {task: rate for task, rate in seen["rates"].items() if rate["minute"]}
    rows = []
    for task in sorted({*seen["queued"], *running, *rates}):
        rate = rates.get(task, {"ten": 0.0, "minute": 0.0, "failed": 0})
        figures = (seen["queued"].get(task, 0), running.get(task, 0))
        rows.append((task, *map(str, figures), _short(rate["ten"]), _short(rate["minute"]), str(rate["failed"])))
    return rows


def _workers(seen: Mapping[str, Any], room: int) -> list[tuple[str, ...]]:
    """A row for each worker by its process id, with what it has done in its life.

    They keep their places, unless there are too many: then the longest jobs are at the top.
    """
    jobs: dict[str, dict[str, Any]] = {}
    for job in seen["running"]:
        jobs.setdefault(job["worker"], job)  # the first of several
    workers = sorted(seen["workers"], key=lambda each: int(each["pid"]))
    if len(workers) > room:
        workers.sort(key=lambda each: -jobs.get(each["worker"], {"seconds": -1})["seconds"])
    rows, on_nodes = [], _on_nodes(seen)
    for worker in workers:
        job = jobs.get(worker["worker"])
        doing = (job["task"], job["id"], duration(job["seconds"])) if job else ("idle", "", "")
        done = worker.get("done", {}).values()
        last = worker.get("node", "") if on_nodes else sum(task["failed"] for task in done)
        rows.append((str(worker["pid"]), *doing, str(sum(task["ended"] for task in done)), str(last)))
    return rows


def _on_nodes(seen: Mapping[str, Any]) -> bool:
    """Whether the jobs of workers run on nodes of a cluster."""
    return any("node" in worker for worker in seen["workers"])


def _table(columns: Mapping[str, int], rows: Sequence[Sequence[str]], room: int, nothing: str) -> RenderableType:
    """Rows in columns as wide as the terminal; in *room* lines, the last of which says how many more there are."""
    if not rows:
        return Group(Text(nothing, style="dim"))
    table = Table(box=None, expand=True, pad_edge=False, header_style="bold dim")
    for title, width in columns.items():
        size: dict[str, Any] = {"width": width} if width else {"ratio": 1}
        table.add_column(title, justify="left" if title in ("task", "job") else "right", no_wrap=True, **size)
    shown = rows if len(rows) <= room else rows[: room - 1]
    for row in shown:
        table.add_row(*map(Text, row))
    if len(shown) == len(rows):
        return table
    return Group(table, Text(f"and {len(rows) - len(shown)} more", style="dim"))


def _line(left: Text, right: Text) -> Table:
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(left, right)
    return line


def _short(rate: float) -> str:
    return f"{rate:.{2 if rate < 10 else 0}f}"


@contextmanager
def _keys() -> Iterator[Callable[[str, float], bool]]:
    """Read single keys; yields a function that waits for one of some keys, or the end, and says if it came."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)

    def pressed(keys: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            if select.select([sys.stdin], [], [], rest)[0]:
                typed = os.read(sys.stdin.fileno(), 1024)  # not by sys.stdin: select does not see what it buffers
                if not typed or any(key.encode() in typed for key in keys):
                    return True
        return False

    try:
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
