"""Batches that are interrupted, killed and gone on with."""

from __future__ import annotations

import csv
import os
import signal

from tests.support.batch_folder import Bench
from tests.support.running_farm import until


def test_interrupted_twice_and_resumed_the_total_is_that_of_an_uninterrupted_run(bench: Bench) -> None:
    names = bench.inputs(60)
    words = ("echo", "in", "--workers", "2", "--params", '{"seconds": 0.1}', "--format", "csv")
    for number in (signal.SIGINT, signal.SIGTERM):
        before = len(bench.lines())
        with bench.start(*words, "--resume") as process:
            until(lambda before=before: len(bench.lines()) >= before + 8, what="some results")  # type: ignore[misc]
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 128 + number
        assert "interrupted; --resume goes on with echo-results" in err
        assert bench.workers() == []
        assert bench.left() == []
    done = {line["file"]: line["id"] for line in bench.lines()}
    assert len(done) < 60
    status, out, err = bench.batch(*words, "--resume")
    assert (status, err) == (0, "")
    assert out == f"{60 - len(done)} succeeded, 0 failed, {len(done)} done before: echo-results/results.jsonl\n"
    assert sorted(line["file"] for line in bench.lines()) == sorted(names)
    assert done.items() <= {line["file"]: line["id"] for line in bench.lines()}.items()
    with open(bench.out / "results.csv", encoding="utf-8-sig", newline="") as table:
        assert sorted(row["file"] for row in csv.DictReader(table)) == sorted(names)


def test_what_runs_when_the_batch_is_stopped_is_finished_and_counts(bench: Bench) -> None:
    bench.inputs(6)
    with bench.start("echo", "in", "--workers", "1", "-p", "seconds=1") as process:
        until(lambda: list((bench.path / "temporary").glob("*/spool/active/*/*")), what="a running job")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert out == "1 succeeded, 0 failed: echo-results/results.jsonl\n"
    assert len(bench.lines()) == 1


def test_after_nohup_a_batch_outlives_its_terminal(bench: Bench) -> None:
    bench.inputs(10)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which the command inherits
    try:
        process = bench.start("echo", "in", "--workers", "1", "-p", "seconds=0.1")
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        until(bench.lines, what="some results")
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=60)
    assert out.startswith("10 succeeded")


def test_a_second_interruption_does_not_wait(bench: Bench) -> None:
    bench.inputs(2)
    with bench.start("echo", "in", "--workers", "1", "-p", "seconds=100") as process:
        until(lambda: list((bench.path / "temporary").glob("*/spool/active/*/*")), what="a running job")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)  # another one, for two of a kind may count as one
        process.communicate()
    assert process.returncode == 130
    assert bench.workers() == []
    assert bench.left() == []


def test_killed_outright_it_leaves_no_process_and_goes_on_with_the_right_count(bench: Bench) -> None:
    names = bench.inputs(40)
    words = ("echo", "in", "--workers", "2", "-p", "seconds=0.05", "--resume")
    with bench.start(*words) as process:
        until(lambda: len(bench.lines()) >= 10, what="some results")
        process.kill()
        process.communicate()
    until(lambda: not bench.workers(), what="its workers to be gone")
    done = {line["file"]: line["id"] for line in bench.lines()}
    [left] = bench.left()
    os.utime(bench.path / "temporary" / left, (0, 0))  # the next batch sees that it is not one that just begins
    status, out, _ = bench.batch(*words)
    assert status == 0
    assert out.startswith(f"{40 - len(done)} succeeded, 0 failed, {len(done)} done before")
    assert sorted(line["file"] for line in bench.lines()) == sorted(names)
    assert done.items() <= {line["file"]: line["id"] for line in bench.lines()}.items()
    assert bench.left() == []


def test_when_all_is_done_nothing_is_started_again(bench: Bench) -> None:
    bench.inputs(3)
    assert bench.batch("echo", "in")[0] == 0
    (bench.path / "in/new.jpg").write_text("new")
    assert bench.batch("echo", "in", "--resume")[1].startswith("1 succeeded, 0 failed, 3 done before")
    bench.settings["FARM_TASKS"] = ""
    assert bench.batch("echo", "in", "--resume")[1].startswith("0 succeeded, 0 failed, 4 done before")
    status, _, err = bench.batch("echo", "in")
    assert status == 2
    assert "--resume goes on with it" in err
