"""What pieces of the code that are there for speed alone are worth: `python -m benchmarks.pieces --help`.

Each does the same work with the piece and without it, in turn, on one thread. What counts is CPU time, which a busy
machine changes little, but for the front, where it is the time on the clock.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from benchmarks.load import Connection
from benchmarks.measure import MEMORY, OUT, ROOT, Service, answers, free_port, print_table, scratch

Work = Callable[[], object]


@dataclass(frozen=True)
class Piece:
    """A piece, where it lies, and the work without and with it."""

    name: str
    place: str
    without: Work
    with_it: Work


def net_pieces() -> Iterator[Piece]:
    """What the net in the package is served with: a scene of 40 objects, 800 pixels wide."""
    import torch
    from torch.nn.functional import interpolate
    from torchvision.models.detection.roi_heads import paste_masks_in_image
    from torchvision.ops import MultiScaleRoIAlign

    from spoolfarm.tasks.fuse import fuse
    from spoolfarm.tasks.segment import net
    from spoolfarm.tasks.segment.engines import DEFAULT
    from spoolfarm.tasks.segment.pasting import paste
    from spoolfarm.tasks.segment.roi_align import RoiAlign

    torch.set_num_threads(1)
    plain = net.load(DEFAULT)[0]
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    fused = copy.deepcopy(last)
    fuse(fused, ordered=True)
    picture = torch.rand(1, 3, 448, 448)

    def forward(made: Any) -> Work:
        def work() -> object:
            with torch.inference_mode():
                return made.backbone(picture)

        return work

    yield Piece("channels last, backbone", "tasks/segment/maskrcnn.py", forward(plain), forward(last))
    yield Piece("normalisations fused, backbone", "tasks/fuse.py", forward(last), forward(fused))

    torch.manual_seed(1)
    corners = torch.rand(200, 2) * 300
    boxes = torch.cat([corners, corners + torch.rand(200, 2) * 140 + 4], 1)
    pyramid = {
        str(level): torch.rand(1, 64, 112 >> level, 112 >> level).contiguous(memory_format=torch.channels_last)
        for level in range(4)
    }
    for side, levels, samples, count in ((7, ["0", "1", "2", "3"], 2, 200), (28, ["0"], 1, 40)):
        pool = MultiScaleRoIAlign(levels, side, samples)

        def served(align: Any, count: int = count) -> Work:
            def work() -> object:
                with torch.inference_mode():
                    return align(pyramid, [boxes[:count]], [(448, 448)])

            return work

        def trained(align: Any, count: int = count) -> Work:
            maps = {name: each.clone().requires_grad_() for name, each in pyramid.items()}
            return lambda: align(maps, [boxes[:count]], [(448, 448)]).square().sum().backward()

        place = "tasks/segment/roi_align.py"
        yield Piece(f"RoIAlign {side}x{side}, served", place, served(pool), served(RoiAlign(pool)))
        yield Piece(f"RoIAlign {side}x{side}, with gradient", place, trained(pool), trained(RoiAlign(pool)))

    masks = torch.rand(20, 1, 56, 56)
    for name, high, wide in (("1", 864, 1152), ("12", 3000, 4000)):
        low = torch.rand(20, 2) * torch.tensor([wide * 0.7, high * 0.7])
        around = torch.cat([low, low + torch.rand(20, 2) * 0.25 * wide + 8], 1)

        def theirs(high: int = high, wide: int = wide, around: Any = around) -> object:
            return [np.asarray(each[0] > 0.5) for each in paste_masks_in_image(masks, around, (high, wide))]

        def ours(high: int = high, wide: int = wide, around: Any = around) -> object:
            return list(paste(masks, around, high, wide))

        yield Piece(f"20 masks pasted, {name} megapixels", "tasks/segment/pasting.py", theirs, ours)

    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (1600, 1200, 3), np.uint8))
    mean, deviation = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def resized(whole: Any) -> Any:
        return interpolate(whole[None], size=(448, 320), mode="bilinear", align_corners=False)[0]

    def first() -> object:
        whole = pixels.permute(2, 0, 1).flip(0).float() / 255
        return resized((whole - mean) / deviation)

    def after() -> object:
        return (resized(pixels.permute(2, 0, 1).float()).flip(0) / 255 - mean) / deviation

    yield Piece("normalised after resizing, 2 megapixels", "tasks/segment/maskrcnn.py", first, after)


def engine_pieces() -> Iterator[Piece]:
    """The engine on a crowded scene, its mask head's last layer, and its overlay."""
    import cv2
    import torch
    from torch import nn

    from spoolfarm.tasks.segment import net, overlay
    from spoolfarm.tasks.segment.engines import DEFAULT
    from spoolfarm.tasks.segment.instance import Wanted
    from spoolfarm.tasks.segment.maskrcnn import MaskRcnn
    from spoolfarm.training.scenes import scene

    torch.set_num_threads(1)
    model = net.load(DEFAULT)[0]
    head = model.roi_heads.mask_predictor
    wide, out = head[0].in_channels, head[0].out_channels // 4
    regions = torch.rand(30, wide, net.MASK_REGION, net.MASK_REGION)
    transposed = nn.ConvTranspose2d(wide, out, 2, 2)

    def finer(layer: nn.Module) -> Work:
        def work() -> object:
            with torch.inference_mode():
                return layer(regions)

        return work

    yield Piece("logits laid out, 30 objects", "tasks/segment/net.py: _Finer", finer(transposed), finer(head))

    picture = np.ascontiguousarray(scene(7, 3, 800, 800, crowded=1.5).picture[..., ::-1])
    engine = MaskRcnn(model, "default", {1: "object"})

    def found(score: float) -> Work:
        return lambda: engine.find([picture], [Wanted(score)])

    place = "tasks/segment/maskrcnn.py"
    yield Piece("weak detections dropped before their masks", place, found(0.01), found(0.5))

    def file(effort: int) -> Work:
        return lambda: cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, effort])

    yield Piece("the overlay's effort, 3 without", "tasks/segment/overlay.py", file(3), file(overlay.EFFORT))


def mask_pieces() -> Iterator[Piece]:
    """Run lengths of 20 masks in 12 megapixels, against pycocotools on whole masks."""
    from pycocotools import mask as rle

    from spoolfarm.tasks.segment.rle import encode

    rng = np.random.default_rng(1)
    crops = [(rng.random((300, 400)) > 0.02).astype(np.uint8) for _ in range(20)]

    def theirs() -> object:
        found = []
        for crop in crops:
            whole = np.zeros((3000, 4000), np.uint8, order="F")
            whole[500:800, 700:1100] = crop
            found.append(rle.encode(whole)["counts"])
        return found

    yield Piece(
        "run lengths of 20 masks, 12 megapixels",
        "tasks/segment/rle.py",
        theirs,
        lambda: [encode(crop, 700, 500, 3000, 4000) for crop in crops],
    )


def model_pieces() -> Iterator[Piece]:
    """A convolutional model as Flower projects have them: four blocks, 16 pictures of 64 pixels."""
    import torch
    from torch import nn

    from spoolfarm.tasks.fuse import fuse

    torch.set_num_threads(1)
    wides = (3, 32, 64, 128, 128)
    layers: list[nn.Module] = []
    for before, out in pairwise(wides):
        layers += [nn.Conv2d(before, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    plain = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)).eval()
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    fused = copy.deepcopy(last)
    fuse(fused)
    pictures = torch.rand(16, 3, 64, 64)
    other = pictures.contiguous(memory_format=torch.channels_last)

    def forward(made: nn.Module, given: Any) -> Work:
        def work() -> object:
            with torch.inference_mode():
                return made(given)

        return work

    place = "tasks/flower/network.py"
    yield Piece("channels last, a classifier", place, forward(plain, pictures), forward(last, other))
    yield Piece("normalisations fused, a classifier", "tasks/fuse.py", forward(last, other), forward(fused, other))


#: Halves pictures as the task edit does, and says how long one takes.
EDITING = """
import contextlib, sys, time, cv2, numpy
from spoolfarm.system import memory
cv2.setNumThreads(1)
keep, kept, wide, high = sys.argv[1] == "1", sys.argv[2] == "1", int(sys.argv[3]), int(sys.argv[4])
if keep:
    memory.keep()
smooth = cv2.resize(numpy.random.default_rng(1).integers(0, 255, (60, 80, 3), numpy.uint8), (wide, high))
data = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
with memory.largest_kept() if kept else contextlib.nullcontext():
    for count in (3, 12):
        begin = time.process_time()
        for _ in range(count):
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
            made = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, 95])
            del picture, made
print((time.process_time() - begin) / 12)
"""
#: A front that stays on one core, or does not.
FRONT = """
import sys
from spoolfarm.server import front
from spoolfarm.system import process
if sys.argv[1] == "0":
    process.stay_on_one_core = lambda: None
sys.argv[1:] = []
sys.exit(front.main())
"""
#: Requests of one trial of the front, and the connections on which they come.
REQUESTS, CONNECTIONS = 4000, 8


def fronted(one_core: int) -> float:
    """Seconds for a request to a front of its own on eight connections; that threads wait for each other counts."""
    address = ("127.0.0.1", free_port())
    with scratch(MEMORY) as home:
        env = {f"FARM_{name}_DIR": str(home / name.lower()) for name in ("SPOOL", "RESULTS", "DATA", "RUN")}
        env |= {"FARM_BIND": f"{address[0]}:{address[1]}", "FARM_ENABLE": "echo"}
        front = Service([sys.executable, "-c", FRONT, str(one_core)], env=env, log=home / "front.log")
        try:
            front.wait_until(lambda: answers(address, "/health"))
            begin = time.monotonic()
            asked(address, REQUESTS)
            return (time.monotonic() - begin) / REQUESTS
        finally:
            front.stop()


def asked(address: tuple[str, int], count: int) -> None:
    """Ask for the health *count* times on CONNECTIONS connections."""
    data = f"GET /health HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode()
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = Connection(address)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(data)
        left = count
        while left > 0:
            for key, _ in selector.select():
                if key.data.receive() is not None:
                    left -= 1
                    key.data.send(data)
        for key in list(selector.get_map().values()):
            key.data.socket.close()


def process_pieces() -> Iterator[Piece]:
    """What a process is told once, each tried in a process of its own."""

    def seconds(script: str, *given: object) -> Callable[[], float]:
        command = [sys.executable, "-c", script, *map(str, given)]
        return lambda: float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)

    for name, wide, high in (("1", 1152, 864), ("12", 4000, 3000)):
        place = "system/memory.py: keep"
        yield Piece(
            f"freed memory kept, {name} megapixels halved",
            place,
            seconds(EDITING, 0, 0, wide, high),
            seconds(EDITING, 1, 0, wide, high),
        )
        yield Piece(
            f"the largest kept, too, {name} megapixels",
            "system/memory.py: largest_kept",
            seconds(EDITING, 1, 0, wide, high),
            seconds(EDITING, 1, 1, wide, high),
        )
    yield Piece(
        "the front on one core",
        "system/process.py: stay_on_one_core",
        lambda: fronted(0),
        lambda: fronted(1),
    )


SECTIONS: Mapping[str, Callable[[], Iterator[Piece]]] = {
    "net": net_pieces,
    "engine": engine_pieces,
    "masks": mask_pieces,
    "model": model_pieces,
    "process": process_pieces,
}


def clocked(work: Work) -> float:
    """Seconds of CPU time of *work*, or what it says itself."""
    begin = time.process_time()
    told = work()
    return told if isinstance(told, float) else time.process_time() - begin


def compared(piece: Piece, rounds: int) -> tuple[float, float]:
    """Milliseconds without and with *piece*: medians of *rounds*, in turn."""
    pair = piece.without, piece.with_it
    for work in pair:
        clocked(work)
    taken = [[clocked(work) for work in pair] for _ in range(rounds)]
    without, with_it = (median(each) * 1000 for each in zip(*taken, strict=True))
    return without, with_it


def main() -> int:
    """Run the sections and print what each piece is worth."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pieces", description=__doc__.partition("\n")[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="which to run")
    parser.add_argument("--rounds", type=int, default=15, help="of each piece; a process counts for one")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = []
    for section in options.sections:
        for piece in SECTIONS[section]():
            without, with_it = compared(piece, options.rounds)
            found.append((piece.name, piece.place, without, with_it))
            print(f"{piece.name}: {without:.2f} ms without, {with_it:.2f} with", flush=True)
    header = ("piece", "place", "CPU ms without", "with", "times")
    rows = [(name, place, f"{a:.2f}", f"{b:.2f}", f"{a / b:.2f}") for name, place, a, b in found]
    print_table(header, rows)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "pieces.json").write_text(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
