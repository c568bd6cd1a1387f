"""The output of a simulation: bytes become lines as they come."""

from __future__ import annotations

import pytest

from spoolfarm.tasks.flower.output import LONGEST, PATIENCE, TAIL, Lines, Log, reason


def all_of(*parts: bytes) -> list[str]:
    lines = Lines()
    return [line for part in parts for line in lines.feed(part, 0.0)] + lines.end()


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a", b"b\nc"), ["ab", "c"]),
        ((b"a\r\nb\r\n",), ["a", "b"]),
        ((b"\n\n",), ["", ""]),
        (("模拟\n".encode()[:2], "模拟\n".encode()[2:]), ["模拟"]),
        ((b"\xff\xfe\n",), ["\ufffd\ufffd"]),
        (("é".encode()[:1],), ["\ufffd"]),
        ((b" 10%\r 50%\r100%\n",), ["100%"]),
        ((b" 10%\r 50%\r",), [" 50%"]),
        ((), []),
    ],
)
def test_bytes_become_lines(parts: tuple[bytes, ...], lines: list[str]) -> None:
    assert all_of(*parts) == lines


def test_a_beginning_is_told_when_its_end_is_late() -> None:
    lines = Lines()
    assert lines.feed(b"round 1: ", 10.0) == []
    assert lines.feed(b"", 10.0 + PATIENCE / 2) == []
    assert lines.feed(b"", 10.0 + PATIENCE) == ["round 1: "]
    assert lines.feed(b"done\n", 20.0) == ["done"]
    assert lines.feed(b"", 30.0) == []


def test_a_line_without_end_is_told_in_pieces() -> None:
    assert [len(piece) for piece in all_of(b"x" * (2 * LONGEST + 5) + b"\n")] == [LONGEST, LONGEST, 5]
    lines = Lines()
    assert sum(len(piece) for _ in range(5) for piece in lines.feed(b"y" * LONGEST, 0.0)) >= 4 * LONGEST


def test_a_full_log_still_gets_the_last_lines() -> None:
    told: list[str] = []
    log = Log(told.append, room=1000)
    for number in range(1000):
        log.add(f"line {number}")
    log.close()
    kept = [line for line in told if not line.startswith("[")]
    assert kept[0] == "line 0"
    assert kept[-TAIL:] == [f"line {number}" for number in range(1000 - TAIL, 1000)]
    assert len(kept) == len(set(kept)) < 200
    assert f"[{1000 - len(kept)} lines are left out]" in told
    assert sum("the log is full" in line for line in told) == 1


def test_a_log_with_room_gets_everything_once() -> None:
    told: list[str] = []
    log = Log(told.append)
    for number in range(100):
        log.add(str(number))
    log.close()
    assert told == [str(number) for number in range(100)]


TRACEBACK = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "    go()"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], ""),
        (["round 1/3", "", "  "], "round 1/3"),
        (["usage: train.py", "train.py: error: argument --rounds: invalid int value: 'x'"] * 2, None),
        ([*TRACEBACK, "ValueError: no pictures", "run 7 ended as finished:failed"], "ValueError: no pictures"),
        ([*TRACEBACK, "KeyError: 1", "", "During handling ...:", "", *TRACEBACK, "OSError: 2"], "OSError: 2"),
        ([*TRACEBACK, "    ~~^^", "\x1b[91mValueError: red\x1b[0m", "and a second line"], "ValueError: red"),
        ([*TRACEBACK], "go()"),
        (
            ["Starting", "╭─ Error ──╮", "│ No such   │", "│           │", "│ app.      │", "╰───────────╯"],
            "No such app.",
        ),
        (["x" * 5000], "x" * 300),
    ],
)
def test_the_reason_of_a_failure_is_what_was_raised_or_else_the_last_line(lines: list[str], why: str | None) -> None:
    assert reason(lines) == (lines[-1] if why is None else why)
    log = Log(lambda _: None, room=0)
    for line in lines:
        log.add(line)
    assert log.reason == reason(lines)
