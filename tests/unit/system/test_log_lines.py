"""Log lines: their levels are true, their times have a zone, and each is one line whatever it says."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime

import pytest

from spoolfarm.system import log_lines
from spoolfarm.system.log_lines import Printed


def record(message: str, level: int = logging.ERROR, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("spoolfarm.here", level, "", 0, message, (), None)
    made.__dict__.update(more)
    return made


@pytest.mark.parametrize(
    ("printed", "levels"),
    [
        (["INFO spoolfarm.worker: ready for echo"], "I"),
        (["WARNING spoolfarm.server.app: FARM_BIND is open to other machines"], "W"),
        (
            ["ERROR spoolfarm.worker: task x failed", "Traceback (most recent call last):", '  File "a.py"', "E: no"],
            "EEEE",
        ),
        (["Traceback (most recent call last):", "  x = 1 / 0", "ZeroDivisionError: division", "and now this"], "EEEI"),
        (
            ["Traceback (most recent call last):", "  a()", "KeyError: 1", "", "The above exception was the direct"],
            "EEEIE",
        ),
        (["  + Exception Group Traceback (most recent call last):", "  |   File", "  | ExceptionGroup: two"], "EEE"),
        (["Fatal Python error: Segmentation fault", "", "Thread 0x1 (most recent call first):"], "EEE"),
        (["[2026-11-29 10:00:00 +0000] [77] [ERROR] Exception in worker process"], "E"),
        (["[2026-11-29 10:00:00 +0000] [77] [WARNING] too many"], "W"),
        (["/x/y.py:12: UserWarning: deprecated", "  warnings.warn()"], "WI"),
        (["a page of text", "NOTSET nothing", "", "Error? not by its name"], "IIII"),
    ],
)
def test_what_a_process_prints_has_the_level_that_it_means(printed: list[str], levels: str) -> None:
    reader = Printed()
    assert "".join(logging.getLevelName(reader.read(line)[0])[0] for line in printed) == levels


def test_a_line_of_text_tells_its_logger_and_its_message() -> None:
    assert Printed().read("WARNING spoolfarm.x: a: b") == (logging.WARNING, "spoolfarm.x", "a: b")


@pytest.mark.parametrize("text", [log_lines.CHILD, log_lines.ALONE])
def test_times_are_iso_with_a_zone(text: str) -> None:
    shown = log_lines.formatter("text", "launcher", text).format(record("hello"))
    assert shown.endswith("spoolfarm.here: hello")
    if text == log_lines.ALONE:
        when = datetime.fromisoformat(shown.split()[0])
        assert when.tzinfo is not None
    line = json.loads(log_lines.formatter("json", "launcher").format(record("hello")))
    assert datetime.fromisoformat(line["time"]).tzinfo is not None


@pytest.mark.parametrize("said", ["two\nlines", 'a "quote"', "\x00\x1b[1m", "页", "\udc80", "é" * 9])
def test_a_record_is_one_line_of_json_whatever_it_says(said: str) -> None:
    shown = log_lines.formatter("json", "worker").format(record(said, fields={"id": said, "odd": object}))
    sent = shown.encode(errors="backslashreplace")
    assert b"\n" not in sent
    line = json.loads(sent)
    assert (line["message"], line["level"], line["process"], line["logger"]) == (
        said,
        "ERROR",
        "worker",
        "spoolfarm.here",
    )
    assert line["id"] == said
    assert log_lines.parsed(sent) == line


def test_an_exception_is_told_in_the_same_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        shown = log_lines.formatter("json", "worker").format(record("it failed", exc_info=sys.exc_info()))
    line = json.loads(shown)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: two\nlines")


def test_what_a_process_does_is_told_in_each_of_its_lines_until_it_is_done() -> None:
    lines = log_lines.formatter("json", "worker")
    log_lines.about(id="a", request_id="r-1")
    during = json.loads(lines.format(record("x")))
    log_lines.about()
    assert (during["id"], during["request_id"]) == ("a", "r-1")
    assert "id" not in json.loads(lines.format(record("x")))


@pytest.mark.parametrize(
    "line", [b"", b"{", b'{"time":', b'{"time":5}', b'{"time":"x","level":"INFO"}', b'{"time":[' * 99_999, b'["time"]']
)
def test_what_only_looks_like_a_line_of_json_is_text(line: bytes) -> None:
    assert log_lines.parsed(line) is None
