"""The data folder: pictures in it, and the requests that edit them there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def body(pairs: Sequence[tuple[object, object]], operations: Sequence[str] = ()) -> dict[str, Any]:
    """The request for *pairs* of input and output."""
    images = [{"input": str(given), "output": str(made)} for given, made in pairs]
    return {"images": images, "operations": [*operations]}


def picture(path: Path, width: int = 40, height: int = 30, seed: int = 1) -> np.ndarray[Any, Any]:
    """Write a picture and return its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return pixels
