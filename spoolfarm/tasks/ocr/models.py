"""The networks, opened for onnxruntime: the large ones of the rapidocr package, and small ones of our own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

#: Finds text, in pictures of any size whose sides are multiples of 32.
DETECTOR = "PP-OCRv6_det_small.onnx"
#: Reads one line of text, 48 pixels high.
RECOGNISER = "PP-OCRv6_rec_small.onnx"
#: The same in a third and a fifth of the time, with more errors, and for fewer letters. They are no files of rapidocr.
QUICK_DETECTOR, QUICK_RECOGNISER = "PP-OCRv6_det_tiny.onnx", "PP-OCRv6_rec_tiny.onnx"
#: Where the files lie that are no other package's.
OWN = Path(__file__).with_name("nets")

# Fields of onnx.proto, for `_weights`.
_GRAPH, _INITIALIZER, _DATA_TYPE, _RAW_DATA = 7, 5, 2, 9
_FLOAT = 1
# Wire types of protobuf: https://protobuf.dev/programming-guides/encoding/
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def path(name: str) -> Path:
    """Where the model *name* lies. Of rapidocr only files are used: none of its code, which could download."""
    if (own := OWN / name).is_file():
        return own
    found = importlib.util.find_spec("rapidocr")
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        if (model := Path(folder, "models", name)).is_file():
            return model
    raise FileNotFoundError(f"{name} is in none of {folders}; reinstall the pinned rapidocr package")


def session(name: str, threads: int, *, arena: bool = False) -> Any:
    """Open the model *name* as an onnxruntime session that keeps *threads* threads busy.

    With *arena* it keeps the memory of its largest run. Without, large pieces go back to the system after each step and
    come anew, emptied, at the next.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.enable_mem_pattern = False  # it keeps a plan for each shape: pages come in all shapes, memory would grow
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the core to others
    model = without_denormals(path(name).read_bytes())
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def without_denormals(model: bytes) -> bytes:
    """Return the ONNX file *model* with its denormal weights (below 1.2e-38) set to zero.

    They add nothing to any sum, but many x86 cores multiply them up to a hundred times slower: the 256,000 of them in
    the detector, two thirds of one layer, double or triple its run time. (Some, like Zen 4, do not mind.)

    onnxruntime's own `session.set_denormal_as_zero` is no way: only the first session of a process is asked for it, and
    it has the whole thread flush denormals from then on, for every other task of the worker and for Python itself.
    """
    data = bytearray(model)
    for start, end in _weights(data):
        weights = np.frombuffer(data, np.float32, (end - start) // 4, start)
        weights[np.abs(weights) < np.finfo(np.float32).tiny] = 0
    return bytes(data)


def _weights(model: bytearray) -> Iterator[tuple[int, int]]:
    """Where the float32 weights of an ONNX file begin and end."""
    for field, start, end in _fields(model, 0, len(model)):
        if field != _GRAPH:
            continue
        for inner, first, last in _fields(model, start, end):
            if inner == _INITIALIZER:
                tensor = {number: (a, b) for number, a, b in _fields(model, first, last)}
                if _RAW_DATA in tensor and tensor[_DATA_TYPE][0] == _FLOAT:
                    yield tensor[_RAW_DATA]


def _fields(data: bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a protobuf message: number, and where the content begins and ends, or twice the number it is."""
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, at = _varint(data, at)
        if size is None:
            raise ValueError(f"wire type {kind} at byte {at}: not an ONNX file")
        yield key >> 3, at, at + size
        at += size


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    """Read one number at *at*; return it and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value, at
