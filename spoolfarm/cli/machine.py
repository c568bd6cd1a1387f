"""The machine: checks of the interpreter, the packages, the disks and the limits of the system."""

from __future__ import annotations

import importlib.metadata
import os
import re
import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from spoolfarm.cli.finding import Finding, Level
from spoolfarm.config import CHECKOUT, Settings
from spoolfarm.farm.admission import MIN_INODES
from spoolfarm.spool import files
from spoolfarm.spool.watch import Watch
from spoolfarm.tasks.lanes import LANES

#: The oldest Python the farm runs on.
PYTHON = (3, 11)
#: Network file systems, on which locks, renames and inotify are unreliable.
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "gpfs",
    "beegfs",
    "virtiofs",
    "vboxsf",
    "davfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.ceph-fuse",
    "fuse.rclone",
    "fuse.s3fs",
}
#: File systems that a power cut empties.
MEMORY = {"tmpfs", "ramfs"}
#: A disk with less than this many times the room below which jobs are refused gets a warning.
SPARE = 4
#: Descriptors that one request of the front may hold, and what the front holds beside them.
DESCRIPTORS_EACH, DESCRIPTORS_BASE = 2, 64
#: inotify instances and watches that each of the farm's processes needs, with some left for other programs.
INOTIFY_EACH = 4
#: Seconds within which an event must come.
EVENT = 1.0


def python(version: tuple[int, ...]) -> Finding:
    """Whether the interpreter is new enough."""
    text = ".".join(map(str, version))
    if version < PYTHON:
        return Finding(Level.FAIL, "python", f"{text} is too old", f"use {'.'.join(map(str, PYTHON))} or newer")
    return Finding(Level.OK, "python", text)


def packages(
    pins: Mapping[str, str], installed: Callable[[str], str | None], extras: Sequence[str] = ()
) -> Iterator[Finding]:
    """Whether what the farm and its *extras* need is installed, in the versions of *pins*."""
    repair = (
        "run ./start.sh --setup-only" if CHECKOUT else f"pip install 'spoolfarm[{','.join(extras)}]'".replace("[]", "")
    )
    try:
        wanted = importlib.metadata.requires("spoolfarm") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(Level.FAIL, "packages", "spoolfarm itself is not installed", repair)
        return
    asked = [each for each in map(Requirement, wanted) if _applies(each, "", *extras)]
    needed = list(dict.fromkeys(_normal(each.name) for each in asked))
    good = 0
    for name in needed:
        version, pin = installed(name), pins.get(name)
        if version is None:
            yield Finding(Level.FAIL, "packages", f"{name} is not installed", repair)
        elif pin is not None and version.partition("+")[0] != pin.partition("+")[0]:
            advice = f"{repair}, or delete .venv first"
            yield Finding(Level.WARN, "packages", f"{name} is {version}, but {pin} is pinned", advice)
        else:
            good += 1
    if good == len(needed):
        how = "installed as pinned" if pins else "installed; there is no constraints.txt to compare the versions with"
        yield Finding(Level.OK, "packages", f"{good} {how}")


def directories(settings: Settings, mounts: str = "/proc/self/mountinfo") -> Iterator[Finding]:
    """Whether the data can be written, and whether it is on a disk that can be relied on."""
    for name, path in data(settings):
        if not os.path.lexists(path):
            home = _existing(path)
            writable = os.path.isdir(home) and os.access(home, os.W_OK)
            advice = "the farm makes it at its first start" if writable else f"make it, or let the farm write to {home}"
            yield Finding(Level.WARN if writable else Level.FAIL, name, f"{path} does not exist", advice)
            continue
        try:
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            advice = f"give it to the farm's user, or set FARM_{name.upper()}_DIR to another directory"
            yield Finding(Level.FAIL, name, f"{path} cannot be written ({error.strerror})", advice)
            continue
        yield _medium(name, path, file_system(path, _told(mounts)))


def one_file_system(settings: Settings) -> Iterator[Finding]:
    """Whether a job can be renamed from any of the spool's directories into any other."""
    root = settings.spool_dir
    if not os.path.isdir(root):
        return
    device = os.stat(root).st_dev
    found = [entry for entry in os.scandir(root) if entry.is_dir() and entry.name != "inbox"]  # files are copied there
    elsewhere = [entry.name for entry in found if entry.stat().st_dev != device]
    if elsewhere:
        what = f"{', '.join(sorted(elsewhere))} in {root} lies on another file system, so jobs cannot be moved there"
        yield Finding(Level.FAIL, "spool", what, "keep the whole spool on one; results may be elsewhere")


def publishing(settings: Settings) -> Iterator[Finding]:
    """Whether a result can appear once and be replaced never."""
    for name, path in data(settings)[:2]:
        if os.path.isdir(path) and os.access(path, os.W_OK) and not files.can_publish(path):
            advice = f"set FARM_{name.upper()}_DIR to a directory on another file system"
            yield Finding(Level.FAIL, name, f"{path}: {files.CANNOT_PUBLISH}", advice)


def disk(settings: Settings) -> Iterator[Finding]:
    """Whether there is room for new jobs, their results, and the pictures of uploads and edits."""
    for name, path in data(settings):
        free = os.statvfs(_existing(path))
        mb = free.f_bavail * free.f_frsize >> 20
        floor = settings.min_free_mb
        inodes = free.f_favail if free.f_files else MIN_INODES * SPARE
        level = Level.OK
        if mb < floor * SPARE or inodes < MIN_INODES * SPARE:
            level = Level.FAIL if mb < floor or inodes < MIN_INODES else Level.WARN
        what = f"{mb} MiB" + (f" and {inodes} inodes" if free.f_files else "") + f" free for {name}"
        advice = f"below {floor} MiB (FARM_MIN_FREE_MB) or {MIN_INODES} inodes new jobs are refused: make room"
        yield Finding(level, "disk", what, advice if level is not Level.OK else "")


def inotify(settings: Settings, limits: str = "/proc/sys/fs/inotify") -> Iterator[Finding]:
    """Whether the system wakes the farm, and has enough watches for all of its processes."""
    needed = INOTIFY_EACH * (sum(lane.count(settings) for lane in LANES.values()) + 2)
    for name in ("max_user_instances", "max_user_watches"):
        told = _told(f"{limits}/{name}").strip()
        if told.isdecimal() and int(told) < needed:
            advice = f"sysctl fs.inotify.{name}={max(512, needed)}"
            yield Finding(Level.WARN, "inotify", f"{name} is {told}, and {needed} are advisable", advice)
    watched = f"{settings.spool_dir}/tmp"
    directory = watched if os.path.isdir(watched) else tempfile.gettempdir()
    watch = Watch(directory)
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix="doctor"):
            woken = bool(watch.wait(EVENT))
    finally:
        watch.close()
    if watch.blind:
        what = "there are none, so the farm polls, which costs CPU time"
        advice = "raise fs.inotify.max_user_instances"
        yield Finding(Level.WARN, "inotify", what, advice)
    elif not woken:
        what = f"{directory} changes without an event, so jobs may wait a second"
        yield Finding(Level.WARN, "inotify", what, "put the spool on a local disk")
    else:
        yield Finding(Level.OK, "inotify", "events come")


def descriptors(settings: Settings) -> Iterator[Finding]:
    """Whether the front may open as many files and connections as its threads need."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = DESCRIPTORS_EACH * settings.front_threads + DESCRIPTORS_BASE
    what = f"{soft} may be open at once, FARM_FRONT_THREADS={settings.front_threads} needs {needed}"
    if soft != resource.RLIM_INFINITY and soft < needed:
        yield Finding(Level.WARN, "open files", what, f"ulimit -n {needed}, or fewer threads")
    else:
        yield Finding(Level.OK, "open files", what)


# How they look.


def data(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The directories of data, by name."""
    return ("spool", settings.spool_dir), ("results", settings.results_dir), ("data", settings.data_dir)


def pins(constraints: Path) -> dict[str, str]:
    """The versions in a constraints file, by package; none when there is no file."""
    lines = (line.partition("#")[0].strip() for line in _told(constraints).splitlines())
    pinned = [each for each in map(Requirement, filter(None, lines)) if _applies(each)]
    return {_normal(each.name): str(each.specifier).removeprefix("==") for each in pinned}


def installed(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def file_system(path: str, mounts: str) -> str:
    """The type of the file system that holds *path*, by the lines of /proc/self/mountinfo (proc(5)); "" if unknown."""
    real = os.path.realpath(path)
    found = kind = ""
    for line in mounts.splitlines():
        about, _, rest = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), about.split()[4])
        if len(point) >= len(found) and (real + "/").startswith(point.rstrip("/") + "/"):
            found = point
            kind = rest.split()[0]
    return kind


def _medium(name: str, path: str, kind: str) -> Finding:
    if kind in NETWORK:
        what = f"{path} is on {kind}, where locks, renames and wake-ups are not to be relied on"
        return Finding(Level.WARN, name, what, "put it on a local disk")
    if kind in MEMORY:
        return Finding(Level.WARN, name, f"{path} is on {kind}, which a power cut empties", "put it on a disk")
    return Finding(Level.OK, name, f"{path} can be written" + (f" ({kind})" if kind else ""))


def _existing(path: str) -> str:
    """*path*, or what exists above it."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _applies(requirement: Requirement, *extras: str) -> bool:
    """Whether it is meant for this interpreter and system, with any of *extras*; "" is the package without one."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or ("",))


def _told(path: str | Path) -> str:
    """The text of a file, or nothing where there is no such file. Files of /proc have no size to read by."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
