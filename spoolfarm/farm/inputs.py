"""Inputs: what jobs were asked to do, as far as it is kept: their parameters and their pictures."""

from __future__ import annotations

from spoolfarm.errors import UnknownFile, UnknownJob
from spoolfarm.farm.previews import Previews
from spoolfarm.spool.job import DamagedJob, Job
from spoolfarm.spool.jobfile import JobFile
from spoolfarm.spool.spool import Spool

#: How often a job is looked for that moves on while its file is opened.
LOOKS = 5


class Inputs:
    """The inputs of the jobs in *spool*; pictures of at most *max_pixels* are shown."""

    def __init__(self, spool: Spool, max_pixels: int) -> None:
        self._spool = spool
        self._previews = Previews(max_pixels)

    def job(self, job_id: str) -> Job:
        """The job as it was submitted. Raises UnknownJob, or UnknownFile when that is kept no longer."""
        for _ in range(LOOKS):
            try:
                return self._file(job_id).job()
            except FileNotFoundError:
                continue  # it moved on
            except DamagedJob as error:
                raise UnknownFile(f"what job {job_id} was asked to do cannot be read: {error}") from error
        raise UnknownFile(f"what job {job_id} was asked to do is kept no longer")

    def picture(self, job_id: str, index: int) -> bytes:
        """One of a job's pictures, as it was sent. Raises UnknownJob or UnknownFile."""
        pictures = self.job(job_id).images
        if not 0 <= index < len(pictures):
            raise UnknownFile(f"job {job_id} has {len(pictures)} pictures, counted from 0, and no {index}")
        return pictures[index]

    def preview(self, job_id: str, index: int, side: int) -> bytes:
        """A JPEG of one of a job's pictures, with sides of *side* pixels at most; empty when it cannot be decoded.

        Raises UnknownJob or UnknownFile.
        """
        key = job_id, index, side
        made = self._previews.known(key)
        if made is None:
            return self._previews.make(key, self.picture(job_id, index))
        self._file(job_id)  # what is gone is not shown from memory
        return made

    def close(self) -> None:
        """End what makes the previews."""
        self._previews.close()

    def _file(self, job_id: str) -> JobFile:
        found = self._spool.find(job_id)
        if found is None:
            raise UnknownJob(f"no job {job_id!r}")
        if found.path.endswith(".json"):  # its result
            found = self._spool.done.find(job_id)
        if found is None:
            raise UnknownFile(f"what job {job_id} was asked to do is kept no longer; FARM_KEEP_MB says how much is")
        return found
