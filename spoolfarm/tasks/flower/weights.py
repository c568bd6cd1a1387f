"""Weights: a file of tensors, read without running anything that is in it."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spoolfarm.errors import BadModel

#: Under which keys training scripts put the weights beside other things.
WRAPPED = ("model_state_dict", "state_dict", "model")
#: How to write weights that can be read.
ADVICE = "save model.state_dict()"
#: What torch says of something in the file that is no tensor, and what that is.
FOREIGN = re.compile(r"(?:Unsupported (?:global|class|operand)|GLOBAL) (?:GLOBAL )?([\w.]+\.[\w]+)")
#: What scripts note beside the weights and does nothing when it is read: their arguments, and numbers of numpy.
HARMLESS: list[Any] = [
    Namespace,
    np.dtype,
    *((np.float64().__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("_core", "core")),
    *(type(np.dtype(each)) for each in "?bhilqBHILQefd"),
]


def read(path: str, name: str) -> dict[str, Tensor]:
    """The tensors in the file of the model *name*. Raises BadModel."""
    try:
        with torch.serialization.safe_globals(HARMLESS):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the file may hold anything, and fails in as many ways
        raise BadModel(f"the weights of {name!r} cannot be read: {_reason(error, path)}") from error
    return _unwrapped(found, name)


def load(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put *tensors* into *module*; if all its names are there below one prefix, those. Raises RuntimeError."""
    wanted = list(module.state_dict())
    if wanted and not set(wanted) <= set(tensors):
        below = (name.removesuffix(wanted[0]) for name in tensors if name.endswith(f".{wanted[0]}"))
        prefix = next((each for each in below if all(f"{each}{name}" in tensors for name in wanted)), "")
        if prefix:
            tensors = {name: tensors[f"{prefix}{name}"] for name in wanted}
    module.load_state_dict(tensors)


def _reason(error: Exception, path: str) -> str:
    """Why the file cannot be read, as a sentence; torch's own begins with how to read it unsafely."""
    with open(path, "rb") as file:
        beginning = file.read(64)
    if not beginning:
        return "the file is empty"
    if beginning.startswith(b"version https://git-lfs"):
        return "the file is a pointer of Git LFS; fetch the weights themselves with git lfs pull"
    if foreign := FOREIGN.search(str(error)):
        if foreign[1].startswith("numpy."):
            return f"the file holds arrays of numpy and no tensors by name; {ADVICE}"
        return f"the file holds more than tensors ({foreign[1]}), and code in it is never run; {ADVICE}"
    if "TorchScript" in str(error):
        return f"the file is a TorchScript program; {ADVICE}"
    if beginning.startswith((b"PK", b"\x80")):
        return "the file is damaged, or was not written to its end"
    return f"the file is none that torch.save writes; {ADVICE}"


def _unwrapped(found: Any, name: str) -> dict[str, Tensor]:
    for key in WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(each, Tensor) for each in found.values()):
        raise BadModel(f"the weights of {name!r} are no state_dict: {_kind(found)}; {ADVICE}")
    return {str(key): each for key, each in found.items()}


def _kind(found: Any) -> str:
    """What the file holds in place of tensors by name."""
    if isinstance(found, Mapping):
        others = [str(key) for key, each in found.items() if not isinstance(each, Tensor)]
        return f"beside tensors they hold {', '.join(others[:5])}" if others else "they hold nothing"
    if isinstance(found, Sequence) and not isinstance(found, str):
        return f"they are a list of {len(found)} values without names"
    return f"they are one {type(found).__name__}"
