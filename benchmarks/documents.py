"""Whole documents beside OCRmyPDF, and in how much memory: `python -m benchmarks.documents --help`.

Both get the same PDF of rendered pages and make one searchable PDF of it, on the same cores, one after the other in
every round. The error is that of what pdftotext finds in it, page by page: edits per character, after NFKC and without
white space.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pikepdf

from benchmarks import books, pages
from benchmarks.measure import (
    MEMORY,
    OUT,
    Comparison,
    Figure,
    Target,
    arguments,
    cpu_seconds,
    machine,
    print_table,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers.farm import launch
from spoolfarm import Farm

#: Workers, one for each of the two cores the promises are made for.
CREW = 2
OURS, ONE, PEER = "spoolfarm, 2 workers", "spoolfarm, 1 worker", f"ocrmypdf --jobs {CREW}"
FIGURES = (
    Figure("pages_s", "pages/s", 2),
    Figure("cpu_s", "CPU s/page", 2),
    Figure("cer", "error", 4),
    Figure("growth", "PDF, KB/page more", 1),
)
#: Pages of the book that is compared, and its size in pixels: the second is for a quick run.
PAGES, SIZE = (40, 6), (books.A4, (1000, 330))
#: Pages of the books whose memory is measured.
LENGTHS = ((5, 40, 200), (5, 20))
#: A page of those, so that many of them do not take all day.
SHORT = (1240, 400)
#: Seconds that a document may take.
PATIENCE = 3600.0


class FarmOf:
    """A farm with *workers* for reading and one for documents."""

    def __init__(self, stack: ExitStack, workers: int) -> None:
        os.environ["FARM_ENABLE"] = "ocr,document"
        os.environ["FARM_SIMULATIONS"] = "0"
        home = stack.enter_context(scratch(MEMORY))
        service, _ = launch(home, workers)
        stack.callback(service.stop)
        self.pid = service.pid
        self.farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
        stack.callback(self.farm.close)
        service.wait_until(lambda: len(self.farm.workers()) == workers + 1)

    def read(self, pdf: bytes) -> bytes:
        """The searchable PDF of *pdf*."""
        job = self.farm.submit("document", pdf)
        job.wait(PATIENCE)
        made = job.file("document.pdf")
        self.farm.results.remove(job.id)
        return made

    def peaks(self) -> tuple[float, float]:
        """The most MB that the worker for documents, and any of the others, has held."""
        held: dict[bool, float] = {True: 0.0, False: 0.0}
        for worker in self.farm.workers():
            status = Path(f"/proc/{worker['pid']}/status").read_text()
            [peak] = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
            sees_to_documents = worker["tasks"] == ["document"]
            held[sees_to_documents] = max(held[sees_to_documents], peak)
        return held[True], held[False]


def ocrmypdf(pdf: bytes, home: Path) -> bytes:
    """What OCRmyPDF makes of *pdf* with Tesseract, pages with text left as they are and pictures untouched."""
    source, target = home / "in.pdf", home / "out.pdf"
    source.write_bytes(pdf)
    options = ["-l", "chi_sim+eng", "--jobs", str(CREW), "--output-type", "pdf", "--optimize", "0", "--skip-text"]
    subprocess.run([sys.executable, "-m", "ocrmypdf", "--quiet", *options, source, target], check=True)
    return target.read_bytes()


def compare(
    rounds: int, count: int, size: tuple[int, int], crews: Mapping[str, int], others: Sequence[str], base: str
) -> tuple[Comparison, list[str]]:
    """A book of *count* pages by farms of so many workers and by *others* in every round, another book each round.

    Also what is wrong with the PDF files that we made.
    """
    seeds = dict.fromkeys((*crews, *others), 0)
    checks: list[str] = []
    with ExitStack() as stack:
        home = stack.enter_context(scratch(MEMORY))
        farms = {peer: FarmOf(stack, workers) for peer, workers in crews.items()}

        def trial(peer: str) -> dict[str, float]:
            book = books.book(count, size, seed=seeds[peer])
            seeds[peer] += 1
            root = farms[peer].pid if peer in farms else os.getpid()
            cpu, begin = cpu_seconds(root), time.perf_counter()
            made = farms[peer].read(book.pdf) if peer in farms else ocrmypdf(book.pdf, home)
            seconds = time.perf_counter() - begin
            used = cpu_seconds(root) - cpu
            place = home / "made.pdf"
            place.write_bytes(made)
            if peer in farms:
                checks.extend(faults(place, book))
            wrong, total = errors(place, book.texts)
            more = (len(made) - len(book.pdf)) / 1024 / count
            return {"pages_s": count / seconds, "cpu_s": used / count, "cer": wrong / total, "growth": more}

        comparison = Comparison(FIGURES, base)
        comparison.run([*crews, *others], rounds, trial)
    comparison.show()
    return comparison, checks


def peers(rounds: int, count: int, size: tuple[int, int]) -> tuple[dict[str, Any], list[Target]]:
    """The farm beside OCRmyPDF."""
    comparison, checks = compare(rounds, count, size, {OURS: CREW}, [PEER], PEER)
    comparison.plot(OUT / "documents.png", f"a document of {count} pages, two cores")
    targets = [
        Target("error of pdftotext on what we made", max(comparison.values(OURS, "cer")), 0.01),
        Target("qpdf --check, and scans that are not byte for byte what they were", len(checks), 0),
    ]
    return {**comparison.record(), "faults": checks}, targets


def spread(rounds: int, count: int) -> tuple[dict[str, Any], list[Target]]:
    """One document by two workers and by one."""
    comparison, checks = compare(rounds, count, SHORT, {OURS: CREW, ONE: 1}, [], ONE)
    ratio = comparison.ratio(OURS, "pages_s")
    target = Target("pages/s with two workers to those with one", ratio, 1.6, at_most=False)
    return {**comparison.record(), "faults": checks}, [target]


def errors(path: Path, texts: Sequence[str]) -> tuple[int, int]:
    """How many letters are wrong in what pdftotext finds, and how many there are."""
    found = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True).stdout.split("\f")[:-1]
    wrong = sum(books.errors(one, other) for one, other in zip(found, texts, strict=True))
    return wrong, sum(len(pages.letters(text)) for text in texts)


def faults(path: Path, book: books.Book) -> list[str]:
    """What qpdf finds wrong with a PDF, and the pages whose scan is not byte for byte what it was."""
    done = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True)
    found = [done.stdout + done.stderr] if done.returncode or done.stderr else []
    with pikepdf.open(path) as pdf:
        for number, (page, scan) in enumerate(zip(pdf.pages, book.scans, strict=True), start=1):
            if scan is not None and page.obj.Resources.XObject.Scan.read_raw_bytes() != scan:
                found.append(f"page {number}")
    return found


def memory(lengths: Sequence[int]) -> tuple[dict[str, Any], list[Target]]:
    """The most memory that a fresh farm's workers hold while they read a book of each length."""
    held: dict[int, tuple[float, float, float]] = {}
    for count in lengths:
        book = books.book(count, SHORT)
        with ExitStack() as stack:
            farm = FarmOf(stack, CREW)
            farm.read(book.pdf)
            held[count] = (*farm.peaks(), len(book.pdf) / 2**20)
    rows = [[str(count), *(f"{value:.1f}" for value in row)] for count, row in held.items()]
    print_table(["pages", "documents' worker, MB", "largest reader, MB", "the PDF, MB"], rows)
    short, long = held[lengths[0]], held[lengths[-1]]
    pages_more = lengths[-1] - lengths[0]
    grown = 1024 * ((long[0] - 2 * long[2]) - (short[0] - 2 * short[2])) / pages_more
    return {str(count): row for count, row in held.items()}, [
        Target("KB that a page costs the documents' worker, beyond twice the file", grown, 50),
        Target("a reader's memory after the longest book to that after the shortest", long[1] / short[1], 1.25),
    ]


def main() -> int:
    parser = arguments(__doc__ or "", ("peers", "spread", "memory"), rounds=3)
    parser.add_argument("--pages", type=int, help="pages of the book that is compared (default: 40, quick 6)")
    chosen = parser.parse_args()
    stop_on_sigterm()
    OUT.mkdir(parents=True, exist_ok=True)
    rounds = 1 if chosen.quick else chosen.rounds
    sections: dict[str, Callable[[], tuple[dict[str, Any], list[Target]]]] = {
        "peers": lambda: peers(rounds, chosen.pages or PAGES[chosen.quick], SIZE[chosen.quick]),
        "spread": lambda: spread(rounds, PAGES[chosen.quick]),
        "memory": lambda: memory(LENGTHS[chosen.quick]),
    }
    done: dict[str, Any] = {"machine": machine(("ocrmypdf", "pikepdf", "pypdfium2", "onnxruntime"))}
    targets: list[Target] = []
    for name in chosen.sections:
        print(f"\n{name}", flush=True)
        done[name], promised = sections[name]()
        targets += promised
    return report("documents", done, targets)


if __name__ == "__main__":
    sys.exit(main())
