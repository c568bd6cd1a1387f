"""Masks beside plain torchvision and LitServe, and in flat memory: `python -m benchmarks.segment --help`.

All peers have the same random weights of torchvision's Mask R-CNN R50 and get the same JPEG files, on two cores with
one thread in each of two processes, one peer after the other in every round. The weights find 20 objects in each
picture.
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import (
    MEMORY,
    OUT,
    Comparison,
    Figure,
    Service,
    Target,
    answers,
    arguments,
    cpu_seconds,
    free_port,
    machine,
    print_table,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers import masks
from benchmarks.peers.farm import launch
from benchmarks.peers.masks import WorkerPool, status_mb
from spoolfarm import Farm

#: Processes, one for each of the two cores the promises are made for.
CREW = 2
OURS, PLAIN = masks.OURS, masks.PLAIN
FARM, MAPPED, LITSERVE = "spoolfarm farm, 2 workers", "spoolfarm farm by map", "litserve, 2 workers"
#: Width and height by the longer side.
SIZES = {800: (800, 600), 1333: (1333, 1000), 4000: (4000, 3000)}
#: Pictures in a pass, for two processes.
PASS, PASS_QUICK = 6, 2
#: Seconds that one request may take.
PATIENCE = 300.0
#: Jobs of the memory section, with the classical engine and with a small net.
JOBS, JOBS_QUICK = 10_000, 400
BARE = (Figure("images_s", "images/s", 3), Figure("cpu_s", "CPU s/image", 2), Figure("peak_mb", "peak MB", 0))
SERVED = (Figure("images_s", "images/s", 3), Figure("cpu_s", "CPU s/image", 2), Figure("p50_s", "p50 s", 2))
VERSIONS = ("torch", "torchvision", "litserve", "opencv-python-headless", "pycocotools")

#: How many times the pictures a second of the peers are promised, by the longer side.
FASTER = {800: 1.25, 4000: 1.8}

Section = tuple[dict[str, Any], list[Target]]


def picture(side: int, seed: int = 0) -> bytes:
    """A JPEG with shapes on an uneven, noisy ground."""
    import cv2

    rng = np.random.default_rng(seed)
    width, height = SIZES.get(side, (side, side * 3 // 4))
    ground = cv2.resize(rng.integers(60, 190, (6, 8, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(20):
        at, reach = rng.random(2) * (width, height), rng.uniform(0.03, 0.12, 2) * width
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        centre, halves = (int(at[0]), int(at[1])), (int(reach[0]), int(reach[1]))
        cv2.ellipse(ground, centre, halves, float(rng.uniform(0, 180)), 0, 360, colour, cv2.FILLED)
    noisy = cv2.add(ground, rng.integers(0, 16, ground.shape, np.uint8))
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@contextmanager
def weights() -> Iterator[Path]:
    """The random weights that all peers have."""
    with scratch(MEMORY) as home:
        masks.make(home / "random.pth")
        yield home / "random.pth"


# Sections.


def stages(sides: Sequence[int], rounds: int) -> Section:
    """Milliseconds by stage of one picture in one process, ours beside the plain call."""
    done: dict[str, Any] = {}
    with ExitStack() as stack:
        path = stack.enter_context(weights())
        crews = {name: WorkerPool(1, name, path, picture(200)) for name in (PLAIN, OURS)}
        for crew in crews.values():
            stack.callback(crew.stop)
        for side in sides:
            times: dict[str, list[dict[str, float]]] = {name: [] for name in crews}
            for _ in range(rounds):
                for name, crew in crews.items():
                    [(found, _)] = crew.predict([picture(side)])
                    if found["count"] < masks.LEAST:
                        raise RuntimeError(f"{name} found {found['count']} objects")
                    times[name].append({"resize": 0.0, **found["timing_ms"]})
            done[str(side)] = {
                name: {stage: median(each[stage] for each in told) for stage in told[0]} for name, told in times.items()
            }
    header = ("decode", "resize", "net", "masks")
    rows = [
        [f"{side}, {name}", *(f"{told[stage]:.1f}" for stage in header), f"{sum(told.values()):.0f}"]
        for side, by_name in done.items()
        for name, told in by_name.items()
    ]
    print_table(["ms (the plain call resizes and pastes inside net)", *header, "all"], rows)
    return done, []


def bare(sides: Sequence[int], rounds: int, count: int) -> Section:
    """Pictures a second of two processes that call the function in a loop."""
    done: dict[str, Any] = {}
    targets = []
    with ExitStack() as stack:
        path = stack.enter_context(weights())
        crews = {name: WorkerPool(CREW, name, path, picture(200)) for name in (PLAIN, OURS)}
        for crew in crews.values():
            stack.callback(crew.stop)
        for side in sides:
            files = [picture(side, seed) for seed in range(count)]

            def trial(name: str, files: list[bytes] = files) -> dict[str, float]:
                cpu, begin = cpu_seconds(os.getpid()), time.perf_counter()
                peaks = [peak for _, peak in crews[name].predict(files)]
                seconds, used = time.perf_counter() - begin, cpu_seconds(os.getpid()) - cpu
                return {"images_s": len(files) / seconds, "cpu_s": used / len(files), "peak_mb": max(peaks)}

            comparison = Comparison(BARE, PLAIN)
            print(f"\n{side} pixels")
            comparison.run(list(crews), rounds, trial)
            comparison.show()
            done[str(side)] = comparison.record()
            if side in FASTER:
                ratio = comparison.ratio(OURS, "images_s")
                targets.append(Target(f"images/s at {side} to torchvision", ratio, FASTER[side], at_most=False))
            if side == max(SIZES):
                ratio = comparison.ratio(OURS, "peak_mb")
                targets.append(Target(f"peak memory at {side} to torchvision", ratio, 0.5))
    return done, targets


def servers(sides: Sequence[int], rounds: int, count: int) -> Section:
    """The whole farm beside LitServe with the same weights: pictures a second from two clients, p50 of one."""
    done: dict[str, Any] = {}
    targets = []
    with ExitStack() as stack:
        path = stack.enter_context(weights())
        services = {FARM: serve_farm(stack, path), LITSERVE: serve_litserve(stack, path)}
        for side in sides:
            bodies = [request_body(side, seed) for seed in range(count)]

            def trial(name: str, bodies: list[bytes] = bodies) -> dict[str, float]:
                service, address = services[name]
                cpu, begin = cpu_seconds(service.pid), time.perf_counter()
                with ThreadPoolExecutor(CREW) as clients:
                    list(clients.map(lambda body: ask(address, body), bodies))
                seconds, used = time.perf_counter() - begin, cpu_seconds(service.pid) - cpu
                alone = median(ask(address, body) for body in bodies[: max(2, count // 2)])
                return {"images_s": len(bodies) / seconds, "cpu_s": used / len(bodies), "p50_s": alone}

            comparison = Comparison(SERVED, LITSERVE)
            print(f"\n{side} pixels")
            comparison.run(list(services), rounds, trial)
            comparison.show()
            done[str(side)] = comparison.record()
            if side in FASTER:
                ratio = comparison.ratio(FARM, "images_s")
                targets.append(Target(f"images/s at {side} to litserve", ratio, FASTER[side], at_most=False))
            targets.append(Target(f"p50 of one request at {side} to litserve", comparison.ratio(FARM, "p50_s"), 1.0))
    return done, targets


def serve_farm(stack: ExitStack, path: Path) -> tuple[Service, tuple[str, int]]:
    """A farm with two workers of one thread that runs only segment, until *stack* ends."""
    home = stack.enter_context(scratch(MEMORY))
    os.environ |= {"FARM_ENABLE": "segment", "FARM_SEGMENT_MODEL": str(path), "FARM_TIMEOUT": str(PATIENCE)}
    service, address = launch(home, CREW)
    stack.callback(service.stop)
    farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
    service.wait_until(lambda: len(farm.workers()) == CREW)
    farm.close()
    warm(address)
    return service, address


def serve_litserve(stack: ExitStack, path: Path) -> tuple[Service, tuple[str, int]]:
    home = stack.enter_context(scratch(MEMORY))
    address = ("127.0.0.1", free_port())
    command = (sys.executable, "-m", "benchmarks.peers.litmasks", str(address[1]), str(path))
    service = Service(command, env={"OMP_NUM_THREADS": "1"}, log=home / "litserve.log")
    stack.callback(service.stop)
    service.wait_until(lambda: answers(address, "/health"), PATIENCE)
    warm(address)
    return service, address


def warm(address: tuple[str, int]) -> None:
    """Have both workers do a few pictures."""
    with ThreadPoolExecutor(CREW) as clients:
        list(clients.map(lambda seed: ask(address, request_body(200, seed)), range(3 * CREW)))


def request_body(side: int, seed: int) -> bytes:
    """What a client of `/predict` sends."""
    params = {"max_detections": masks.MOST, "score_threshold": masks.SCORE}
    return json.dumps({"image": base64.b64encode(picture(side, seed)).decode(), "params": params}).encode()


def ask(address: tuple[str, int], body: bytes) -> float:
    """Seconds until the whole answer is there."""
    begin = time.perf_counter()
    connection = HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != 200 or json.loads(text)["count"] < masks.LEAST:
        raise RuntimeError(f"{answer.status}: {text[:300]!r}")
    return time.perf_counter() - begin


def through_the_farm(side: int, rounds: int, count: int) -> Section:
    """Pictures a second by `Farm.map` on two workers, beside two bare processes that call the task in a loop."""
    files = [picture(side, seed) for seed in range(count)]
    with ExitStack() as stack:
        path = stack.enter_context(weights())
        home = stack.enter_context(scratch(MEMORY))
        os.environ |= {"FARM_ENABLE": "segment", "FARM_SEGMENT_MODEL": str(path)}
        service, _ = launch(home, CREW)
        stack.callback(service.stop)
        farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
        stack.callback(farm.close)
        service.wait_until(lambda: len(farm.workers()) == CREW)
        crew = WorkerPool(CREW, OURS, path, picture(200))
        stack.callback(crew.stop)
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: crew.predict(files),
            MAPPED: lambda: list(farm.map("segment", files, max_detections=masks.MOST)),
        }

        def trial(name: str) -> dict[str, float]:
            cpu, begin = cpu_seconds(os.getpid()), time.perf_counter()
            runs[name]()
            seconds, used = time.perf_counter() - begin, cpu_seconds(os.getpid()) - cpu
            return {"images_s": len(files) / seconds, "cpu_s": used / len(files)}

        trial(MAPPED)
        comparison = Comparison(BARE[:2], OURS)
        comparison.run(list(runs), rounds, trial)
    comparison.show()
    ratio = comparison.ratio(MAPPED, "images_s")
    return comparison.record(), [Target("images/s through the farm to bare processes", ratio, 0.97, at_most=False)]


def memory(count: int) -> Section:
    """One worker does *count* small jobs with each engine; the middle of the last fifth to that of the second."""
    done: dict[str, Any] = {}
    targets = []
    for engine in ("classical", "small net"):
        with ExitStack() as stack:
            home = stack.enter_context(scratch(MEMORY))
            os.environ |= {"FARM_ENABLE": "segment", "FARM_SEGMENT_MODEL": model_of(engine, home)}
            os.environ |= {"FARM_RECYCLE_JOBS": "0", "FARM_RECYCLE_MB": "0"}
            service, _ = launch(home, 1)
            stack.callback(service.stop)
            farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
            stack.callback(farm.close)
            service.wait_until(lambda farm=farm: bool(farm.workers()))  # type: ignore[misc]
            [worker] = farm.workers()
            rng = random.Random(3)
            files = [picture(rng.randrange(40, 240), seed) for seed in range(50)]
            held = []
            for number, _ in enumerate(farm.map("segment", (files[n % 50] for n in range(count)), max_detections=5)):
                if number % max(1, count // 200) == 0:
                    held.append(status_mb(worker["pid"], "VmRSS"))
            if [each["pid"] for each in farm.workers()] != [worker["pid"]]:
                raise RuntimeError("the worker was replaced")
        fifth = len(held) // 5
        before, after = median(held[fifth : 2 * fifth]), median(held[-fifth:])
        print_table([f"{count} jobs, {engine}", "MB"], [["second fifth", f"{before:.0f}"], ["last", f"{after:.0f}"]])
        done[engine] = held
        targets.append(Target(f"memory over {count} jobs with {engine}, last fifth to second", after / before, 1.05))
    return done, targets


def model_of(engine: str, home: Path) -> str:
    """What FARM_SEGMENT_MODEL is for *engine*: the small net has random weights."""
    if engine == "classical":
        return engine
    from spoolfarm.tasks.segment import net

    hyper = net.Hyper(side=128)
    net.save(home / "small.pt", net.build(side=128).state_dict(), hyper, {1: "object"}, {})
    return str(home / "small.pt")


def many_objects() -> Section:
    """A worker's peak while it finds 100 objects in 12 megapixels."""
    with weights() as path, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        count, peak = pool.submit(_hundred, str(path)).result()
    print_table(["objects in 12 megapixels", "peak MB"], [[str(count), f"{peak:.0f}"]])
    return {"objects": count, "peak_mb": peak}, [Target(f"peak MB with {count} objects in 12 megapixels", peak, 1536)]


def _hundred(path: str) -> tuple[int, float]:
    masks.MOST = 100
    predict = masks.open_spoolfarm(path)
    return predict(picture(max(SIZES)))["count"], status_mb("self", "VmHWM")


def main() -> int:
    names = ("stages", "bare", "servers", "farm", "memory", "objects")
    parser = arguments(__doc__ or "", names, rounds=3)
    parser.add_argument("--sides", nargs="+", type=int, choices=SIZES, default=list(SIZES), help="longer sides")
    parser.add_argument("--jobs", type=int, default=JOBS, help="jobs of the memory section")
    chosen = parser.parse_args()
    stop_on_sigterm()
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    rounds, count = (1, PASS_QUICK) if chosen.quick else (chosen.rounds, PASS)
    compared = [side for side in chosen.sides if side in FASTER] or chosen.sides
    sections: dict[str, Callable[[], Section]] = {
        "stages": lambda: stages(chosen.sides, rounds),
        "bare": lambda: bare(compared, rounds, count),
        "servers": lambda: servers(compared, rounds, count),
        "farm": lambda: through_the_farm(min(SIZES), 2 * rounds, 2 * count),
        "memory": lambda: memory(JOBS_QUICK if chosen.quick else chosen.jobs),
        "objects": many_objects,
    }
    done: dict[str, Any] = {"machine": machine(VERSIONS)}
    targets: list[Target] = []
    for name in chosen.sections:
        print(f"\n{name}", flush=True)
        done[name], promised = sections[name]()
        targets += promised
    return report("segment", done, targets)


if __name__ == "__main__":
    sys.exit(main())
