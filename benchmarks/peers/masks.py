"""Masks by plain torchvision as its examples call it, and by the task, in processes of their own."""

from __future__ import annotations

import base64
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

#: Detections that a picture gets at most, and the least score of one.
MOST, SCORE = 20, 0.5
#: How many must have been found: the task leaves out masks without a pixel, which torchvision counts.
LEAST = 15

OURS, PLAIN = "spoolfarm 2 x 1 thread", "torchvision 2 x 1 thread"

Answer = dict[str, Any]
Predict = Callable[[bytes], Answer]


def make(path: Path) -> None:
    """Write random weights of torchvision's R50 that find `MOST` objects, whose masks fill their boxes."""
    import torch
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(7)
    net = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2)
    with torch.no_grad():
        net.roi_heads.box_predictor.cls_score.bias.copy_(torch.tensor([-1.0, 1.0]))
        net.roi_heads.mask_predictor.mask_fcn_logits.bias.fill_(1.0)
    torch.save(net.state_dict(), path)


def open_torchvision(weights: str, threads: int = 1) -> Predict:
    """The function from a file's bytes to what `/predict` answers, with milliseconds by stage."""
    import cv2
    import numpy as np
    import torch
    from pycocotools import mask as coco  # type: ignore[import-untyped]
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    net = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=2, box_score_thresh=SCORE, box_detections_per_img=MOST
    )
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.eval()

    def predict(data: bytes) -> Answer:
        at = [time.perf_counter()]
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        picture = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
        at.append(time.perf_counter())
        with torch.no_grad():
            [found] = net([torch.from_numpy(picture).permute(2, 0, 1).float() / 255])
        at.append(time.perf_counter())
        masks = []
        for number, mask in enumerate((found["masks"] > 0.5)[:, 0].numpy()):
            rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
            counts = base64.b64encode(rle["counts"]).decode()
            masks.append({"mask_id": number, "mask_rle": {"counts": counts, "size": rle["size"]}})
        at.append(time.perf_counter())
        ms = [1000 * (end - begin) for begin, end in pairwise(at)]
        stages = dict(zip(("decode", "net", "masks"), ms, strict=True))
        return {"status": "success", "count": len(masks), "masks": masks, "timing_ms": stages}

    return predict


def open_spoolfarm(weights: str, threads: int = 1) -> Predict:
    """The task itself, as a worker holds it."""
    import cv2
    import torch

    from spoolfarm.spool.job import Job
    from spoolfarm.tasks.segment.task import Segment

    task = Segment()
    task.settings = {"FARM_SEGMENT_MODEL": weights, "FARM_SEGMENT_PRECISION": "fp32"}
    task.setup()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    params = task.validate({"max_detections": MOST, "score_threshold": SCORE})

    def predict(data: bytes) -> Answer:
        [found] = task.run([Job("segment", params, [data])], None)  # type: ignore[arg-type]  # it tells nobody
        json.dumps(found)
        return dict(found)

    return predict


# Processes that hold one function each.

_predict: Predict


def _start(name: str, weights: str) -> None:
    global _predict
    _predict = {OURS: open_spoolfarm, PLAIN: open_torchvision}[name](weights)


def _work(data: bytes) -> tuple[Answer, float]:
    """The answer, and the MB this process held at most meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, proc(5)
    return _predict(data), status_mb("self", "VmHWM")


def status_mb(pid: int | str, field: str) -> float:
    """A figure of /proc/<pid>/status in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


class WorkerPool:
    """Processes that take pictures as they become free."""

    def __init__(self, processes: int, name: str, weights: Path, first: bytes) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, spawn, _start, (name, str(weights)))
        self.predict([first] * 2 * processes)

    def predict(self, files: Sequence[bytes]) -> list[tuple[Answer, float]]:
        return list(self._pool.map(_work, files))

    def stop(self) -> None:
        self._pool.shutdown()
