"""What can go wrong: one root, and for every error a stable code, a sentence and a hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class FarmError(Exception):
    """The farm could not do what was asked."""

    #: Stable across releases: programs compare this, people read the sentence.
    code: ClassVar[str] = "farm_error"
    #: What to do about it, when the sentence alone does not say.
    hint: str = ""
    #: More about it, for programs: what JSON can say.
    details: Mapping[str, Any] = {}

    def __init__(self, message: str = "", *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message or type(self).__doc__ or self.code)
        if hint:
            self.hint = hint
        if details:
            self.details = details


class SettingError(FarmError):
    """A setting has a value that is not allowed."""

    code = "bad_setting"


class TaskUnavailable(SettingError):
    """The task is there, but cannot run: its class cannot be had, or its setup fails."""

    code = "task_unavailable"
    hint = "the farm's log and `spoolfarm doctor` say more"


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


class NoObject(FarmError):
    """No object was found in the picture."""

    code = "no_object"


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


class NotInstalled(FarmError):
    """What the task needs is not installed here."""

    code = "not_installed"


class NoFarm(FarmError):
    """There is no farm here."""

    code = "no_farm"
    hint = "`spoolfarm run` starts one; --home DIR or FARM_SPOOL_DIR names another"


class NotOwner(FarmError):
    """The farm belongs to another user."""

    code = "not_owner"


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


class TooManyClients(FarmError):
    """As many clients are connected as the front has threads for."""

    code = "too_many_clients"


class NoMemory(FarmError):
    """The front has not enough memory for this request now; send it later, or less at once."""

    code = "no_memory"


class WaitTimeout(FarmError):
    """The result was not there in time."""

    code = "wait_timeout"

    def __init__(self, message: str = "", *, job_id: str = "", job_ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        #: The job that is not ready, and of a request for several jobs all of them, in order.
        self.job_id = job_id
        self.job_ids = job_ids


class NoWorker(WaitTimeout):
    """There is nobody who would do the job, so nobody need wait for it."""

    code = "no_worker"


# How a job ended.


class JobFailed(FarmError):
    """The job ended without a result; `code` says how, `record` is all that is known of it."""

    code = "job_failed"

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        record: dict[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.record = record or {}
        super().__init__(message, details=details or self.record.get("details"))
        if code:
            self.code = code  # type: ignore[misc]  # the code of the error that ended the job


class JobCancelled(JobFailed):
    """The job was cancelled."""

    code = "cancelled"


# The Flower project.


class BadProject(FarmError):
    """The Flower project is not as the settings say."""

    code = "bad_project"


class UnknownModel(FarmError):
    """The project has no model of that id."""

    code = "unknown_model"


class UnknownRun(FarmError):
    """There is no run of that id."""

    code = "unknown_run"


class RunInUse(FarmError):
    """The run is not over, so nothing of it can be renamed or removed."""

    code = "run_in_use"
    hint = "stop it first"


class NameTaken(FarmError):
    """There is something of that name."""

    code = "name_taken"


class BadModel(FarmError):
    """The model's class or its weights cannot be loaded."""

    code = "bad_model"


class LabelMismatch(FarmError):
    """The model tells more or fewer classes apart than there are labels."""

    code = "label_mismatch"


class NoHistory(FarmError):
    """There is no training history of that model."""

    code = "no_history"


class BadHistory(FarmError):
    """The training history cannot be read."""

    code = "bad_history"


class NotConfigured(FarmError):
    """That is not set up here."""

    code = "not_configured"


class SimulationFailed(FarmError):
    """The simulation ended with an exit code other than 0."""

    code = "simulation_failed"


class Unreachable(FarmError):
    """There is no answer from the farm, or none that a farm gives."""

    code = "unreachable"
