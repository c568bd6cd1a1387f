"""From `mv` into the hot folder to the answer, beside the task's own time: `python -m benchmarks.hotfolder --help`."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from benchmarks.measure import (
    MEMORY,
    OUT,
    Service,
    Target,
    arguments,
    cpu_seconds,
    free_port,
    machine,
    percentile,
    print_table,
    report,
    scratch,
    stop_on_sigterm,
)
from spoolfarm import config
from spoolfarm.farm.farm import Farm

#: Tasks that are measured, and how many files are dropped for each.
TASKS = {"echo": 200, "ocr": 200}
#: File systems that the farm lies on.
PLACES = {"tmpfs": MEMORY, "disk": OUT}
#: Milliseconds that a drop may take beyond the task's own time.
LIMIT = 50.0
#: Seconds one answer may take, and between two looks for it.
ANSWER, LOOK = 60.0, 0.0002
#: Files that are dropped at once, to see how many are answered in a second.
BURST = 2000


def small_page() -> bytes:
    """A page of 640 x 480 pixels with three lines."""
    picture = Image.new("RGB", (640, 480), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(32)
    for number, line in enumerate(("Dropped into a folder,", "read a moment later,", "line 3 of 3.")):
        draw.text((40, 60 + 60 * number), line, fill="black", font=font)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@contextmanager
def farm_on(place: Path) -> Iterator[tuple[Farm, Service]]:
    """A running farm of two workers with its data below *place*."""
    with scratch(place) as path:
        settings = {
            "FARM_BIND": f"127.0.0.1:{free_port()}",
            "FARM_SPOOL_DIR": str(path / "spool"),
            "FARM_RESULTS_DIR": str(path / "results"),
            "FARM_RUN_DIR": str(path / "run"),
            "FARM_DATA_DIR": str(path / "data"),
            "FARM_ENABLE": ",".join(TASKS),
            "FARM_WORKERS": "2",
            "FARM_MIN_FREE_MB": "0",
        }
        farm = Farm(settings=config.load(settings))
        service = Service([sys.executable, "launcher.py"], env=settings, log=path / "log")
        try:
            service.wait_until(lambda: len(farm.workers()) == 2 and "under way" in (path / "log").read_text())
            yield farm, service
        finally:
            service.stop()
            farm.close()


def drop(farm: Farm, task: str, number: int, data: bytes) -> tuple[float, float]:
    """Move one file in; the milliseconds until its answer is there, and of those the task's own."""
    ready = Path(farm.spool.root) / f"{task}-{number}.png"
    ready.write_bytes(data)
    answer = Path(farm.results.root) / f"inbox/{task}/{number}.png.json"
    begin = time.perf_counter()
    os.rename(ready, f"{farm.spool.root}/inbox/{task}/{number}.png")
    while not answer.exists():
        if time.perf_counter() - begin > ANSWER:
            raise RuntimeError(f"no answer to {task}/{number}.png")
        time.sleep(LOOK)
    total = time.perf_counter() - begin
    record = json.loads(answer.read_bytes())
    if record["status"] != "succeeded":
        raise RuntimeError(f"{task}/{number}.png: {record['error']}")
    return total * 1000, (record["finished"] - record["started"]) * 1000


def burst(farm: Farm, service: Service, data: bytes, number: int) -> dict[str, float]:
    """Drop many files at once; files answered a second, and the whole farm's CPU milliseconds for one."""
    folder = Path(farm.results.root) / "inbox/echo/burst"
    source = Path(farm.spool.root) / "burst"
    source.mkdir()
    for at in range(number):
        (source / f"{at}.png").write_bytes(data)
    begin, before = time.perf_counter(), cpu_seconds(service.pid)
    os.rename(source, f"{farm.spool.root}/inbox/echo/burst")
    _wait(lambda: _count(folder, ".json") == number)
    answered = time.perf_counter() - begin
    _wait(lambda: _count(folder, ".png") == number)
    spent = cpu_seconds(service.pid) - before
    return {"files_s": number / answered, "cpu_ms": spent / number * 1000, "gone_s": time.perf_counter() - begin}


def _count(folder: Path, ending: str) -> int:
    return sum(entry.name.endswith(ending) for entry in os.scandir(folder)) if folder.is_dir() else 0


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + ANSWER
    while not condition():
        if time.perf_counter() > deadline:
            raise RuntimeError("the files are not answered")
        time.sleep(0.02)


def measure(place: Path, share: float) -> dict[str, Any]:
    """The figures of every task on one file system."""
    data, found = small_page(), {}
    with farm_on(place) as (farm, service):
        for task, number in TASKS.items():
            drop(farm, task, 0, data)  # the first one warms up
            times = [drop(farm, task, at, data) for at in range(1, max(20, int(number * share)) + 1)]
            beyond = [total - own for total, own in times]
            found[task] = {
                "files": len(times),
                "own_p50": percentile([own for _, own in times], 50),
                "p50": percentile(beyond, 50),
                "p95": percentile(beyond, 95),
                "max": max(beyond),
            }
        found["burst"] = burst(farm, service, data, int(BURST * share))
    return found


def main() -> int:
    options = arguments(__doc__ or "", list(PLACES), 1).parse_args()
    stop_on_sigterm()
    found = {name: measure(PLACES[name], 0.1 if options.quick else 1.0) for name in options.sections}
    header = ["milliseconds beyond the task's own", "files", "own p50", "p50", "p95", "max"]
    rows = [
        [
            f"{task}, {name}",
            str(each[task]["files"]),
            *(f"{each[task][key]:.1f}" for key in ("own_p50", "p50", "p95", "max")),
        ]
        for name, each in found.items()
        for task in TASKS
    ]
    print_table(header, rows)
    header = ["many at once", "answered/s", "CPU ms/file", "all moved after s"]
    print_table(
        header,
        [
            [
                name,
                *(f"{each['burst'][key]:.{digits}f}" for key, digits in (("files_s", 0), ("cpu_ms", 2), ("gone_s", 1))),
            ]
            for name, each in found.items()
        ],
    )
    targets = [
        Target(f"mv to answer beyond the task's own, {task} on {name}, p95 in ms", each[task]["p95"], LIMIT)
        for name, each in found.items()
        for task in TASKS
    ]
    return report("hotfolder", {"machine": machine([]), "figures": found}, targets)


if __name__ == "__main__":
    sys.exit(main())
