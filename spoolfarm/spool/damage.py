"""Damage: which files of a spool and its results are not as they were written, for readers that change nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from spoolfarm.spool import checksum, files, idempotency
from spoolfarm.spool.deadletters import REASON, read_reason
from spoolfarm.spool.job import DamagedJob
from spoolfarm.spool.jobfile import NAME, read_job
from spoolfarm.spool.record import DamagedRecord, parsed
from spoolfarm.spool.results import ID, said

#: What a check of one file says: what is wrong with it; nothing when it is whole.
Check = Callable[[str], str]

_KEY = re.compile(r"[0-9a-f]{64}")


def checked(spool: str, results: str) -> Iterator[tuple[str, str]]:
    """Each file below *spool* and *results* that can be checked, with what is wrong with it: "" when it is whole."""
    for path, check in _files(spool, results):
        try:
            yield path, check(path)
        except FileNotFoundError:
            continue  # it has just moved on
        except OSError as error:
            yield path, files.why(error, path)


def _files(spool: str, results: str) -> Iterator[tuple[str, Check]]:
    for top in ("queue", "active", "cancel", "dead"):
        for folder, _, names in os.walk(f"{spool}/{top}"):
            yield from ((f"{folder}/{name}", _job) for name in names if NAME.fullmatch(name))
            yield from ((f"{folder}/{name}", _reason) for name in names if top == "dead" and name == REASON)
    yield from ((f"{spool}/keys/{name}", _key) for name in files.names(f"{spool}/keys") if _KEY.fullmatch(name))
    announced = (f"{spool}/workers/{name}" for name in files.names(f"{spool}/workers") if name.endswith(".json"))
    yield from ((path, _object) for path in (*announced, f"{spool}/launcher.json", f"{spool}/counts/totals.json"))
    for name in files.names(results):
        job_id, _, suffix = name.partition(".")
        if ID.fullmatch(job_id) and suffix in ("json", "log"):
            yield f"{results}/{name}", _result if suffix == "json" else _log


def _job(path: str) -> str:
    try:
        read_job(path)
    except DamagedJob as error:
        return str(error)
    return ""


def _reason(path: str) -> str:
    try:
        read_reason(path, path.split("/")[-2])
    except DamagedRecord as error:
        return str(error)
    return ""


def _result(path: str) -> str:
    try:
        parsed(files.read(path), os.path.basename(path).partition(".")[0])
    except DamagedRecord as error:
        return str(error)
    return ""


def _key(path: str) -> str:
    return "" if idempotency.parsed(files.read(path)) else "no job's id and checksum"


def _object(path: str) -> str:
    try:
        checksum.opened(files.read(path))
    except checksum.Altered as error:
        return str(error)
    return ""


def _log(path: str) -> str:
    *lines, rest = files.read(path).split(b"\n")
    number = sum(said(line) is None for line in lines)
    if number:
        return f"{number} of its lines say nothing"
    return "its last line is cut short" if rest else ""
