"""The account of the soak: what must hold once everything has ended, and what a farm at rest holds."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.measure import tree
from benchmarks.soak_faces import Site
from benchmarks.soak_ledger import Promise
from benchmarks.soak_tasks import RUNS
from spoolfarm.errors import UnknownJob

#: What lies in the spool of a farm that has nothing to do; all else is left behind.
SKELETON = re.compile(
    r"(launcher|hotfolder)\.(lock|json)|history|workers/(suspects|cancel|retry)\.lock|workers/swept|idle/[^/]+"
    r"|workers/[^/]+\.(lock|json|bell|token)(/.*)?|[^/]*\.md|README.*|inbox/failed\.txt|index/[0-9a-f]+|done/.*"
    r"|counts/(lock|totals\.json|[^/]+\.(cells|lines))"
)
#: What a worker opens with its first job, and the front writes when it has counted something: no leak, whenever it is.
FIRST = re.compile(r"/counts/[^/]+\.cells$|/history$")
#: The faces whose askers take their results away. If the worker of one is killed after that, and before it has removed
#: the job, the job runs again and its second result stays until it expires.
SYNCHRONOUS = ("run-", "tyocr-", "map-")
#: Seconds until the hot folder has moved the last file away, and older than anything that crashed writers left.
SETTLED, OLD = 30.0, 3 * 86400.0


def judge(site: Site) -> int:
    """Look for what must never be, remove all that has ended, and look for what is left; how often a job began."""
    settle(site)
    ledger, farm = site.ledger, site.farm
    runs_file = site.path / "data" / RUNS
    runs = runs_file.read_text().splitlines()
    runs_file.unlink()
    begun = ledger.check_runs(runs, farm.settings.max_attempts)
    names = {line.split()[0]: line.split()[2] for line in runs}
    again = {line.split()[0] for line in runs if line.split()[1] != "1"}
    promised: dict[str, Promise] = {promise.job_id: promise for promise in ledger.promises.values() if promise.job_id}
    for job_id, promise in promised.items():
        try:
            ledger.see(promise, farm.record(job_id))
        except UnknownJob:
            ledger.violate("lost", f"{promise.item.name}, job {job_id}, is unknown at the end")
        except (KeyError, TypeError):
            ledger.violate("lost", f"{promise.item.name}, job {job_id}, has not ended at the end")
    for job_id in {*farm.ended_jobs(), *farm.dead_letters()}:
        name = names.get(job_id, "")
        if job_id in promised or _may_lie_there(site, name):
            continue
        if job_id in again and name.startswith(SYNCHRONOUS):
            ledger.counts["again", "ended"] += 1
        else:
            ledger.violate("left", f"job {job_id} of {name or 'nobody'}, which nobody was promised")
    for job_id in list(farm.dead_letters()):
        if farm.record(job_id)["status"] != "failed":
            ledger.violate("wrong", f"job {job_id} has a dead letter and has not failed")
        farm.remove_dead_letter(job_id)
    for job_id in list(farm.ended_jobs()):
        farm.remove_result(job_id)
    _judge_inbox(site)
    for path in _left(site):
        ledger.violate("left", path)
    for promise in promised.values():
        ledger.promises.pop(promise.item.name)  # accounted for
    return begun


def _may_lie_there(site: Site, name: str) -> bool:
    """Whether the job of an item may have ended although its asker knows of none, because it or the front was killed.

    A job that never began has no name here.
    """
    face = name.partition("-")[0]
    return name in site.ledger.unanswered | site.ledger.died or face == "batch" or not name


def _judge_inbox(site: Site) -> None:
    """Each dropped file lies beside its one answer, as it was."""
    inbox, out = Path(site.farm.inbox) / "soak", Path(site.farm.results.root) / "inbox" / "soak"
    dropped = {name: each.item for name, each in site.ledger.promises.items() if each.item.face == "inbox"}
    for path in sorted(out.glob("*")) if out.is_dir() else []:
        name = path.name.removesuffix(".json").removesuffix(".txt")
        if name not in dropped:
            site.ledger.violate("doubled", f"{path.name} in the answers of the hot folder")
        elif path.name == name and path.read_bytes() != dropped[name].data:
            site.ledger.violate("wrong", f"{name} is not what was dropped")
        path.unlink()
    for path in inbox.glob("*"):
        site.ledger.violate("left", f"{path.name} in the inbox, after its answer")
    for name in dropped:
        site.ledger.promises.pop(name)


def settle(site: Site) -> None:
    """Wait until the hot folder has moved all away; then let all be old that crashed writers left, and sweep it."""
    inbox, taken = f"{site.farm.inbox}/soak", f"{site.farm.root}/taken"
    end = time.monotonic() + SETTLED
    while (os.listdir(inbox) or os.listdir(taken)) and time.monotonic() < end:
        time.sleep(0.1)
    then = time.time() - OLD
    spool = site.farm.spool
    for folder in (spool.tmp, spool.keys, spool.marks, spool.parts, f"{site.farm.results.root}/tmp"):
        for path, _ in _entries(Path(folder)):
            os.utime(path, (then, then))
    for path in Path(spool.root).glob("*.tmp"):
        os.utime(path, (then, then))
    site.farm.sweep()


def _left(site: Site) -> Iterator[str]:
    """What lies in spool and results and belongs to no job any more."""
    for root in (Path(site.farm.root), Path(site.farm.results.root)):
        for path, is_directory in _entries(root):
            inner = str(path.relative_to(root))
            if not is_directory and not SKELETON.fullmatch(inner):
                yield f"{root.name}/{inner}"


def _entries(root: Path) -> Iterator[tuple[Path, bool]]:
    """All that lies below *root*, and whether it is a directory; what goes meanwhile is left out."""
    for folder, directories, names in os.walk(root):
        yield from ((Path(folder) / name, True) for name in directories)
        yield from ((Path(folder) / name, False) for name in names)


def files_of(site: Site) -> int:
    """How many files lie in spool and results, less the index of the results and done jobs, which expire with them."""
    roots = Path(site.farm.root), Path(site.farm.results.root)
    others = {roots[0] / "done", roots[1] / "index"}
    found = [path for root in roots for path, is_directory in _entries(root) if not is_directory]
    return sum(path.parent not in others and not FIRST.search(str(path)) for path in found)


def descriptors(root: int) -> int:
    """How many descriptors *root* and all below it have open."""
    return sum(not FIRST.search(path) for pid in tree(root) for path in _opened(pid))


def _opened(pid: int) -> Iterator[str]:
    """What the descriptors of a process lead to; what it closes meanwhile is left out."""
    with suppress(FileNotFoundError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                yield os.readlink(f"/proc/{pid}/fd/{name}")
