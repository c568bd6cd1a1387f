"""Documents through a real farm: pages spread over workers, one answer out, whatever dies on the way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from benchmarks import books
from spoolfarm.farm import FarmJob
from tests.running import RunningFarm, until

Run = Callable[..., RunningFarm]
#: A page with a few rows, which takes half a second of a core.
SHORT = (1000, 330)


@pytest.fixture
def farm(run: Run) -> RunningFarm:
    return run(FARM_ENABLE="ocr,document", FARM_SIMULATIONS=0).start()


def ended(job: FarmJob, seconds: float = 100) -> dict[str, Any]:
    """The record of *job* when it is over."""
    until(lambda: job.status() not in ("queued", "running"), seconds, f"{job.record()}")
    return job.record()


def text_of(pdf: bytes, path: Path) -> list[str]:
    """What pdftotext finds on each page."""
    path.write_bytes(pdf)
    found = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout
    return found.split("\f")[:-1]


def stray(farm: RunningFarm, *jobs: FarmJob) -> list[str]:
    """What is left on the disk of jobs other than *jobs*."""
    known = {job.id for job in jobs}
    ids = {path.name.partition(".")[0] for path in Path(farm.given["FARM_RESULTS_DIR"]).iterdir()}
    spool = Path(farm.given["FARM_SPOOL_DIR"])
    for folder in ("queue", "active", "dead", "parts"):
        ids |= {path.name.partition(".")[0] for path in (spool / folder).rglob("*") if not path.is_dir()}
    return sorted(each for each in ids - known if len(each) == 24)


def test_a_book_of_forty_pages_becomes_one_searchable_pdf(farm: RunningFarm, tmp_path: Path) -> None:
    book = books.book(40, SHORT)
    job = farm.farm.submit("ocr", book.pdf)
    record = ended(job)
    assert record["task"] == "document"
    result = record["result"]
    assert [page["page"] for page in result["pages"]] == list(range(1, 41))
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
    assert wrong < 0.01 * sum(len(books.letters(text)) for text in book.texts)
    assert books.errors(result["text"], "\n".join(book.texts)) <= wrong + 10
    checked = subprocess.run(["qpdf", "--check", tmp_path / "out.pdf"], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "No syntax or stream encoding errors" in checked.stdout
    with pikepdf.open(tmp_path / "out.pdf") as made:
        for page, scan in zip(made.pages, book.scans, strict=True):
            if scan is not None:
                assert page.obj.Resources.XObject.Scan.read_raw_bytes() == scan
    assert stray(farm, job) == []
