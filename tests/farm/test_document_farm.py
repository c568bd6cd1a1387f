"""Documents through a real farm: pages spread over workers, one answer out, whatever dies on the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from benchmarks import books, pages
from spoolfarm.farm.farm import FarmJob
from tests.support.running_farm import RunningFarm, until

Run = Callable[..., RunningFarm]
#: A page with one row.
TINY = (640, 200)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    with RunningFarm(tmp_path_factory.mktemp("documents"), FARM_ENABLE="ocr,document", FARM_SIMULATIONS=0) as made:
        yield made


def ended(job: FarmJob, seconds: float = 100) -> dict[str, Any]:
    """The record of *job* when it is over."""
    until(lambda: job.status() not in ("queued", "running"), seconds, f"{job.record()}")
    return job.record()


def text_of(pdf: bytes, path: Path) -> list[str]:
    """What pdftotext finds on each page."""
    path.write_bytes(pdf)
    found = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout
    return found.split("\f")[:-1]


def stray(farm: RunningFarm) -> list[str]:
    """What is left on the disk of jobs other than documents."""
    known = {record["id"] for record in farm.farm.jobs(task="document")}
    ids = {path.name.partition(".")[0] for path in Path(farm.given["FARM_RESULTS_DIR"]).iterdir()}
    spool = Path(farm.given["FARM_SPOOL_DIR"])
    for folder in ("queue", "active", "dead", "parts"):
        ids |= {path.name.partition(".")[0] for path in (spool / folder).rglob("*") if not path.is_dir()}
    return sorted(each for each in ids - known if len(each) == 24)


def nothing_stray(farm: RunningFarm, sweep: bool = False) -> None:
    """Wait until only the jobs of documents are left."""
    found: list[str] = []

    def look() -> bool:
        if sweep:
            farm.farm.sweep()
        found[:] = stray(farm)
        return not found

    with contextlib.suppress(AssertionError):
        until(look)
    assert found == []


def test_a_book_of_twenty_pages_becomes_one_searchable_pdf(farm: RunningFarm, tmp_path: Path) -> None:
    book = books.book(20, TINY)
    job = farm.farm.submit("ocr", book.pdf)
    record = ended(job)
    assert record["task"] == "document"
    result = record["result"]
    assert [page["page"] for page in result["pages"]] == list(range(1, 21))
    assert record["files"] == [
        "document.alto.xml",
        "document.hocr.html",
        "document.json",
        "document.pdf",
        "document.tsv",
        "document.txt",
    ]
    pdf = job.file("document.pdf")
    found = text_of(pdf, tmp_path / "out.pdf")
    wrong = sum(books.errors(one, other) for one, other in zip(found, book.texts, strict=True))
    assert wrong < 0.01 * sum(len(pages.letters(text)) for text in book.texts)
    assert [pages.letters(text) for text in result["text"].split("\f")] == [pages.letters(text) for text in found]
    checked = subprocess.run(["qpdf", "--check", tmp_path / "out.pdf"], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "No syntax or stream encoding errors" in checked.stdout
    with pikepdf.open(tmp_path / "out.pdf") as made:
        for page, scan in zip(made.pages, book.scans, strict=True):
            if scan is not None:
                assert page.obj.Resources.XObject.Scan.read_raw_bytes() == scan
    assert stray(farm) == []


def test_a_pdf_dropped_into_the_hot_folder_comes_back_searchable(farm: RunningFarm, tmp_path: Path) -> None:
    book = books.book(2, TINY, seed=9)
    inbox = Path(farm.given["FARM_SPOOL_DIR"]) / "inbox" / "ocr"
    until(inbox.is_dir)
    (inbox / "書.pdf").write_bytes(book.pdf)
    place = Path(farm.given["FARM_RESULTS_DIR"]) / "inbox" / "ocr"
    until((place / "書.pdf").exists, 60)
    assert json.loads((place / "書.pdf.json").read_text())["task"] == "document"
    assert books.errors((place / "書.pdf.txt").read_text(), "".join(book.texts)) == 0
    assert text_of((place / "書.pdf.pdf").read_bytes(), tmp_path / "out.pdf") != []
    assert (place / "書.pdf").read_bytes() == book.pdf


def coordinator(farm: RunningFarm) -> int:
    """The process id of the worker that sees to documents."""
    [found] = [worker["pid"] for worker in farm.farm.workers() if worker["tasks"] == ["document"]]
    return int(found)


def pages_done(job: FarmJob) -> int:
    """How many pages are written down, by what the job says of its progress."""
    return round((job.record()["progress"] or 0) * 12)


def whole(job: FarmJob, book: books.Book, tmp_path: Path) -> None:
    """Fail unless the document has each page once, in order."""
    found = text_of(job.file("document.pdf"), tmp_path / "out.pdf")
    assert [books.errors(one, other) for one, other in zip(found, book.texts, strict=True)] == [0] * len(book.texts)
    assert [page["page"] for page in job.record()["result"]["pages"]] == list(range(1, len(book.texts) + 1))


def test_a_document_whose_worker_is_killed_goes_on_and_repeats_no_page(farm: RunningFarm, tmp_path: Path) -> None:
    book = books.book(12, TINY, seed=1)
    job = farm.farm.submit("document", book.pdf)
    until(lambda: pages_done(job) >= 4)
    noted = (Path(farm.given["FARM_SPOOL_DIR"]) / "parts" / job.id).read_text().split()
    done = {each: farm.farm.results.get(each) for each in noted}
    os.kill(coordinator(farm), signal.SIGKILL)
    until(lambda: job.record()["attempts"] == 2)
    for each, record in done.items():
        now = farm.farm.results.get(each)
        assert record is None or now is None or now["finished"] == record["finished"]
    assert ended(job)["status"] == "succeeded"
    whole(job, book, tmp_path)
    assert stray(farm) == []


def test_a_page_whose_worker_is_killed_is_read_again(farm: RunningFarm, tmp_path: Path) -> None:
    book = books.book(12, TINY, seed=2)
    job = farm.farm.submit("ocr", book.pdf)
    until(lambda: pages_done(job) >= 2)
    for worker in farm.farm.workers():
        if "ocr" in worker["tasks"]:
            os.kill(worker["pid"], signal.SIGKILL)
    assert ended(job)["status"] == "succeeded"
    assert job.record()["attempts"] == 1
    whole(job, book, tmp_path)
    assert stray(farm) == []


def test_a_document_survives_the_farm_and_no_page_is_done_twice(farm: RunningFarm, tmp_path: Path) -> None:
    book = books.book(12, TINY, seed=3)
    job = farm.farm.submit("ocr", book.pdf)
    until(lambda: pages_done(job) >= 3)
    farm.signal(signal.SIGTERM)
    assert farm.wait() == 0
    assert job.record()["status"] == "queued"
    assert job.record()["attempts"] == 0
    farm.start()
    assert ended(job)["attempts"] == 1
    whole(job, book, tmp_path)
    assert stray(farm) == []


def test_a_cancelled_document_takes_its_pages_with_it(farm: RunningFarm) -> None:
    job = farm.farm.submit("document", books.book(12, TINY, seed=4).pdf)
    until(lambda: pages_done(job) >= 1)
    assert job.cancel()
    assert ended(job)["status"] == "cancelled"
    nothing_stray(farm)


def test_the_pages_of_a_document_that_is_given_up_go_too(run: Run) -> None:
    farm = run(FARM_ENABLE="ocr,document", FARM_SIMULATIONS=0, FARM_MAX_ATTEMPTS=1).start()
    job = farm.farm.submit("document", books.book(12, TINY, seed=5).pdf)
    until(lambda: pages_done(job) >= 1)
    os.kill(coordinator(farm), signal.SIGKILL)
    record = ended(job)
    assert (record["status"], record["code"]) == ("failed", "worker_died")
    nothing_stray(farm, sweep=True)


def test_a_page_that_kills_every_worker_is_missing_and_the_others_are_there(run: Run, tmp_path: Path) -> None:
    farm = run(
        FARM_TASKS="ocr=tests.support.rude_tasks:Fragile",
        FARM_ENABLE="ocr,document",
        FARM_SIMULATIONS=0,
        FARM_MAX_ATTEMPTS=2,
    ).start()
    pdf = pikepdf.new()
    for number in range(3):
        if number == 1:
            books.add_drawn(pdf, ["poison"])
        else:
            books.add(pdf, (100, 100), "0.5 g 0 0 10 10 re f")
    job = farm.farm.submit("document", books.written(pdf))
    record = ended(job)
    assert record["status"] == "succeeded"
    first, second, third = record["result"]["pages"]
    assert second["code"] == "worker_died"
    assert "died in every one of 2 attempts" in second["error"]
    assert first["lines"] == third["lines"] == 1
    assert record["result"]["text"] == "read\n\f\n\fread"
    assert [text.strip() for text in text_of(job.file("document.pdf"), tmp_path / "out")] == ["read", "poison", "read"]
    nothing_stray(farm)
