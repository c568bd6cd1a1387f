"""Many pages from files to texts, from the shell, on two cores: `python -m benchmarks.batch --help`.

Every peer starts from nothing, models included, gets the same rendered pages of one megapixel as JPEG files, and is
through when it has ended. The error is that of the whole output in its order: edits per character, after NFKC and
without white space.
"""

from __future__ import annotations

import ast
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from benchmarks import pages
from benchmarks.measure import (
    MEMORY,
    OUT,
    Comparison,
    Figure,
    Target,
    arguments,
    machine,
    report,
    scratch,
    stop_on_sigterm,
)

#: The cores the promises are made for, and so the processes each peer may use at once.
CORES = 2
#: What stands on the pages, in turn.
KINDS = ("english", "chinese", "invoice", "columns")
PIXELS = 1_000_000
OURS, HASTY, COMMAND = "spoolfarm batch", "spoolfarm batch, fast", "rapidocr, command line"
SCRIPT, SCRIPTS = "rapidocr, one script", "rapidocr, two scripts"
OCRMYPDF = "ocrmypdf --jobs 2"
#: How many times the pages a second of these are promised.
LEAST = {COMMAND: 1.6, SCRIPT: 1.6, SCRIPTS: 1.6, OCRMYPDF: 1.2}
FIGURES = (Figure("pages_s", "pages/s", 3), Figure("cpu_s", "CPU s/page", 2), Figure("cer", "error", 4))
VERSIONS = ("rapidocr", "onnxruntime", "ocrmypdf", "opencv-python-headless")
BIN = Path(sys.executable).parent
_TEXTS = re.compile(r", txts=(\(.*?\)|None), scores=", re.DOTALL)

Read = Callable[[Sequence[Path], Path], list[str]]


@dataclass(frozen=True)
class Sheaf:
    """Pages as files, and what stands on them."""

    files: list[Path]
    texts: list[str]


def render(count: int, home: Path) -> Sheaf:
    """Write *count* pages of one megapixel below *home*."""
    sheaf = Sheaf([], [])
    for number in range(count):
        page = pages.render(KINDS[number % len(KINDS)], seed=number)
        height, width = page.picture.shape[:2]
        scale = (PIXELS / (height * width)) ** 0.5
        picture = cv2.resize(page.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        sheaf.files.append(home / f"page-{number:04}.jpg")
        cv2.imwrite(str(sheaf.files[-1]), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        sheaf.texts.append(page.text)
    return sheaf


# The peers: from files to texts, in order, with *home* for what they write.


def by_spoolfarm(files: Sequence[Path], home: Path, quality: str = "normal") -> list[str]:
    """`spoolfarm batch ocr` with two workers of its own."""
    run([*batch(files[0].parent, home / "out"), "--param", f"quality={quality}"], home)
    return found(files, home / "out")


def batch(folder: Path, out: Path) -> list[str]:
    return [str(BIN / "spoolfarm"), "batch", "ocr", str(folder), "--out", str(out), "--workers", str(CORES), "--resume"]


def found(files: Sequence[Path], out: Path) -> list[str]:
    return [(out / f"{file.name}.txt").read_text() for file in files]


def by_command(files: Sequence[Path], home: Path) -> list[str]:
    """`rapidocr -img FILE` for each page, two at a time: the command takes one picture."""

    def one(file: Path) -> str:
        lines = _TEXTS.search(run([str(BIN / "rapidocr"), "-img", str(file)], home))
        return "\n".join(ast.literal_eval(lines[1]) or ()) if lines else ""

    with ThreadPoolExecutor(CORES) as pool:
        return list(pool.map(one, files))


def by_scripts(processes: int, threads: int) -> Read:
    """A script that calls RapidOCR in a loop, in so many *processes*, each with its share of the files."""

    def read(files: Sequence[Path], home: Path) -> list[str]:
        def share(number: int) -> str:
            command = [sys.executable, "-m", "benchmarks.peers.rapidocr", str(threads)]
            return run([*command, *map(str, files[number::processes])], home)

        with ThreadPoolExecutor(processes) as pool:
            said = [json.loads(line) for text in pool.map(share, range(processes)) for line in text.splitlines()]
        texts = {path: "\n".join(lines) for path, lines in said}
        return [texts[str(file)] for file in files]

    return read


def by_ocrmypdf(files: Sequence[Path], home: Path) -> list[str]:
    """`ocrmypdf --jobs 2` on a PDF of all pages, with the text beside. Making that PDF is not counted."""
    side = home / "side.txt"
    options = ["--jobs", str(CORES), "-l", "chi_sim+eng", "--output-type", "pdf", "--optimize", "0", "--quiet"]
    run([str(BIN / "ocrmypdf"), *options, "--sidecar", str(side), str(pdf(files)), str(home / "out.pdf")], home)
    texts = side.read_text().split("\f")
    if len(texts) != len(files):
        raise RuntimeError(f"ocrmypdf wrote the text of {len(texts)} pages for {len(files)}")
    return texts


def pdf(files: Sequence[Path]) -> Path:
    """The PDF of all pages beside them, made when first asked for."""
    path = files[0].parent.parent / "pages.pdf"
    if not path.exists():
        import img2pdf  # type: ignore[import-untyped]

        path.write_bytes(img2pdf.convert([str(file) for file in files]))
    return path


PEERS: dict[str, Read] = {
    OURS: by_spoolfarm,
    HASTY: partial(by_spoolfarm, quality="fast"),
    COMMAND: by_command,
    SCRIPT: by_scripts(1, 0),
    SCRIPTS: by_scripts(CORES, 1),
    OCRMYPDF: by_ocrmypdf,
}


def run(command: Sequence[str], home: Path) -> str:
    """What *command* prints. Raises RuntimeError with what it complained of when it fails."""
    environment = {**os.environ, "FARM_SPOOL_DIR": str(home / "spool"), "FARM_RESULTS_DIR": str(home / "results")}
    environment |= {"TMPDIR": str(home), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


# Sections.


def compare(sheaf: Sheaf, rounds: int, peers: Sequence[str]) -> tuple[dict[str, Any], list[Target]]:
    """Every peer reads all pages in every round."""
    if OCRMYPDF in peers:
        pdf(sheaf.files)

    def trial(peer: str) -> dict[str, float]:
        with scratch(MEMORY) as home:
            cpu, begin = spent(), time.perf_counter()
            texts = PEERS[peer](sheaf.files, home)
            seconds, cpu = time.perf_counter() - begin, spent() - cpu
        count = len(sheaf.files)
        return {"pages_s": count / seconds, "cpu_s": cpu / count, "cer": error_rate(texts, sheaf.texts)}

    base = COMMAND if COMMAND in peers else peers[0]
    comparison = Comparison(FIGURES, base)
    comparison.run(peers, rounds, trial)
    comparison.show()
    comparison.plot(OUT / "batch.png", f"{len(sheaf.files)} pages of one megapixel, two cores")
    targets = []
    for peer in peers:
        if peer in LEAST:
            ratio = comparison.ratio(OURS, "pages_s", peer)
            targets.append(Target(f"pages/s to {peer}", ratio, LEAST[peer], at_most=False))
        if peer not in (OURS, HASTY):
            ours, theirs = (max(comparison.values(each, "cer")) for each in (OURS, peer))
            targets.append(Target(f"error less that of {peer}", ours - theirs, 0))
    return comparison.record(), targets


def spent() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def error_rate(texts: Sequence[str], truths: Sequence[str]) -> float:
    """Edits per character over all pages."""
    pairs = zip(texts, truths, strict=True)
    wrong = sum(pages.edits(pages.letters(text), pages.letters(truth)) for text, truth in pairs)
    return wrong / sum(len(pages.letters(truth)) for truth in truths)


def interrupted(sheaf: Sheaf) -> tuple[dict[str, Any], list[Target]]:
    """The batch, stopped by Ctrl-C after a third and killed after two, and gone on with; beside one that was not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs in the background ignore it
    with scratch(MEMORY) as home:
        straight = by_spoolfarm(sheaf.files, home)
        command, lines = batch(sheaf.files[0].parent, home / "again"), home / "again" / "results.jsonl"
        done: list[int] = []
        for part, number in ((1, signal.SIGINT), (2, signal.SIGKILL)):
            wanted = len(sheaf.files) * part // 3
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None and counted(lines) < wanted:
                    time.sleep(0.05)
                process.send_signal(number)
            done.append(counted(lines))
        run(command, home)
        again = found(sheaf.files, home / "again")
        total = counted(lines)
    print(f"interrupted with {done[0]} and {done[1]} done; at the end {total} of {len(sheaf.files)}")
    differ = sum(one != other for one, other in zip(straight, again, strict=True))
    targets = [
        Target("interruptions after the last page", sum(each == len(sheaf.files) for each in done), 0),
        Target("pages missing or doubled after two interruptions", abs(total - len(sheaf.files)), 0),
        Target("texts that differ from an uninterrupted run's", differ, 0),
    ]
    return {"done": done, "total": total, "differ": differ}, targets


def counted(lines: Path) -> int:
    """How many whole lines there are."""
    return lines.read_bytes().count(b"\n") if lines.exists() else 0


def main() -> int:
    """Measure, print, and say whether the targets were reached."""
    parser = arguments(__doc__.partition("\n")[0], ("peers", "interrupted"), rounds=1)
    parser.add_argument("--pages", type=int, default=300, help="how many pages")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="whom to measure")
    chosen = parser.parse_args()
    stop_on_sigterm()
    with scratch(MEMORY) as home:
        (home / "in").mkdir()
        sheaf = render(10 if chosen.quick else chosen.pages, home / "in")
        sections = {
            "peers": lambda: compare(sheaf, chosen.rounds, chosen.peers),
            "interrupted": lambda: interrupted(sheaf),
        }
        done: dict[str, Any] = {"machine": machine(VERSIONS), "pages": len(sheaf.files)}
        targets: list[Target] = []
        for name in chosen.sections:
            print(f"\n{name}", flush=True)
            done[name], promised = sections[name]()
            targets += promised
    return report("batch", done, targets)


if __name__ == "__main__":
    sys.exit(main())
