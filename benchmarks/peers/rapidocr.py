"""RapidOCR over many files, as one's own script would do it: `python -m benchmarks.peers.rapidocr THREADS FILE...`.

Prints one JSON list a file: its path and its lines. THREADS 0 leaves all to its defaults.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(threads: int, paths: list[str]) -> None:
    """Read each file."""
    import cv2
    from rapidocr import RapidOCR

    params: dict[str, Any] = {"Global.log_level": "critical"}
    if threads:
        cv2.setNumThreads(threads)
        params |= {f"EngineConfig.onnxruntime.{kind}_op_num_threads": threads for kind in ("intra", "inter")}
    engine = RapidOCR(params=params)
    for path in paths:
        print(json.dumps([path, list(engine(path).txts or ())]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
