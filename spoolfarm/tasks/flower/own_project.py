"""The farm's own project: a copy of the packaged one in the data folder, for a farm that may not write to that."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from filelock import FileLock, Timeout

from spoolfarm import config
from spoolfarm.errors import BadProject
from spoolfarm.spool import files

log = logging.getLogger(__name__)

#: What the project's folder is called, in the checkout and in the data folder.
NAME = "flower_project"
#: The file in a copy that says which files were copied, by path their size, time and digest.
NOTE = ".packaged.json"
#: Where a script leaves what it trained.
WRITTEN = "global_models"
#: Seconds to wait for another process that makes the copy.
PATIENCE = 120.0


def place(settings: Mapping[str, Any]) -> str:
    """Where the Flower project of a farm with *settings* lies; one of its own may not be made yet."""
    given: str = settings["FLOWER_PROJECT_DIR"]
    if given:
        return os.path.normpath(given)
    here, own = (os.path.join(settings[name], NAME) for name in ("FARM_HOME", "FARM_DATA_DIR"))
    return own if os.path.isdir(own) or (not _writable(here) and _packaged(settings)) else here


def origin(settings: Mapping[str, Any]) -> str | None:
    """The project of which the farm's own is a copy; None when it has none of its own."""
    own = not settings["FLOWER_PROJECT_DIR"] and place(settings) == os.path.join(settings["FARM_DATA_DIR"], NAME)
    return _packaged(settings) if own else None


def make(packaged: str, own: str) -> None:
    """Make *own* a copy of *packaged*, complete the moment it is visible; one that is there is brought up to date.

    What somebody has changed or removed in it stays as it is, and so does a folder that is no copy. Raises BadProject.
    """
    folder = os.path.dirname(own)
    try:
        files.make_directory(folder)
        with FileLock(os.path.join(folder, f".{NAME}.lock"), timeout=PATIENCE, fallback_to_soft=False):
            if os.path.isdir(own):
                _renew(packaged, own)
                return
            new = f"{own}.new"
            files.remove_tree(new)  # of a process that was killed
            _write_note(new, _copy(packaged, new))
            os.rename(new, own)
            files.sync_directory(folder)
            log.info("the Flower project of this farm is %s, a copy of %s", own, packaged)
    except (OSError, Timeout) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadProject(f"no copy of the Flower project can be made in FARM_DATA_DIR: {reason}") from error


def _packaged(settings: Mapping[str, Any]) -> str | None:
    """The project that lies in the farm's home or in the checkout; an installed package has none."""
    places = (os.path.join(root, NAME) for root in (settings["FARM_HOME"], str(config.ROOT)))
    return next(filter(os.path.isdir, places), None)


def _writable(project: str) -> bool:
    """Whether this process may leave models in *project*."""
    written = os.path.join(project, WRITTEN)
    return os.access(written if os.path.isdir(written) else project, os.W_OK | os.X_OK)


def _copy(packaged: str, new: str) -> dict[str, Any]:
    """Copy every file, synced to disk; return what the note says of them."""
    os.mkdir(new)
    noted = {}
    for path in _walk(packaged):
        noted[path] = _stamp(packaged, path) | {"digest": _put(packaged, new, path)}
    for here, _, _ in os.walk(new):
        files.sync_directory(here)
    return noted


def _renew(packaged: str, own: str) -> None:
    """Copy what has changed in *packaged* since, unless it was changed in *own*, too."""
    try:
        noted: dict[str, Any] = json.loads(files.read(os.path.join(own, NOTE)))
    except (OSError, ValueError):
        return  # somebody has put a project of his there
    renewed = []
    for path in _walk(packaged):
        stamp, known = _stamp(packaged, path), noted.get(path, {})
        if stamp.items() <= known.items():
            continue
        target = os.path.join(own, path)
        if _digest(target) == known.get("digest"):  # as it was copied; or, when it is new, not there
            noted[path] = stamp | {"digest": _put(packaged, own, path)}
            renewed.append(path)
        else:
            noted[path] = known | stamp
    if renewed:
        log.info("the Flower project in %s is brought up to date: %s", own, ", ".join(renewed))
    if noted != json.loads(files.read(os.path.join(own, NOTE))):
        _write_note(own, noted)


def _walk(packaged: str) -> Iterator[str]:
    """The files in *packaged*, by their paths in it."""
    for here, folders, names in os.walk(packaged):
        folders[:] = [name for name in folders if name != "__pycache__"]
        linked = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in sorted([*names, *linked]):
            yield os.path.relpath(os.path.join(here, name), packaged)


def _stamp(packaged: str, path: str) -> dict[str, Any]:
    found = os.lstat(os.path.join(packaged, path))
    return {"size": found.st_size, "time": found.st_mtime_ns}


def _put(packaged: str, own: str, path: str) -> str | None:
    """Have *own* hold the file as *packaged* does, replaced in one step; return its digest. A link stays one."""
    source, target = os.path.join(packaged, path), os.path.join(own, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(source):
        if not os.path.lexists(target):
            os.symlink(os.path.realpath(source), target)
        return None
    with open(source, "rb") as file:
        data = file.read()
    files.write_atomic(target, data, sync=True)
    if os.access(source, os.X_OK):
        shutil.copymode(source, target)
    return hashlib.sha256(data).hexdigest()


def _digest(path: str) -> str | None:
    """The digest of the file at *path*; None when there is none, or it is a link."""
    try:
        return hashlib.sha256(files.read(path)).hexdigest()
    except OSError:
        return None


def _write_note(own: str, noted: Mapping[str, Any]) -> None:
    files.write_atomic(os.path.join(own, NOTE), json.dumps(noted, indent=1).encode(), sync=True)
