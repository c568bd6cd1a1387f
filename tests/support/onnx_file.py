"""Tiny ONNX models, written field by field as onnx.proto has them: their library is no part of the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]

#: Pixels of the model's input, cells of its masks, and pixels of a cell.
SIDE, CELLS, CELL = 32, 8, 4
#: The logit of a slot that is meant, of one that is nearly, and of the others.
SURE, VAGUE, NOT = 3.0, 0.5, -6.0


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str, values: Array) -> bytes:
    return b"".join(
        [*(number(1, each) for each in values.shape), number(2, 1), text(8, name), text(9, values.tobytes())]
    )


def value_info(name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(text(1, number(1, each) if isinstance(each, int) else text(2, each)) for each in shape)
    return text(1, name) + text(2, text(1, number(1, 1) + text(2, dims)))


def node(kind: str, inputs: Sequence[str], output: str, **ints: Sequence[int] | int) -> bytes:
    attributes = b"".join(
        text(
            5,
            text(1, name)
            + (
                number(3, value) + number(20, 2)
                if isinstance(value, int)
                else b"".join(number(8, each) for each in value) + number(20, 7)
            ),
        )
        for name, value in ints.items()
    )
    return b"".join([*(text(1, each) for each in inputs), text(2, output), text(4, kind), attributes])


def bright_halves(
    path: Path,
    slots: Sequence[int],
    classes: int,
    *,
    metadata: Mapping[str, str] | None = None,
    outputs: Sequence[str] = ("dets", "labels", "masks"),
    given: Sequence[int | str] = (1, 3, SIDE, SIDE),
    probabilities: bool = False,
) -> Path:
    """Write a model with two queries that find what is bright in the left and in the right half of a picture.

    *slots* has the class of each, of *classes*; of the second the model is less sure. With *probabilities* its masks go
    from 0 to 1.
    """
    dets = np.array([[[0.25, 0.5, 0.5, 1], [0.75, 0.5, 0.5, 1]]], np.float32)
    labels = np.full((1, 2, classes), NOT, np.float32)
    labels[0, [0, 1], list(slots)] = SURE, VAGUE
    halves = np.full((1, 2, CELLS, CELLS), -100, np.float32)
    halves[0, 0, :, : CELLS // 2] = halves[0, 1, :, CELLS // 2 :] = 0
    boxes, classed, masks = outputs
    nodes = [
        node("ReduceMean", ["input"], "grey", axes=[1], keepdims=1),
        node("AveragePool", ["grey"], "cells", kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        node("Mul", ["cells", "factor"], "steep"),
        node("Add", ["steep", "halves"], "logits" if probabilities else masks),
        node("Identity", ["given_dets"], boxes),
        node("Identity", ["given_labels"], classed),
    ]
    if probabilities:
        nodes.append(node("Sigmoid", ["logits"], masks))
    held = {"factor": np.array([4], np.float32), "halves": halves, "given_dets": dets, "given_labels": labels}
    graph = b"".join(
        [
            *(text(1, each) for each in nodes),
            text(2, "tiny"),
            *(text(5, tensor(name, values)) for name, values in held.items()),
            text(11, value_info("input", given)),
            text(12, value_info(boxes, dets.shape)),
            text(12, value_info(classed, labels.shape)),
            text(12, value_info(masks, halves.shape)),
        ]
    )
    told = b"".join(text(14, text(1, key) + text(2, value)) for key, value in (metadata or {}).items())
    path.write_bytes(number(1, 8) + text(8, text(1, "") + number(2, 13)) + text(7, graph) + told)
    return path
