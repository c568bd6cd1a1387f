"""Batches with real workers: those of a running farm and the batch's own."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.batch_folder import COMMAND, TASKS, Bench
from tests.support.running_farm import ROOT, RunningFarm, until

# Workers of its own.


def test_without_a_farm_a_batch_works_with_workers_of_its_own_and_leaves_nothing_of_them(bench: Bench) -> None:
    names = bench.inputs(7)
    status, out, err = bench.batch("echo", "in", "-p", "x=1", "--format", "csv")
    assert (status, out, err) == (0, "7 succeeded, 0 failed: echo-results/results.jsonl\n", "")
    assert sorted(line["file"] for line in bench.lines()) == sorted(names)
    for name in names:
        record = json.loads((bench.out / f"{name}.json").read_text())
        assert record["result"] == {"params": {"x": 1}, "bytes": len(name)}
    with open(bench.out / "results.csv", encoding="utf-8-sig", newline="") as table:
        assert sorted(row["file"] for row in csv.DictReader(table)) == sorted(names)
    assert bench.workers() == []
    assert bench.left() == []
    assert not (bench.path / "spool").exists()


def test_files_of_a_result_lie_beside_it(bench: Bench) -> None:
    from PIL import Image

    Image.new("RGB", (4, 4)).save(bench.path / "in/a.png")
    status, _, err = bench.batch("packing", "in", "--out", "packed")
    assert (status, err) == (0, "")
    assert (bench.path / "packed/a.png.txt").read_text() == "纸"
    assert (bench.path / "packed/a.png.bin").read_bytes() == b"L" * 100_000


def test_text_is_read_from_pictures_and_documents_in_one_folder(bench: Bench) -> None:
    from PIL import Image, ImageDraw, ImageFont

    pages = []
    for words in ("North Quay 1284", "Timber Yard", "Brick Kilns"):
        pages.append(Image.new("L", (640, 200), 255))
        ImageDraw.Draw(pages[-1]).text((40, 70), words, fill=0, font=ImageFont.load_default(48))
    pages[0].save(bench.path / "in/a.png")
    pages[1].save(bench.path / "in/b.pdf", save_all=True, append_images=pages[2:])
    status, out, err = bench.batch("ocr", "in", "--workers", "2")
    assert (status, out, err) == (0, "2 succeeded, 0 failed: ocr-results/results.jsonl\n", "")
    assert (bench.path / "ocr-results/a.png.txt").read_text() == "North Quay 1284\n"
    assert (bench.path / "ocr-results/b.pdf.txt").read_text().split("\f") == ["Timber Yard\n", "Brick Kilns\n", ""]
    assert (bench.path / "ocr-results/b.pdf.pdf").read_bytes().startswith(b"%PDF")
    assert bench.workers() == []
    status, _, err = bench.batch("ocr", "in/b.pdf", "-p", "pages=2-", "--out", "second", "--workers", "1")
    assert (status, err) == (0, "")
    assert (bench.path / "second/in/b.pdf.txt").read_text() == "Brick Kilns\n\f"


def test_a_list_on_standard_input_is_done(bench: Bench) -> None:
    names = bench.inputs(3)
    status, out, _ = bench.batch("echo", "-", list_="\0".join(f"in/{name}" for name in [*names, names[0]]))
    assert (status, out.partition(" ")[0]) == (0, "3")
    assert sorted(line["file"] for line in bench.lines()) == sorted(f"in/{name}" for name in names)


def test_what_fails_is_named_and_the_rest_is_done(bench: Bench) -> None:
    bench.inputs(2)
    (bench.path / "in/broken.png").write_text("no picture")
    status, out, err = bench.batch("packing", "in/broken.png", "missing.png", "--out", "out")
    assert status == 1
    assert out == "0 succeeded, 2 failed: out/results.jsonl\n"
    assert re.search(r"^spoolfarm: in/broken.png: image: is not a picture", err, re.MULTILINE)
    assert re.search(r"^spoolfarm: missing.png: No such file or directory$", err, re.MULTILINE)
    assert json.loads((bench.path / "out/missing.png.json").read_text())["code"] == "unreadable"


def test_a_batch_outlives_a_killed_worker(bench: Bench) -> None:
    names = bench.inputs(40)
    with bench.start("echo", "in", "--workers", "2", "-p", "seconds=0.1") as process:
        until(lambda: len(bench.lines()) >= 4, what="some results")
        killed = bench.workers()[0]
        os.kill(killed, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("40 succeeded, 0 failed")
    assert re.search(r"ended( with job [0-9a-f]{24})?: killed by signal 9 \(SIGKILL\)", err)
    assert sorted(line["file"] for line in bench.lines()) == sorted(names)


def test_a_picture_that_kills_its_workers_fails_alone(bench: Bench) -> None:
    from PIL import Image

    Image.new("RGB", (4, 4)).save(bench.path / "in/a.png")
    bench.settings["FARM_MAX_ATTEMPTS"] = "2"
    status, out, err = bench.batch("poison", "in", "--out", "out", "--workers", "1")
    assert (status, out) == (1, "0 succeeded, 1 failed: out/results.jsonl\n")
    assert "a.png: the worker died in every one of 2 attempts: killed by signal 9" in err


def test_workers_that_cannot_start_end_the_batch_with_the_reason(bench: Bench) -> None:
    from PIL import Image

    Image.new("RGB", (4, 4)).save(bench.path / "in/a.png")
    status, out, err = bench.batch("bad", "in", "--out", "out", "--workers", "1")
    assert (status, out) == (1, "")
    assert "the workers cannot start: FileNotFoundError: no such model" in err
    assert bench.left() == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("dance", "in"), "no task is called 'dance'"),
        (("echo", "in", "-p", "seconds=-1"), "params.seconds"),
        (("echo", "in", "--out", "."), "holds other things"),
        (("echo", "in", "--workers", "0"), "no number from 1"),
        (("echo", "in", "--params", "[1]"), "must be a JSON object"),
        (("echo",), "name files"),
        (("echo", "inn", "*.tiff"), "inn: there is no such file or folder"),
        ((), "TASK"),
    ],
)
def test_what_makes_no_sense_is_status_2_and_starts_nothing(bench: Bench, words: tuple[str, ...], reason: str) -> None:
    bench.inputs(1)
    status, out, err = bench.batch(*words)
    assert (status, out) == (2, "")
    assert reason in err
    assert sorted(path.name for path in bench.path.iterdir()) == ["in", "temporary"]


# A running farm.


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm of two workers, which have done nothing before the first two tests."""
    given = {"FARM_MAX_QUEUED": 10, "FARM_TASKS": TASKS, "FARM_ENABLE": "echo,poison"}
    with RunningFarm(tmp_path_factory.mktemp("farm"), **given) as made:
        yield made


@pytest.fixture
def farm(running: RunningFarm, bench: Bench) -> RunningFarm:
    """The farm, which the command finds."""
    bench.settings |= running.given
    return running


def test_own_workers_may_be_asked_for_beside_a_farm(farm: RunningFarm, bench: Bench) -> None:
    bench.inputs(4)
    status, out, _ = bench.batch("echo", "in", "--workers", "1")
    assert (status, out.partition(",")[0]) == (0, "4 succeeded")
    assert not any("done" in worker for worker in farm.farm.workers())


def test_the_workers_tell_top_what_they_do(farm: RunningFarm, bench: Bench) -> None:
    bench.inputs(8)
    assert bench.batch("echo", "in")[0] == 0
    done = until(
        lambda: sum(worker.get("done", {}).get("echo", {"ended": 0})["ended"] for worker in farm.farm.workers()) == 8
    )
    assert done


def test_a_running_farm_does_the_batch_behind_everybody_else(farm: RunningFarm, bench: Bench) -> None:
    bench.inputs(20)
    with bench.start("echo", "in", "-p", "seconds=0.2") as process:
        until(lambda: farm.farm.spool.count().get("echo", 0) >= 3, what="a queue")
        assert max(farm.farm.spool.count().values()) <= 5  # half of the room is for others
        assert bench.workers() == []
        started = len(bench.lines())
        assert farm.farm.call("echo", b"urgent", timeout=30)["bytes"] == 6
        assert len(bench.lines()) - started <= 6  # those that ran, or were about to
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "20 succeeded, 0 failed: echo-results/results.jsonl\n", "")
    assert farm.farm.results.ids() == []
    assert set(farm.farm.spool.count().values()) <= {0}


def test_a_batch_waits_while_the_queue_is_full(farm: RunningFarm, bench: Bench) -> None:
    bench.inputs(6)
    others = [farm.farm.submit("echo", seconds=0.5) for _ in range(2)]
    until(lambda: all(job.status() == "running" for job in others))
    others += [farm.farm.submit("echo", seconds=0.2) for _ in range(10)]
    status, out, err = bench.batch("echo", "in")
    assert (status, out, err) == (0, "6 succeeded, 0 failed: echo-results/results.jsonl\n", "")
    assert "queued" not in {job.status() for job in others}
    for job in others:
        assert job.wait(20)["bytes"] == 0
        assert farm.farm.remove_result(job.id)


def test_an_interrupted_batch_leaves_nothing_in_the_farms_queue(farm: RunningFarm, bench: Bench) -> None:
    bench.inputs(20)
    with bench.start("echo", "in", "-p", "seconds=0.3") as process:
        until(lambda: bench.lines() and farm.farm.spool.count().get("echo", 0) >= 3, what="a queue")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert sum(farm.farm.spool.count().values()) == 0
    assert not any(farm.farm.spool.running().values())
    assert farm.farm.results.ids() == []
    assert len(farm.workers()) == 2


def test_a_batch_waits_for_a_farm_that_stopped_meanwhile(farm: RunningFarm, bench: Bench) -> None:
    bench.inputs(12)
    with bench.start("echo", "in", "-p", "seconds=0.2") as process:
        until(lambda: len(bench.lines()) >= 2, what="some results")
        farm.kill_launcher()
        farm.start()
        out, _ = process.communicate(timeout=60)
    assert out.startswith("12 succeeded, 0 failed")


# The page about it.


def test_the_examples_of_the_page_run(farm: RunningFarm, bench: Bench) -> None:
    page = (ROOT / "docs/batch.md").read_text()
    program = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).replace("batch ocr", "batch echo")
    (bench.path / "scans/2024").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "2024/c.jpg"):
        (bench.path / "scans" / name).write_text(name)
    environment = {**os.environ, **bench.settings, "PATH": f"{Path(COMMAND).parent}:{os.environ['PATH']}"}
    said = subprocess.check_output(["bash", "-euc", program], cwd=bench.path, env=environment, text=True, timeout=90)
    assert [line.split(",")[0] for line in said.splitlines()] == [
        *("3 succeeded", "2 succeeded", "3 succeeded", "3 succeeded"),
        "0 succeeded",
    ]
