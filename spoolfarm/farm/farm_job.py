"""The farm's job: what `submit` returns, to ask how it is, wait for it and cancel it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm


class FarmJob:
    """A submitted job: ask how it is, wait for it, cancel it."""

    def __init__(self, farm: Farm, job_id: str) -> None:
        self._farm = farm
        self.id = job_id

    def __repr__(self) -> str:
        return f"<FarmJob {self.id}>"

    def status(self) -> str:
        """`queued`, `running`, `succeeded`, `failed` or `cancelled`."""
        return str(self.record()["status"])

    def record(self) -> dict[str, Any]:
        """All that is known of the job, as `GET /v1/jobs/<id>` shows it. Raises UnknownJob once it has expired."""
        return self._farm.record(self.id)

    def wait(self, timeout: float | None = None) -> Any:
        """Return the result. Raises JobFailed, JobCancelled, or WaitTimeout after *timeout* seconds (None: never)."""
        return self._farm.wait(self.id, timeout)

    def file(self, name: str) -> bytes:
        """One of the files that the record names in `files`. Raises UnknownJob or UnknownFile."""
        return self._farm.file(self.id, name).read_bytes()

    def cancel(self) -> bool:
        """Cancel the job: at once when queued, within seconds when running. False when it has ended."""
        return self._farm.cancel(self.id)
