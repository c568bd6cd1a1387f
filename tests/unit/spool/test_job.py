"""Jobs and results as bytes: what was written is what is read, and what was damaged is never taken for whole."""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.spool.job import DamagedJob, Job, Result, State, header_of, new_id, slot_of
from tests.support.damage import flipped

JOBS = [
    Job("echo"),
    Job("ocr", {"langs": ["中文", "é"], "n": 1.5, "deep": {"a": [None, True]}}, [b"\n\x00\xff", b"", b"x" * 1000]),
    Job("echo", {"line": "a\nb\r\u2028"}, [b'{"id": 1}\n'], priority=0, durable=True),
]


def data_of(job: Job) -> bytes:
    return b"".join(job.to_buffers())


def data_as_before(job: Job, **changed: Any) -> bytes:
    """The file of *job* as it was before headers had a checksum of their own."""
    fields = ("id", "task", "params", "priority", "durable", "created", "tries")
    header = {name: getattr(job, name) for name in fields}
    header |= {"sizes": [len(image) for image in job.images], "crc32": zlib.crc32(b"".join(job.images))} | changed
    line = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
    return b"\n".join([line, b"".join(job.images)])


@pytest.mark.parametrize("job", JOBS, ids=["bare", "pictures", "lines"])
def test_a_job_comes_back_as_it_was(job: Job) -> None:
    back = Job.from_bytes(data_of(job), attempts=2)
    assert (back.id, back.task, back.params, list(back.images)) == (job.id, job.task, job.params, list(job.images))
    assert (back.priority, back.durable, back.created, back.attempts) == (job.priority, job.durable, job.created, 2)


@pytest.mark.parametrize("job", JOBS, ids=["bare", "pictures", "lines"])
def test_a_job_file_of_an_earlier_version_is_read(job: Job) -> None:
    assert Job.from_bytes(data_as_before(job)) == Job.from_bytes(data_of(job))
    with pytest.raises(DamagedJob):
        Job.from_bytes(data_as_before(job)[:-1] + b"?")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("id", 1), ("task", None), ("params", []), ("durable", 1), ("created", "now"), ("tries", "2"), ("crc32", 1)],
        *[("priority", "5"), ("priority", 10), ("sizes", ["1"]), ("sizes", "ab"), ("sizes", 8)],
    ],
)
def test_a_header_of_an_earlier_version_that_holds_what_does_not_belong_there_is_damaged(
    field: str, value: object
) -> None:
    with pytest.raises(DamagedJob):
        Job.from_bytes(data_as_before(JOBS[1], **{field: value}))


@pytest.mark.parametrize("job", JOBS, ids=["bare", "pictures", "lines"])
def test_the_first_line_of_a_job_file_is_its_header_in_json(job: Job, tmp_path: Path) -> None:
    (tmp_path / "job").write_bytes(data_of(job))
    with open(tmp_path / "job", "rb") as file:
        line = file.readline()
    assert json.loads(line)["params"] == job.params
    assert header_of(line)["task"] == header_of(data_of(job))["task"] == job.task


@pytest.mark.parametrize("text", ["x" * 10_000, '","params":{"task":"no"},"task":"no', '\\","params":', "纸" * 10_000])
def test_the_beginning_of_a_long_header_tells_the_task(text: str) -> None:
    data = data_of(Job("echo", {"text": text, "params": text}, tries=1))
    for end in (300, 1000, 5000):
        assert header_of(data[:end])["task"] == "echo"
    earlier = data_as_before(Job("echo", {"text": text, "params": text}, tries=1))
    assert Job.from_bytes(earlier).params["text"] == text
    assert header_of(earlier[:300])["task"] == "echo"


@pytest.mark.parametrize(
    "junk", [b"", b"x" * 1000, b'{"task":"echo"', b'{"id":"1","params":{', b'{"task":1,"params":{', b"{}\n"]
)
def test_a_beginning_of_no_header_is_damaged(junk: bytes) -> None:
    with pytest.raises(DamagedJob):
        header_of(junk)


@pytest.mark.parametrize("job", JOBS, ids=["bare", "pictures", "lines"])
def test_a_job_file_cut_short_anywhere_is_damaged(job: Job) -> None:
    data = data_of(job)
    for end in range(len(data)):
        with pytest.raises(DamagedJob):
            Job.from_bytes(data[:end])


def test_a_job_file_with_something_behind_it_is_damaged() -> None:
    with pytest.raises(DamagedJob):
        Job.from_bytes(data_of(JOBS[1]) + b"x")


@pytest.mark.parametrize("job", JOBS, ids=["bare", "pictures", "lines"])
def test_a_job_file_with_one_bit_flipped_anywhere_is_damaged(job: Job) -> None:
    for spoiled in flipped(data_of(job)):
        with pytest.raises(DamagedJob):
            Job.from_bytes(spoiled)


def test_an_altered_header_of_an_earlier_version_is_a_job_or_damaged_and_never_another_error() -> None:
    data = data_as_before(JOBS[1])
    read = 0
    for spoiled in flipped(data, data.index(b"\n") + 1):
        try:
            Job.from_bytes(spoiled)
            read += 1
        except DamagedJob:
            continue
    assert read < data.index(b"\n") * 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null\n",
        b"5\n",
        b"[]\n",
        b"{}\n",
        b'"id"\n',
        b'{"id":1,"task":2,"params":3,"priority":4,"durable":5,"created":6,"crc32":7}\n',
        b'{"id":1,"task":2,"params":3,"priority":4,"durable":5,"created":6,"crc32":7,"sizes":"ab"}\n',
        b'{"id":1,"task":2,"params":3,"priority":4,"durable":5,"created":6,"crc32":7,"sizes":8}\n',
        b"\xff\xfe\n",
        b"\x00" * 4096,
        b"GIF89a\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_was_never_a_job_file_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedJob):
        Job.from_bytes(data)


def test_any_text_that_json_can_say_can_be_put(tmp_path: Path) -> None:
    params = json.loads(r'{"half": "\ud800", "name": "a\udcff.png"}')
    assert Job.from_bytes(data_of(Job("echo", params))).params == params


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert [each[:16] for each in ids] == sorted(each[:16] for each in ids)
    assert {len(each) for each in ids} == {24}
    assert abs(int(ids[0][:16], 16) / 1e9 - time.time()) < 60


def test_a_slot_is_four_seconds_of_clock() -> None:
    second = 2**32
    assert slot_of(f"{5 * second:016x}00000000") == slot_of(f"{6 * second - 1:016x}ffffffff") == "00000005"
    assert slot_of(f"{6 * second:016x}00000000") == "00000006"


def test_a_job_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        JOBS[0].task = "other"  # type: ignore[misc]


def result(status: State, value: object = None, error: str | None = None, code: str | None = None) -> Result:
    return Result("1" * 24, "echo", status, 1, 1.0, 2.0, 3.0, value, error, code)


def test_a_result_says_how_a_job_ended() -> None:
    good = json.loads(result(State.SUCCEEDED, {"text": "中文"}).to_bytes())
    assert good == {
        "id": "1" * 24,
        "task": "echo",
        "status": "succeeded",
        "attempts": 1,
        "created": 1.0,
        "started": 2.0,
        "finished": 3.0,
        "progress": 1.0,
        "result": {"text": "中文"},
    }
    bad = json.loads(result(State.FAILED, None, "no luck", "task_error").to_bytes())
    assert (bad["error"], bad["code"], bad["progress"]) == ("no luck", "task_error", None)
    assert "result" not in bad


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()], ids=type)
def test_a_result_that_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        result(State.SUCCEEDED, value).to_bytes()


def test_a_result_may_hold_any_text_that_json_can_say() -> None:
    text = "half \ud800, line\u2028, 中"
    assert json.loads(result(State.SUCCEEDED, text).to_bytes())["result"] == text


def test_a_job_file_holds_the_pictures_as_they_were_sent() -> None:
    picture = os.urandom(5000)
    buffers = Job("ocr", images=[picture]).to_buffers()
    assert buffers[1] is picture
