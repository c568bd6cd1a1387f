"""The doctor: examines the machine, the settings and the farm; whatever is not well comes with what to do about it."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from spoolfarm import config
from spoolfarm.cli import machine
from spoolfarm.cli.cluster import cluster
from spoolfarm.cli.finding import Finding, Level
from spoolfarm.config import Settings
from spoolfarm.errors import SettingError
from spoolfarm.farm import subjobs
from spoolfarm.hotfolder import journal
from spoolfarm.hotfolder.dropped import printable
from spoolfarm.hotfolder.inbox import Inbox
from spoolfarm.spool import checksum, files, lease
from spoolfarm.spool.damage import checked
from spoolfarm.spool.disabled import DisabledTasks
from spoolfarm.spool.paused import ALL, PausedTasks
from spoolfarm.spool.spool import ABANDONED
from spoolfarm.tasks import extras
from spoolfarm.tasks.flower.project import Project
from spoolfarm.tasks.registry import Registry
from spoolfarm.units import duration

#: What starts the farm.
START = "./start.sh" if config.CHECKOUT else "spoolfarm run"
#: How many strays are named.
NAMED = 3
#: Seconds after which a file in the hot folder should have been taken.
OVERDUE = 60.0
#: Seconds for which files are examined for damage.
MOMENT = 5.0

_BUCKET = re.compile(r"\d[0-9a-f]{8}")
_JOB_FILE = re.compile(r"[0-9a-f]{24}\.a\d{1,3}")


def examine() -> Iterator[Finding]:
    """Do every check, those that need no settings first."""
    yield machine.python(sys.version_info[:3])
    chosen = extras.chosen()
    wanted = chosen if chosen is not None else [extra for extra in extras.LIBRARIES if extras.installed(extra)]
    yield from machine.packages(machine.pins(config.ROOT / "constraints.txt"), machine.installed, wanted)
    yield installed(chosen)
    known = [row["name"] for row in config.rows()]
    try:
        yield from names({**config.env_file(), **os.environ}, known)
        settings = config.load()
        Registry(settings.tasks, settings.enable, settings.by_name())
    except SettingError as error:
        yield Finding(Level.FAIL, "settings", str(error), "correct it in the environment or in .env")
        return
    for check in CHECKS:
        try:
            yield from check(settings)
        except OSError as error:
            yield Finding(Level.FAIL, check.__name__, str(error), "see who owns it and what its permissions are")


def installed(chosen: Sequence[str] | None) -> Finding:
    """Which extras are there, and which were *chosen* when the environment was made."""
    there = {extra: extras.installed(extra) for extra in extras.LIBRARIES}
    good, absent = (", ".join(extra for extra in there if there[extra] is wanted) for wanted in (True, False))
    what = ", ".join(filter(None, (f"{good} installed" if good else "", f"{absent} not" if absent else "")))
    noted = "" if chosen is None else f" (./start.sh --extras {','.join(chosen) or 'none'})"
    return Finding(Level.OK, "extras", what + noted)


def names(given: Iterable[str], known: Sequence[str]) -> Iterator[Finding]:
    """FARM_ names that are no setting: typing errors, most likely."""
    unknown = sorted(name for name in given if name.startswith("FARM_") and name not in known)
    for name in unknown:
        near = difflib.get_close_matches(name, known, 1)
        advice = f"did you mean {near[0]}?" if near else "launcher.py --help lists the settings"
        yield Finding(Level.WARN, "settings", f"{name} is no setting and does nothing", advice)
    if not unknown:
        yield Finding(Level.OK, "settings", "every FARM_ name is a setting")


def exposure(settings: Settings) -> Iterator[Finding]:
    """Whether other machines may use the farm without a key."""
    open_to = [str(address) for address in settings.bind if not address.loopback]
    if open_to and not settings.api_key:
        what = f"FARM_BIND={','.join(open_to)} is open to other machines without a key"
        yield Finding(Level.WARN, "exposure", what, "set FARM_API_KEY, or bind 127.0.0.1")
    else:
        yield Finding(Level.OK, "exposure", "wants a key" if settings.api_key else "only this machine can connect")


def tasks(settings: Settings) -> Iterator[Finding]:
    """Whether every task's class can be had, and was set up by the workers."""
    registry = Registry(settings.tasks, settings.enable, settings.by_name())
    for reason in registry.broken().values():
        yield Finding(Level.FAIL, "tasks", reason, "correct it or FARM_TASKS, or install its package, and reload")
    disabled = DisabledTasks(settings.spool_dir).all()
    for task, reason in disabled.items():
        what = f"task {task!r} is disabled, for its setup failed: {reason}"
        yield Finding(Level.FAIL, "tasks", what, "see the farm's log; when it is mended, reload")
    good = [name for name in registry.usable() if name not in disabled]
    if good:
        yield Finding(Level.OK, "tasks", ", ".join(good))


def models(settings: Settings) -> Iterator[Finding]:
    """Whether the networks that read text are there, unless nothing here reads."""
    if "ocr" in Registry(settings.tasks, (), settings.by_name()).absent():
        return
    from spoolfarm.tasks.ocr import models as ocr

    for name in (ocr.DETECTOR, ocr.RECOGNISER):
        try:
            yield Finding(Level.OK, "models", ocr.path(name).name)
        except FileNotFoundError as error:
            yield Finding(Level.FAIL, "models", str(error), "pip install --force-reinstall rapidocr, as it is pinned")


def project(settings: Settings) -> Iterator[Finding]:
    """Whether the Flower project is as the settings say, unless it is not used."""
    registry = Registry(settings.tasks, settings.enable, settings.by_name())
    faults = registry.faults()
    for fault in faults:
        yield Finding(Level.WARN, "project", fault, "correct the setting, or leave the tasks out by FARM_ENABLE")
    if faults or not set(registry.names()) & {"classify", "simulate"}:
        return
    found = Project(settings.by_name())
    if found.to_be_made:
        yield Finding(Level.OK, "project", f"{found.root} will be made at its first use")
    else:
        yield Finding(Level.OK, "project", f"{found.root} with {len(found.models())} models")


def paused(settings: Settings) -> Iterator[Finding]:
    """Whether jobs wait because somebody has paused them, and may have forgotten it."""
    pauses = PausedTasks(settings.spool_dir)
    for name in pauses.names():
        what = "the whole queue" if name == ALL else f"task {name}"
        age = duration(max(0.0, time.time() - pauses.since(name)))
        advice = f"resume it with spoolfarm resume{'' if name == ALL else f' {name}'}, unless it is meant"
        yield Finding(Level.WARN, "paused", f"{what} has been paused for {age}", advice)
    if not pauses.names():
        yield Finding(Level.OK, "paused", "no task is paused")


def strays(settings: Settings) -> Iterator[Finding]:
    """Folders of tasks nobody knows, and files that are no jobs: they would lie there for ever."""
    registry = Registry(settings.tasks, settings.enable, settings.by_name())
    known = set(registry.names())
    good = True
    advice = "name the task in FARM_TASKS or FARM_ENABLE, install it, or move it away"
    root = f"{settings.spool_dir}/queue"
    for task in sorted(set(files.names(root)) - known):
        number = sum(len(found) for _, _, found in os.walk(f"{root}/{task}"))
        if number or not os.path.isdir(f"{root}/{task}"):
            good = False
            yield Finding(Level.WARN, "strays", f"{root}/{task} ({number} files): no such task", advice)
    dropped = Inbox(f"{settings.spool_dir}/inbox")
    for name, number in dropped.strangers(registry.for_one()):
        good = False
        what = f"{dropped.root}/{printable(name)} ({number} files) is no folder of a task that takes files"
        yield Finding(Level.WARN, "strays", what, advice)
    for path in islice(_no_jobs(f"{settings.spool_dir}/queue", known), NAMED):
        good = False
        yield Finding(Level.WARN, "strays", f"{path} is no job", "nobody will touch it; move it away")
    if good:
        yield Finding(Level.OK, "strays", "nothing lies in the queue that is no job")


def inbox(settings: Settings) -> Iterator[Finding]:
    """Whether files in the hot folder wait for longer than they should."""
    here = Inbox(f"{settings.spool_dir}/inbox")
    latest = time.time() - OVERDUE
    waiting = [
        path
        for task in Registry(settings.tasks, settings.enable, settings.by_name()).for_one()
        for path in here.walk(task)
    ]
    old = [path for path in waiting if _changed(f"{here.root}/{path}") < latest]
    if old:
        what = f"{len(old)} of {len(waiting)} files wait for more than a minute, the first is {printable(old[0])}"
        advice = "start the farm; if it runs and has no work left, look for who holds them open, and in the log"
        yield Finding(Level.WARN, "inbox", what, advice)
    else:
        yield Finding(Level.OK, "inbox", "no file has waited for long")


def leftovers(settings: Settings) -> Iterator[Finding]:
    """What dead processes left and nobody has taken up yet."""
    workers = f"{settings.spool_dir}/workers"
    active = f"{settings.spool_dir}/active"
    dead = [wid for wid in files.names(active) if not lease.alive(workers, wid)]
    jobs = sum(len(files.names(f"{active}/{wid}")) for wid in dead)
    if jobs:
        what = f"{jobs} jobs of {len(dead)} dead workers wait to be taken back"
        yield Finding(Level.WARN, "leftovers", what, "start the farm, which does it at once")
    old = 0
    for path in (settings.spool_dir, settings.results_dir):
        found = (f"{path}/tmp/{name}" for name in files.names(f"{path}/tmp"))
        old += sum(time.time() - files.modified(each) > ABANDONED for each in found)
    if old:
        what = f"{old} files in tmp/ are more than an hour old"
        yield Finding(Level.WARN, "leftovers", what, "start the farm, which removes them within a minute")
    if not jobs and not old:
        yield Finding(Level.OK, "leftovers", "no process left anything behind")


def damage(settings: Settings) -> Iterator[Finding]:
    """Whether the files of the farm are as they were written, as far as that can be seen in a moment."""
    bad: list[str] = []
    good = 0
    end = time.monotonic() + MOMENT
    for path, problem in _checked(settings):
        if problem:
            bad.append(f"{path}: {problem}")
        else:
            good += 1
        if time.monotonic() > end:
            break
    advice = "each costs its own job at most, to be sent again; look for what the system says of the disk"
    for what in bad[:NAMED]:
        yield Finding(Level.WARN, "damage", what, advice)
    if len(bad) > NAMED:
        yield Finding(Level.WARN, "damage", f"{len(bad) - NAMED} more files are damaged", advice)
    if not bad:
        yield Finding(Level.OK, "damage", f"{good} files are as they were written")


def _checked(settings: Settings) -> Iterator[tuple[str, str]]:
    """Files of the farm, each with what is wrong with it."""
    spool = settings.spool_dir
    yield f"{settings.data_dir}/image_process.db", _broken_db(f"{settings.data_dir}/image_process.db")
    for name in files.names(f"{spool}/taken"):
        if name.endswith(".json"):
            yield f"{spool}/taken/{name}", journal.damage(f"{spool}/taken/{name}")
    for name in files.names(f"{spool}/parts"):
        yield f"{spool}/parts/{name}", subjobs.damage(f"{spool}/parts/{name}")
    yield from checked(spool, settings.results_dir)


def _broken_db(path: str) -> str:
    """What is wrong with the records of uploads; nothing when they are well, or there are none."""
    if not os.path.exists(path):
        return ""
    try:
        with contextlib.closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as db:
            [said] = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else str(said)


def launcher(settings: Settings) -> Iterator[Finding]:
    """Whether a launcher keeps this spool's workers alive."""
    root = settings.spool_dir
    try:
        about = checksum.opened(files.read(f"{root}/launcher.json"))
    except (FileNotFoundError, checksum.Altered):
        yield Finding(Level.WARN, "launcher", f"none runs on {root}", f"start the farm with {START}")
        return
    who = f"{about.get('pid')} on {about.get('bind')} since {about.get('since')}"
    if lease.alive(root, "launcher"):
        yield Finding(Level.OK, "launcher", who)
    else:
        yield Finding(Level.WARN, "launcher", f"{who} was killed", f"start the farm again with {START}")


def workers(settings: Settings) -> Iterator[Finding]:
    """Whether there are workers for every job that waits."""
    ready = lease.ready(f"{settings.spool_dir}/workers")
    takes = {task for worker in ready for task in worker["tasks"]}
    queue = f"{settings.spool_dir}/queue"
    buckets = {task: files.names(f"{queue}/{task}") for task in sorted(set(files.names(queue)) - takes)}
    starved = [task for task in buckets if any(files.names(f"{queue}/{task}/{each}") for each in buckets[task])]
    if starved:
        what = f"jobs of {', '.join(starved)} wait, and no ready worker takes them"
        yield Finding(Level.WARN, "workers", what, "start the farm, or raise FARM_WORKERS above 0")
    elif not ready:
        yield Finding(Level.WARN, "workers", "none is ready", "start the farm; models may need some seconds to load")
    else:
        yield Finding(Level.OK, "workers", f"{len(ready)} ready for {', '.join(sorted(takes))}")


def _changed(path: str) -> float:
    """When somebody last touched *path*, in seconds since the epoch; now, when it is gone."""
    try:
        return os.lstat(path).st_ctime
    except FileNotFoundError:
        return time.time()


def _no_jobs(queue: str, known: Iterable[str]) -> Iterator[str]:
    """What lies in the queues of *known* tasks and is neither a bucket nor a job."""
    for task in known:
        for bucket in files.names(f"{queue}/{task}"):
            if not _BUCKET.fullmatch(bucket):
                yield f"{queue}/{task}/{bucket}"
                continue
            inside = files.names(f"{queue}/{task}/{bucket}")
            yield from (f"{queue}/{task}/{bucket}/{name}" for name in inside if not _JOB_FILE.fullmatch(name))


#: Every check that needs the settings, in the order in which they are shown.
CHECKS: Sequence[Callable[[Settings], Iterator[Finding]]] = (
    exposure,
    machine.directories,
    machine.one_file_system,
    machine.publishing,
    machine.disk,
    machine.inotify,
    machine.descriptors,
    tasks,
    models,
    project,
    paused,
    strays,
    inbox,
    leftovers,
    damage,
    launcher,
    workers,
    cluster,
)
