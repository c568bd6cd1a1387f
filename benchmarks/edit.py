"""Editing pictures beside OpenCV, ImageMagick and libvips: `python -m benchmarks.edit --help`.

The same JPEG files are edited and written as JPEG files of quality 95, by one request to `/items/` on a farm with two
workers and by the others as their users would run them. Everything lies in memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.measure import (
    MEMORY,
    OUT,
    ROOT,
    Comparison,
    Figure,
    Target,
    arguments,
    cpu_seconds,
    machine,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers.farm import launch

#: Two cores are what the promises are made for.
WORKERS = 2
BASE, IDEAL = "opencv, one process", "opencv, two processes of one thread"
MAGICK, VIPS, OURS = "convert, two at once", "vips, two at once", "spoolfarm /items/"
FIGURES = (Figure("pictures_s", "pictures/s", 2), Figure("cpu_ms", "CPU ms/picture", 1))
VERSIONS = ("opencv-python-headless",)
#: How many different pictures there are; the rest are further names of the same.
DISTINCT = 8
#: How many pictures a tool gets that starts anew for each of them: its rate does not depend on it.
SAMPLE = 40
#: Seconds for which a request may wait.
PATIENCE = 3600


@dataclass(frozen=True)
class Edit:
    """One edit, as each peer says it; {0} is the picture, {1} its copy without the suffix."""

    operations: Sequence[str]
    #: How many pictures it makes of one, and how large they are beside the original.
    outputs: int
    scale: float
    convert: str
    vips: str = ""


EDITS = {
    "half": Edit(
        ["resize=0.5"],
        1,
        0.5,
        "convert {0} -scale 50% -quality 95 {1}.jpg",
        "vips shrink {0} {1}.jpg[Q=95] 2 2",
    ),
    "quarters": Edit(
        ["splitQuadrants=True", "resize=2"],
        4,
        1,
        "convert {0} -crop 2x2@ +repage -filter Catrom -resize 200% -quality 95 -scene 1 {1}_%d.jpg",
    ),
    "blurred": Edit(
        ["blur=9"],
        1,
        1,
        "convert {0} -blur 4x1.7 -quality 95 {1}.jpg",
        "vips gaussblur {0} {1}.jpg[Q=95] 1.7",
    ),
}
#: Width and height by megapixels.
SIZES = {"1": (1152, 864), "12": (4000, 3000)}


def draw(size: tuple[int, int], seed: int) -> bytes:
    """A picture with large and small shapes and a little grain, as a photograph has them."""
    rng, (width, height) = np.random.default_rng(seed), size
    picture: Any = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64, 256):
        noise = rng.uniform(-1, 1, (cells * 3 // 4, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) * 120 / cells**0.5
    picture += rng.normal(128, 4, picture.shape).astype(np.float32)
    data = cv2.imencode(".jpg", picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return data.tobytes()


def lay_out(folder: Path, size: tuple[int, int], count: int) -> None:
    """Put *count* pictures into *folder*."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:04d}.jpg"
        if number < DISTINCT:
            path.write_bytes(draw(size, number))
        else:
            os.link(folder / f"{number % DISTINCT:04d}.jpg", path)


# The peers. Each edits the pictures of `source` into `target` and returns the seconds it took.


Run = Callable[[str, Path, Path], float]


def opencv(processes: int, threads: int) -> Run:
    """Python processes that share the pictures out; *threads* 0 are as many as OpenCV likes."""

    def run(name: str, source: Path, target: Path) -> float:
        if processes == 1:
            return _opencv(name, source, target, threads)
        parts = [source.parent / f"part{number}" for number in range(processes)]
        for part in parts:
            part.mkdir()
        for number, path in enumerate(sorted(source.iterdir())):
            os.link(path, parts[number % processes] / path.name)
        command = [_command(name, part, target, threads) for part in parts]
        running = [subprocess.Popen(each, cwd=ROOT, stdout=subprocess.PIPE) for each in command]
        took = [json.loads(each.communicate()[0]) for each in running]
        for part in parts:
            shutil.rmtree(part)
        return float(max(took))

    return run


def _opencv(name: str, source: Path, target: Path, threads: int) -> float:
    done = subprocess.run(_command(name, source, target, threads), cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return float(json.loads(done.stdout))


def _command(name: str, source: Path, target: Path, threads: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.peers.opencv", name, str(source), str(target), str(threads)]


def tool(line: Callable[[Edit], str], one_thread: Mapping[str, str]) -> Run:
    """A command for each of SAMPLE pictures, two of one thread at once, which is faster than one of two threads."""

    def run(name: str, source: Path, target: Path) -> float:
        command = line(EDITS[name]).format(f"{source}/NAME.jpg", f"{target}/NAME")
        names = "\0".join(path.stem for path in sorted(source.iterdir())[:SAMPLE])
        begin = time.perf_counter()
        subprocess.run(
            ["xargs", "-0", "-P", "2", "-I", "NAME", "sh", "-c", command],
            input=names.encode(),
            env={**os.environ, **one_thread},
            check=True,
        )
        return time.perf_counter() - begin

    return run


def items(address: tuple[str, int]) -> Run:
    """One request to the farm at *address* for all pictures."""

    def run(name: str, source: Path, target: Path) -> float:
        pairs = [{"input": str(path), "output": str(target / path.name)} for path in sorted(source.iterdir())]
        body = json.dumps({"images": pairs, "operations": EDITS[name].operations})
        headers = {"Content-Type": "application/json", "Prefer": f"wait={PATIENCE}"}
        connection = HTTPConnection(*address, timeout=PATIENCE)
        begin = time.perf_counter()
        connection.request("POST", "/items/", body, headers)
        answer = connection.getresponse()
        seconds = time.perf_counter() - begin
        if answer.status != 200 or answer.headers.get("X-Skipped"):
            raise RuntimeError(f"/items/ answered {answer.status}: {answer.read()[:500]!r}")
        connection.close()
        return seconds

    return run


def check(edit: Edit, size: tuple[int, int], target: Path, count: int) -> None:
    """Raise RuntimeError unless all pictures are there, of the size they should have."""
    made = sorted(target.iterdir())
    wanted = tuple(round(side * edit.scale) for side in size)
    picture: Any = cv2.imread(str(made[-1])) if made else np.empty(())
    shape = picture.shape
    if len(made) != count * edit.outputs or shape[1::-1] != wanted:
        raise RuntimeError(f"{len(made)} files, the last {shape}; wanted {count * edit.outputs} of {wanted}")


def compare(megapixels: str, name: str, count: int, rounds: int) -> tuple[dict[str, Any], list[Target]]:
    """Every peer makes the same edit of the same pictures in every round."""
    size, edit = SIZES[megapixels], EDITS[name]
    with scratch(MEMORY) as home:
        data = home / "data"
        lay_out(data / "in", size, count)
        service, address = launch(home, WORKERS)
        peers: dict[str, Run] = {BASE: opencv(1, 0), IDEAL: opencv(2, 1)}
        peers[MAGICK] = tool(lambda each: each.convert, {"MAGICK_THREAD_LIMIT": "1"})
        if edit.vips:
            peers[VIPS] = tool(lambda each: each.vips, {"VIPS_CONCURRENCY": "1"})
        peers[OURS] = items(address)

        def trial(peer: str) -> dict[str, float]:
            target, done = data / "out", min(count, SAMPLE) if peer in (MAGICK, VIPS) else count
            target.mkdir()
            before = cpu_seconds(os.getpid())
            seconds = peers[peer](name, data / "in", target)
            cpu = cpu_seconds(os.getpid()) - before
            check(edit, size, target, done)
            shutil.rmtree(target)
            return {"pictures_s": done / seconds, "cpu_ms": cpu / done * 1000}

        comparison = Comparison(FIGURES, BASE)
        try:
            trial(OURS)
            comparison.run(list(peers), rounds, trial)
        finally:
            service.stop()
    comparison.show()
    comparison.plot(OUT / f"edit-{name}-{megapixels}.png", f"{name}, {megapixels} megapixels, two cores")
    what = f"{name}, {megapixels} MP: pictures/s to"
    targets = [
        Target(f"{what} {BASE}", comparison.ratio(OURS, "pictures_s"), 1.7, at_most=False),
        Target(f"{what} {MAGICK}", comparison.ratio(OURS, "pictures_s", MAGICK), 1, at_most=False),
    ]
    return comparison.record(), targets


def main() -> int:
    """Run the sections chosen."""
    sections = [f"{name}-{megapixels}" for megapixels in SIZES for name in EDITS]
    parser = arguments(__doc__ or "", sections, rounds=3)
    parser.add_argument("--pictures", type=int, default=200, help="pictures in a request")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.pictures = 1, 16
    stop_on_sigterm()
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["FARM_ENABLE"] = "edit"  # for the farm's processes: no other models beside
    done: dict[str, Any] = {"machine": machine(VERSIONS), "options": vars(chosen)}
    targets: list[Target] = []
    for section in chosen.sections:
        name, _, megapixels = section.partition("-")
        print(f"\n{section}", flush=True)
        done[section], promised = compare(megapixels, name, chosen.pictures, chosen.rounds)
        targets += promised
    return report("edit", done, targets)


if __name__ == "__main__":
    sys.exit(main())
