"""Reading text beside RapidOCR and Tesseract, through the farm, and in flat memory: `python -m benchmarks.ocr --help`.

All readers get the same rendered pages as JPEG files, on the same cores, one reader after the other in every round. The
error is that of the whole output in its order: edits per character, after NFKC and without white space.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import pages
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

#: Processes, one for each of the two cores the promises are made for.
CREW = 2
OURS, FARM = "spoolfarm 2 x 1 thread", "spoolfarm farm, 2 workers"
DEFAULTS, TESSERACT, TESSERACT_TURNED = "rapidocr, defaults", "tesseract 2 x 1", "tesseract 2 x 1, psm 1"
#: By name: how many processes, which reader, and its threads or page segmentation mode.
PEERS: dict[str, tuple[int, str, int | None]] = {
    DEFAULTS: (1, "rapidocr", None),
    "rapidocr 2 x 1 thread": (CREW, "rapidocr", 1),
    TESSERACT: (CREW, "tesseract", 3),
    TESSERACT_TURNED: (CREW, "tesseract", 1),
    OURS: (CREW, "spoolfarm", 1),
}
FIGURES = (Figure("pages_s", "pages/s", 3), Figure("cpu_s", "CPU s/page", 2), Figure("cer", "error", 4))
#: Kinds of pages in a quick run, and in the comparison with the farm.
FEW = ("invoice", "english turned 180", "columns", "noisy")
#: Pages of changing sizes for the memory section.
CHANGING, CHANGING_QUICK = 500, 60
VERSIONS = ("rapidocr", "onnxruntime", "opencv-python-headless")

Read = Callable[[bytes], str]


# The readers, each in processes of its own.


def open_reader(name: str, option: int | None) -> Read:
    """A function from a JPEG file to its text; called in the process that will use it."""
    return {"spoolfarm": open_spoolfarm, "rapidocr": open_rapidocr, "tesseract": open_tesseract}[name](option)


def open_spoolfarm(threads: int | None) -> Read:
    """The task itself, as a worker holds it."""
    import cv2

    from spoolfarm import images
    from spoolfarm.tasks.ocr.reader import Reader

    cv2.setNumThreads(threads or 1)
    reader = Reader(threads or 1)
    return lambda data: str(reader.read(images.decode(data)).record()["text"])


def open_rapidocr(threads: int | None) -> Read:
    """RapidOCR as its README says, with all its defaults or with fewer threads. It gets the decoded picture."""
    import cv2
    from rapidocr import RapidOCR

    params: dict[str, Any] = {"Global.log_level": "critical"}
    if threads:
        cv2.setNumThreads(threads)
        params |= {f"EngineConfig.onnxruntime.{kind}_op_num_threads": threads for kind in ("intra", "inter")}
    engine = RapidOCR(params=params)
    return lambda data: "\n".join(engine(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)).txts or ())


def open_tesseract(mode: int | None) -> Read:
    """The tesseract command with one thread. Mode 3 is its default, mode 1 also looks how the page is turned."""
    command = ("tesseract", "stdin", "stdout", "-l", "chi_sim+eng", "--psm", str(mode))
    env = {**os.environ, "OMP_THREAD_LIMIT": "1"}

    def read(data: bytes) -> str:
        done = subprocess.run(command, input=data, capture_output=True, env=env, check=False)
        return done.stdout.decode()  # nothing when it found too little text to tell the page's turn

    return read


_read: Read


def _start(name: str, option: int | None) -> None:
    global _read
    _read = open_reader(name, option)


def _work(data: bytes) -> tuple[str, float]:
    """The text of a page, and the MB this process holds after it."""
    text = _read(data)
    return text, int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Crew:
    """Processes that hold one reader each and take pages as they become free."""

    def __init__(self, processes: int, name: str, option: int | None) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, spawn, _start, (name, option))
        self.read([pages.render("columns").jpeg()] * 2 * processes)

    def read(self, files: Sequence[bytes]) -> list[tuple[str, float]]:
        return list(self._pool.map(_work, files))

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)


# Sections.


def compare(rounds: int, kinds: Sequence[str]) -> tuple[dict[str, Any], list[Target]]:
    """Every peer reads a page of each kind in every round, a new set of pages each round."""
    errors: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    seeds = Counter[str]()
    with ExitStack() as stack:
        crews = {peer: Crew(*made) for peer, made in PEERS.items()}
        for crew in crews.values():
            stack.callback(crew.stop)

        def trial(peer: str) -> dict[str, float]:
            made = sorted((pages.render(kind, seeds[peer]) for kind in kinds), key=lambda page: -len(page.text))
            seeds[peer] += 1
            figures, texts = timed(lambda files: [text for text, _ in crews[peer].read(files)], made)
            wrong = total = 0
            for page, text in zip(made, texts, strict=True):
                wanted = pages.letters(page.text)
                count, length = pages.edits(pages.letters(text), wanted), len(wanted)
                wrong, total = wrong + count, total + length
                cell = errors[page.kind][peer]
                cell[0], cell[1] = cell[0] + count, cell[1] + length
            return figures | {"cer": wrong / total}

        comparison = Comparison(FIGURES, DEFAULTS)
        comparison.run(list(PEERS), rounds, trial)
    comparison.show()
    comparison.plot(OUT / "ocr.png", "rendered pages, two cores")
    rates = {kind: {peer: wrong / total for peer, (wrong, total) in row.items()} for kind, row in errors.items()}
    print_table(["error by kind", *PEERS], [[k, *(f"{row[peer]:.4f}" for peer in PEERS)] for k, row in rates.items()])
    mean = {peer: median(comparison.values(peer, "cer")) for peer in PEERS}
    targets = [
        Target("pages/s to rapidocr's defaults", comparison.ratio(OURS, "pages_s"), 1.6, at_most=False),
        *(Target(f"error less that of {peer}", mean[OURS] - mean[peer], -1e-6) for peer in PEERS if peer != OURS),
    ]
    return {**comparison.record(), "errors": rates}, targets


def timed(read: Callable[[list[bytes]], list[str]], made: Sequence[pages.Page]) -> tuple[dict[str, float], list[str]]:
    """Pages per second and CPU seconds a page of one pass over *made*, and the texts."""
    files = [page.jpeg() for page in made]
    gc.collect()
    cpu, begin = cpu_seconds(os.getpid()), time.perf_counter()
    texts = read(files)
    seconds = time.perf_counter() - begin
    return {"pages_s": len(files) / seconds, "cpu_s": (cpu_seconds(os.getpid()) - cpu) / len(files)}, texts


def through_the_farm(rounds: int) -> tuple[dict[str, Any], list[Target]]:
    """The same pages through the farm's library on two workers, and by two bare processes."""
    made = [pages.render(kind, seed) for seed in range(3) for kind in FEW]
    os.environ["FARM_ENABLE"] = "ocr"  # for the farm's processes: no other models beside
    with ExitStack() as stack:
        home = stack.enter_context(scratch(MEMORY))
        service, _ = launch(home, CREW)
        stack.callback(service.stop)
        farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
        stack.callback(farm.close)
        crew = Crew(*PEERS[OURS])
        stack.callback(crew.stop)

        def mapped(files: list[bytes]) -> list[str]:
            found = {id(item): str(result["text"]) for item, result in farm.map("ocr", files)}
            return [found[id(file)] for file in files]

        reads = {OURS: lambda files: [text for text, _ in crew.read(files)], FARM: mapped}
        texts: dict[str, list[str]] = {}

        def trial(peer: str) -> dict[str, float]:
            figures, texts[peer] = timed(reads[peer], made)
            return figures

        trial(FARM)
        comparison = Comparison(FIGURES[:2], OURS)
        comparison.run([OURS, FARM], rounds, trial)
    if texts[OURS] != texts[FARM]:
        raise RuntimeError("the farm read other texts than the bare processes")
    comparison.show()
    ratio = comparison.ratio(FARM, "pages_s")
    return comparison.record(), [Target("pages/s through the farm to bare processes", ratio, 0.97, at_most=False)]


def memory(count: int) -> tuple[dict[str, Any], list[Target]]:
    """One process reads *count* pages of changing sizes; the middle of the last fifth to that of the second."""
    rng = random.Random(5)
    crew = Crew(1, "spoolfarm", 1)
    try:
        held = [megabytes for each in changing(rng, count) for _, megabytes in crew.read([each])]
    finally:
        crew.stop()
    fifth = count // 5
    before, after = median(held[fifth : 2 * fifth]), median(held[-fifth:])
    print_table(["pages of changing sizes", "MB"], [["second fifth", f"{before:.0f}"], ["last fifth", f"{after:.0f}"]])
    plot_memory(held)
    return {"mb": held}, [Target(f"memory over {count} pages, last fifth to second", after / before, 1.05)]


def changing(rng: random.Random, count: int) -> Iterator[bytes]:
    """Pages of all sizes, from a snippet to 12 megapixels, with a few rows each."""
    for _ in range(count):
        width, height = (round(10 ** rng.uniform(2, 3.55)) for _ in range(2))
        size = max(12, min(height, width) // 12)
        sheet = pages.Sheet(width, height)
        text = pages.prose(rng, rng.choice([pages.ENGLISH, pages.CHINESE]), 2)
        sheet.flow(size, size, width - 2 * size, height, text, pages.font("Noto Sans CJK SC", size))
        yield sheet.page("changing").jpeg()


def plot_memory(held: Sequence[float]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    chart, panel = pyplot.subplots(figsize=(7, 3))
    panel.plot(held, color="tab:orange")
    panel.set(xlabel="pages of changing sizes", ylabel="MB resident", ylim=(0, None), title="one worker's reader")
    chart.tight_layout()
    chart.savefig(OUT / "ocr-memory.png", dpi=120)
    pyplot.close(chart)


def start(rounds: int) -> tuple[dict[str, Any], list[Target]]:
    """Seconds from the start of Python to a reader that is ready."""
    codes = {
        "spoolfarm": "from spoolfarm.tasks.ocr.task import Ocr; Ocr().setup()",
        "rapidocr": "from rapidocr import RapidOCR as R; r = R(params={'Global.log_level': 'critical'});"
        "r._load_det_model(); r._load_cls_model(); r._load_rec_model()",
        "python": "pass",
    }
    seconds = defaultdict(list)
    for _ in range(rounds):
        for name, code in codes.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds[name].append(time.perf_counter() - begin)
    print_table(["from start to ready", "s"], [[name, f"{median(each):.2f}"] for name, each in seconds.items()])
    return {name: median(each) for name, each in seconds.items()}, []


def main() -> int:
    parser = arguments(__doc__ or "", ("readers", "farm", "memory", "start"), rounds=3)
    chosen = parser.parse_args()
    stop_on_sigterm()
    OUT.mkdir(parents=True, exist_ok=True)
    rounds = 1 if chosen.quick else chosen.rounds
    sections: dict[str, Callable[[], tuple[dict[str, Any], list[Target]]]] = {
        "readers": lambda: compare(rounds, FEW if chosen.quick else list(pages.KINDS)),
        "farm": lambda: through_the_farm(rounds if chosen.quick else 2 * rounds),
        "memory": lambda: memory(CHANGING_QUICK if chosen.quick else CHANGING),
        "start": lambda: start(rounds + 2),
    }
    done: dict[str, Any] = {"machine": machine(VERSIONS)}
    targets: list[Target] = []
    for name in chosen.sections:
        print(f"\n{name}", flush=True)
        done[name], promised = sections[name]()
        targets += promised
    return report("ocr", done, targets)


if __name__ == "__main__":
    sys.exit(main())
