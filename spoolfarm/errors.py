"""What can go wrong: one root, and for every error a stable code, a sentence and a hint."""

from __future__ import annotations

from typing import Any, ClassVar


class FarmError(Exception):
    """The farm could not do what was asked."""

    #: Stable across releases: programs compare this, people read the sentence.
    code: ClassVar[str] = "farm_error"
    #: What to do about it, when the sentence alone does not say.
    hint: str = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or type(self).__doc__ or self.code)
        if hint:
            self.hint = hint


class SettingError(FarmError):
    """A setting has a value that is not allowed."""

    code = "bad_setting"


class FarmRunning(FarmError):
    """Another launcher already runs on this spool."""

    code = "farm_running"


# What a caller sent.


class InvalidRequest(FarmError):
    """The request is malformed or lacks a field."""

    code = "invalid_request"


class BrokenImage(FarmError):
    """The picture is damaged."""

    code = "broken_image"


class UnsupportedMedia(FarmError):
    """The content is of a type that is not taken."""

    code = "unsupported_media"


class TooLarge(FarmError):
    """The body or the picture is over the limit."""

    code = "too_large"


class InvalidParams(FarmError):
    """The parameters are well-formed but can never work."""

    code = "invalid_params"


class Unauthorized(FarmError):
    """The API key is missing or wrong."""

    code = "unauthorized"
    hint = "send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"


class Forbidden(FarmError):
    """That is not allowed."""

    code = "forbidden"


class UnknownTask(FarmError):
    """No task has that name."""

    code = "unknown_task"


class UnknownJob(FarmError):
    """No job has that id."""

    code = "unknown_job"


class UnknownFile(FarmError):
    """The job's result has no such file."""

    code = "unknown_file"


class KeyConflict(FarmError):
    """The Idempotency-Key was used before with another request."""

    code = "key_conflict"


# What the farm cannot do now.


class SpoolFull(FarmError):
    """As many jobs wait as FARM_MAX_QUEUED allows."""

    code = "spool_full"


class SpoolUnavailable(FarmError):
    """The spool cannot be written, so nothing can be accepted."""

    code = "spool_unavailable"


class WaitTimeout(FarmError):
    """The result was not there in time."""

    code = "wait_timeout"

    def __init__(self, message: str = "", *, job_id: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id


# How a job ended.


class JobFailed(FarmError):
    """The job ended without a result; `code` says how, `record` is all that is known of it."""

    code = "job_failed"

    def __init__(self, message: str = "", *, code: str = "", record: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.record = record or {}
        if code:
            self.code = code  # type: ignore[misc]  # the code of the error that ended the job


class JobCancelled(JobFailed):
    """The job was cancelled."""

    code = "cancelled"
