"""The records of uploads: `image_process.db`, an SQLite file with one row a picture."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files

T = TypeVar("T")

#: The tables: what other programs read, and what only the farm needs to know about each row.
SCHEMA = """
CREATE TABLE IF NOT EXISTS image_results
(
    filename TEXT PRIMARY KEY,
    status TEXT,
    degree REAL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS image_jobs
(
    filename TEXT PRIMARY KEY REFERENCES image_results (filename),
    job TEXT NOT NULL,
    eccentricity REAL,
    reason TEXT
);
CREATE INDEX IF NOT EXISTS image_results_processing ON image_results (filename) WHERE status = 'processing';
"""
#: How a row is read, with its age in seconds.
SELECT = """
SELECT r.filename, r.status, r.degree, j.eccentricity, j.reason, j.job,
       (julianday('now') - julianday(r.created_at)) * 86400
FROM image_results r LEFT JOIN image_jobs j ON j.filename = r.filename
"""
#: Seconds to wait while another program writes to the file.
BUSY = 10.0


class Stage(StrEnum):
    """How far an upload is."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"


@dataclass(frozen=True)
class Record:
    """One row. `job` is None in a row that another program wrote."""

    filename: str
    status: str
    degree: float | None
    eccentricity: float | None
    reason: str | None
    job: str | None
    age: float | None

    @property
    def damaged(self) -> bool:
        """Whether it is a row of ours, and holds what we did not write."""
        if self.job is None:
            return False
        return self.status not in tuple(Stage) or (self.status == Stage.COMPLETED and self.degree is None)


class Records:
    """The file at *path*, for all threads of this process; its connection is opened when first needed.

    Every method raises SpoolUnavailable when the file cannot be read or written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def begin(self, filename: str, job: str) -> None:
        """Add a row that is being processed; when this returns it survives a power cut."""

        def insert(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO image_results (filename, status) VALUES (?, ?)", (filename, Stage.PROCESSING))
            db.execute("INSERT INTO image_jobs (filename, job) VALUES (?, ?)", (filename, job))

        self._do(insert)

    def drop(self, filename: str) -> None:
        """Forget a row whose job was refused."""

        def delete(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM image_jobs WHERE filename = ?", (filename,))
            db.execute("DELETE FROM image_results WHERE filename = ?", (filename,))

        self._do(delete)

    def complete(self, filename: str, degree: float, eccentricity: float | None) -> None:
        """End a row with its degree, and its eccentricity if known. Once a row has ended it stays as it is."""
        self._end(filename, Stage.COMPLETED, degree, eccentricity, None)

    def fail(self, filename: str, reason: str) -> None:
        """End a row with the reason why there is no degree."""
        self._end(filename, Stage.ERROR, None, None, reason)

    def get(self, filename: str) -> Record | None:
        """The row of that name, or None."""
        name = filename.encode(errors="replace").decode()  # SQLite cannot search for lone surrogates
        found = self._select("WHERE r.filename = ?", name)
        return found[0] if found else None

    def processing(self) -> list[Record]:
        """The rows that have not ended."""
        return self._select("WHERE r.status = 'processing'")

    def close(self) -> None:
        """Close the file, after which it holds all by itself, unless another program has it open."""
        with self._lock:
            if self._open is not None:
                with contextlib.suppress(sqlite3.Error):  # what is not in it yet stays in the file beside it
                    self._open.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._close()

    def _end(
        self, filename: str, status: Stage, degree: float | None, eccentricity: float | None, reason: str | None
    ) -> None:
        def update(db: sqlite3.Connection) -> None:
            ended = db.execute(
                "UPDATE image_results SET status = ?, degree = ? WHERE filename = ? AND status = 'processing'",
                (status, degree, filename),
            )
            if ended.rowcount:
                db.execute(
                    "UPDATE image_jobs SET eccentricity = ?, reason = ? WHERE filename = ?",
                    (eccentricity, reason, filename),
                )

        self._do(update)

    def _select(self, where: str, *values: str) -> list[Record]:
        return self._do(lambda db: [_record(row) for row in db.execute(SELECT + where, values)])

    def _do(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do *act* in one transaction."""
        with self._lock:
            try:
                self._open = self._open or self._connect()
                with self._open:
                    return act(self._open)
            except (sqlite3.Error, OSError) as error:
                self._close()  # perhaps the file has been moved or removed; the next call opens what is there then
                raise SpoolUnavailable(f"the records of uploads, {self.path}, cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        files.make_directory(self.path.rpartition("/")[0])
        db = sqlite3.connect(self.path, timeout=BUSY, check_same_thread=False)
        db.text_factory = lambda text: text.decode(errors="replace")  # one damaged row must not hide the others
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")  # a promised row is synced to disk
            db.executescript(SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _record(row: Sequence[Any]) -> Record:
    """One row as it was read. SQLite keeps any value in any column, so what the disk has altered may have any type."""
    filename, status, degree, eccentricity, reason, job, age = row
    return Record(
        _text(filename) or "",
        _text(status) or "",
        _number(degree),
        _number(eccentricity),
        _text(reason),
        _text(job),
        _number(age),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
