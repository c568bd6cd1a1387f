"""The page of jobs over many records: when its first rows are there, and what ten open pages cost a front at rest.

python -m benchmarks.jobs_page --records 100000 --dead 10000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from spoolfarm.farm.farm import Farm
from spoolfarm.spool import checksum
from spoolfarm.spool.deadletters import REASON
from spoolfarm.spool.job import Job, Result, State
from tests.support.running_farm import RunningFarm, until

#: Seconds from a request to the first rows that the page may take, and of a core that ten pages may cost at rest.
TARGET, SHARE = 1.0, 0.01
#: How the page is opened.
QUERIES = ("", "?status=failed", "?task=segment", "?name=scan-77", "?status=failed&error=number 7123", "?name=nothing")
#: What says that the first rows, or that there are none, is shown.
SHOWN = "#jobs tbody tr, #empty:not([hidden])"
ROWS = "#jobs tbody tr"


def main() -> int:
    """Fill a farm, open the page, print the figures; 0 when every target was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs_page", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="ended jobs (%(default)s)")
    parser.add_argument("--dead", type=int, default=10_000, help="how many of them are dead letters (%(default)s)")
    parser.add_argument("--scrolls", type=int, default=20, help="pages that are scrolled through (%(default)s)")
    parser.add_argument("--rest", type=float, default=20.0, help="seconds at rest (%(default)s)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as path:
        farm = RunningFarm(Path(path), FARM_WORKERS=0, FARM_SIMULATIONS=0, FARM_ENABLE="echo,segment")
        fill(farm.farm, asked.records, asked.dead)
        farm.start(ready=False)
        try:
            until(lambda: farm.get("/health")[0] == 200, 60, "the front")
            return measure(farm, asked.scrolls, asked.rest)
        finally:
            farm.stop()


def fill(farm: Farm, records: int, dead: int) -> None:
    """Write ended jobs of the last days, every so many of them a dead letter, as those who end jobs do."""
    every, now = max(1, records // dead) if dead else records + 1, time.time_ns()
    for number in range(records):
        born = now - number * 10**9
        task, failed, at = ("echo", "segment")[number % 50 == 0], number % every == 0, born / 1e9
        job = Job(task, id=f"{born:016x}{number:08x}", created=at, durable=True)
        about: dict[str, Any] = {"result": number, "source": "http", "name": f"scan-{number}.png"}
        if failed:
            about |= {"error": f"ValueError: number {number}", "code": "task_error"}
        state = State.FAILED if failed else State.SUCCEEDED
        result = Result(job.id, task, state, 1, at, at, at + 1, **about)
        Path(farm.results.root, f"{job.id}.json").write_bytes(checksum.seal(result.to_bytes()))
        farm.results.index.add(result.record())
        if failed:
            letter = Path(farm.spool.dead.path(job.id))
            letter.mkdir()
            (letter / f"{job.id}.a3").write_bytes(b"".join(job.to_buffers()))
            (letter / REASON).write_bytes(checksum.seal(json.dumps({**result.record(), "log": []}).encode()))


def measure(farm: RunningFarm, scrolls: int, rest: float) -> int:
    """Print each figure beside its target; 0 when all were met."""
    good = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        for number, query in enumerate(["", *QUERIES]):
            begin = time.monotonic()
            page.goto(f"{farm.url}/jobs{query}")
            page.locator(SHOWN).first.wait_for()
            seconds = time.monotonic() - begin
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0") / 1000
            good &= paint <= TARGET
            print(f"{'cold ' if not number else ''}/jobs{query}: paint {paint:.2f} s, rows {seconds:.2f} s")
        failed.clear()  # a page that is left for the next one lets go of its thumbnails
        rows, seconds = scroll(page, farm, scrolls)
        dropped = [url for url in failed if "/changes" not in url]
        print(f"scrolled to {rows} rows in {seconds:.2f} s, {len(dropped)} requests dropped")
        pages = [browser.new_context().new_page() for _ in range(10)]
        page.close()
        for each in pages:
            each.goto(f"{farm.url}/jobs")
            each.locator(SHOWN).first.wait_for()
        share = cost(farm, rest)
        good &= share <= SHARE and not dropped
        print(f"ten pages at rest: {share:.2%} of a core of the front")
        browser.close()
    return 0 if good else 1


def scroll(page: Page, farm: RunningFarm, times: int) -> tuple[int, float]:
    """Scroll through the list to its end, again and again; how many rows there are then, and how long it took."""
    page.goto(f"{farm.url}/jobs")
    page.locator(SHOWN).first.wait_for()
    begin, rows = time.monotonic(), page.locator(ROWS)
    for _ in range(times):
        there = rows.count()
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        rows.nth(there).wait_for(state="attached")
    return rows.count(), time.monotonic() - begin


def cost(farm: RunningFarm, seconds: float) -> float:
    """The part of a core that the front takes for so many *seconds*."""
    time.sleep(3)  # what the pages asked for at first is answered
    begin = sum(map(ticks, farm.front()))
    time.sleep(seconds)
    return (sum(map(ticks, farm.front())) - begin) / os.sysconf("SC_CLK_TCK") / seconds


def ticks(pid: int) -> int:
    """What a process has run so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    sys.exit(main())
