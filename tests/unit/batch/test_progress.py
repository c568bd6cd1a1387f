"""What a batch shows of itself, on a terminal and elsewhere."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from spoolfarm.batch import progress
from spoolfarm.batch.progress import BatchProgress, Pace


def shown(total: int, *, terminal: bool, earlier: int = 0, quiet: bool = False) -> tuple[BatchProgress, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80, color_system=None, highlight=False)
    return BatchProgress(total, earlier=earlier, quiet=quiet, console=console), file


def test_the_rate_is_that_of_the_last_minute() -> None:
    pace = Pace()
    assert pace.rate(5.0, 0) == 0
    for second in range(300):
        pace.note(float(second), second if second < 200 else 200 + 10 * (second - 200))
    assert pace.rate(299.0, 1190) == pytest.approx(10, rel=0.05)


def test_the_time_before_the_first_one_ended_does_not_count() -> None:
    pace = Pace()
    pace.note(0.0, 0)
    pace.note(30.0, 1)
    pace.note(32.0, 5)
    assert pace.rate(32.0, 5) == 2.0


def test_the_rate_falls_while_nothing_ends() -> None:
    pace = Pace()
    pace.note(0.0, 1)
    pace.note(1.0, 11)
    assert [pace.rate(now, 11) for now in (1.0, 2.0, 10.0)] == [10.0, 5.0, 1.0]


def test_figures_tell_how_far_how_fast_how_long_and_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    batch, _ = shown(300, terminal=False, earlier=100)
    assert batch.figures(100.0) == "100/300"
    for number in range(41):
        batch.count(failed=number == 7)
        batch.show()
        clock[0] += 0.5
    assert batch.figures(120.0) == "141/300, 1 failed, 2.00/s, 79.5 s left"
    batch.note = "waiting for a worker"
    assert batch.figures(120.0) == "141/300, 1 failed, 2.00/s, waiting for a worker"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REDRAW", 0)
    batch, file = shown(4, terminal=True)
    with batch:
        for _ in range(2):
            batch.count(failed=False)
            batch.show()
    assert "━━━" in file.getvalue()
    assert "2/4" in file.getvalue()


def test_elsewhere_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    batch, file = shown(1000, terminal=False)
    with batch:
        for _ in range(60):
            batch.count(failed=False)
            batch.show()
            clock[0] += 1 / 2
    lines = file.getvalue().splitlines()
    assert [line.split("/")[0] for line in lines] == ["21", "41"]


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_is_quiet_but_warnings_are_seen(terminal: bool) -> None:
    batch, file = shown(2, terminal=terminal, quiet=True)
    with batch:
        batch.count(failed=False)
        batch.show()
        logging.getLogger("pool").info("nobody needs this")
        logging.getLogger("pool").error("a worker died")
    logging.getLogger("pool").error("afterwards this goes elsewhere")
    assert file.getvalue() == "spoolfarm: a worker died\n"
