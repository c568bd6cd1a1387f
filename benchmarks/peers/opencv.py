"""Plain OpenCV as a request of one process would do it: read, edit, write, one picture after the other."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2

Array = Any


def half(picture: Array) -> list[Array]:
    return [cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)]


def quarters(picture: Array) -> list[Array]:
    y, x = picture.shape[0] // 2, picture.shape[1] // 2
    parts = [picture[:y, :x], picture[:y, x:], picture[y:, :x], picture[y:, x:]]
    return [cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for part in parts]


def blurred(picture: Array) -> list[Array]:
    return [cv2.GaussianBlur(picture, (9, 9), 0)]


EDITS = {"half": half, "quarters": quarters, "blurred": blurred}


def main() -> None:
    """Edit every picture of a directory; print the seconds that took, the imports left out."""
    name, source, target, threads = sys.argv[1:]
    if int(threads):
        cv2.setNumThreads(int(threads))
    begin = time.perf_counter()
    for path in sorted(Path(source).iterdir()):
        made = EDITS[name](cv2.imread(str(path)))
        for number, picture in enumerate(made, start=1):
            suffix = f"_{number}" if len(made) > 1 else ""
            cv2.imwrite(f"{target}/{path.stem}{suffix}.jpg", picture)
    print(json.dumps(time.perf_counter() - begin))


if __name__ == "__main__":
    main()
