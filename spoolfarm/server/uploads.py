"""Uploads: pictures that are accepted at once and measured later, each with a record that says how far it is.

    data/image_process.db        the records
    data/uploads/<filename>      the picture as JPEG
    data/outputs/<filename>      its largest object, white on black

An upload's record is written before its job, and both are on disk before the upload is accepted. When the job has
ended, its files are put in their places and then the record is ended. This may be done twice, or interrupted anywhere
and done again: every status request does it, and so does a thread of the front, once a second and at the start.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from spoolfarm.errors import FarmError, SpoolUnavailable, UnknownFile, UnknownJob
from spoolfarm.farm.farm import Farm
from spoolfarm.server.upload_db import Record, Records, Stage
from spoolfarm.spool import files
from spoolfarm.spool.job import Job, State
from spoolfarm.spool.record import ended

log = logging.getLogger(__name__)

#: Seconds between checks of the uploads that have not ended.
LOOK = 1.0
#: Seconds that a settling may take that is under way when the front ends.
LAST = 5.0
#: Seconds between searches for uploads whose job is gone, and the least age of such an upload: its job is queued after
#: it.
LOST = 60.0
#: The files of a result of `orient`, and the folders they go to.
PLACES = {"picture.jpg": "uploads", "object.jpg": "outputs"}


class Uploads:
    """The uploads of a farm, in *root*."""

    def __init__(self, farm: Farm, root: str) -> None:
        self._farm = farm
        self._root = os.path.abspath(root)
        self._records = Records(f"{self._root}/image_process.db")
        self._next_lost = 0.0
        self._closing = threading.Event()
        self._settling: threading.Thread | None = None

    def accept(self, job: Job) -> str:
        """Put *job*, and return the name of the upload. Raises what `Farm.put` raises, and SpoolUnavailable."""
        filename = f"image_{time.strftime('%Y%m%d_%H%M%S')}_{job.id[-12:]}.jpg"
        self._records.begin(filename, job.id)
        try:
            self._farm.put(job)
        except FarmError:
            self._records.drop(filename)
            raise
        return filename

    def status(self, filename: str) -> dict[str, Any] | None:
        """What a client is told about an upload; None when there is none of that name."""
        record = self._records.get(filename)
        if record is not None and record.status == Stage.PROCESSING:
            self._settle(record, look_everywhere=False)
            record = self._records.get(filename)
        if record is None:
            return None
        told: dict[str, Any] = {"status": record.status, "filename": filename}
        if record.damaged:
            told |= {"status": Stage.ERROR, "reason": f"its row in {self._records.path} is damaged"}
        elif record.status == Stage.COMPLETED:
            told |= {"degree": record.degree}
            if record.eccentricity is not None:
                told |= {"eccentricity": record.eccentricity}
        elif record.status == Stage.ERROR:
            told |= {"reason": record.reason or "it failed"}
        return told

    def settle(self) -> None:
        """End every record whose job has ended or no longer exists."""
        lost = time.monotonic() >= self._next_lost
        if lost:
            self._next_lost = time.monotonic() + LOST
        for record in self._records.processing():
            try:
                self._settle(record, look_everywhere=lost)
            except (OSError, UnknownFile, UnknownJob) as error:
                log.error("upload %s: its files cannot be placed yet: %s", record.filename, error)
            except SpoolUnavailable:
                raise
            except Exception:  # whatever one row or one result holds, the others are settled
                log.exception("upload %s: not settled", record.filename)

    def keep_settling(self) -> threading.Thread:
        """Start a thread that settles until `close`."""

        def run() -> None:
            problem = ""
            while not self._closing.is_set():
                try:
                    self.settle()
                    problem = ""
                except SpoolUnavailable as error:
                    if str(error) != problem:  # it may last, and is told once
                        problem = str(error)
                        log.error("uploads are not settled: %s", error)
                self._closing.wait(LOOK)

        self._settling = threading.Thread(target=run, name="uploads", daemon=True)
        self._settling.start()
        return self._settling

    def close(self) -> None:
        """Settle no more, and close the records, whose file is then whole."""
        self._closing.set()
        if self._settling is not None:
            self._settling.join(LAST)
        self._records.close()

    def _settle(self, record: Record, *, look_everywhere: bool) -> None:
        """End *record* when its job has ended, and with *look_everywhere* when it has no job any more."""
        about = self._farm.ended(record.job) if record.job else None
        if about is None:
            if look_everywhere and (record.age is None or record.age > LOST):
                self._settle_lost(record)
        elif ended(about):
            self._end(record, about)

    def _settle_lost(self, record: Record) -> None:
        try:
            about = self._farm.record(record.job or "")
        except UnknownJob:
            self._records.fail(record.filename, "its job is no more; upload the picture again")
        else:
            if ended(about):
                self._end(record, about)

    def _end(self, record: Record, about: dict[str, Any]) -> None:
        if about["status"] != State.SUCCEEDED:
            self._records.fail(record.filename, about["error"] or "it failed")
            return
        for name, folder in PLACES.items():
            if name not in about.get("files", ()):
                continue
            source = self._farm.file(about["id"], name)
            try:
                self._place(source, f"{self._root}/{folder}", record.filename)
            except FileNotFoundError:
                if source.exists():
                    raise
                self._records.fail(record.filename, f"the file of its result, {source}, is gone")
                return
        result = about["result"] if isinstance(about["result"], dict) else {}  # `orient` may be a custom task
        degree, eccentricity = _number(result.get("degree")), _number(result.get("eccentricity"))
        if degree is None:
            self._records.fail(record.filename, str(result.get("reason") or "the task orient answered no degree"))
        else:
            self._records.complete(record.filename, degree, eccentricity)

    def _place(self, source: Path, folder: str, filename: str) -> None:
        """Make the finished *source* also appear in *folder*; an existing file stays."""
        files.make_directory(folder)
        place = f"{folder}/{filename}"
        try:
            os.link(source, place)
        except FileExistsError:
            pass
        except OSError:  # another file system, or one without links
            temporary = f"{place}.{random.getrandbits(32):08x}.tmp"
            files.write_new(temporary, [source.read_bytes()], sync=True)
            files.publish(temporary, place)
        files.sync_directory(folder)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
