"""Weights: a file of tensors, read without running anything that is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spoolfarm.errors import BadModel

#: Under which keys training scripts put the weights beside other things.
WRAPPED = ("model_state_dict", "state_dict", "model")
#: What wrappers of a model put before the name of each tensor.
PREFIXES = ("module.", "_orig_mod.")


def read(path: str, name: str) -> dict[str, Tensor]:
    """The tensors in the file of the model *name*. Raises BadModel."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the file may hold anything, and fails in as many ways
        reason = str(error).replace(path, "the file").partition("\n")[0]
        raise BadModel(f"the weights of {name!r} cannot be read: {type(error).__name__}: {reason}") from error
    return _unwrapped(found, name)


def _unwrapped(found: Any, name: str) -> dict[str, Tensor]:
    for key in WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(each, Tensor) for each in found.values()):
        raise BadModel(f"the weights of {name!r} are no state_dict: a dict of tensors by name")
    tensors = {str(key): each for key, each in found.items()}
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): each for key, each in tensors.items()}
    return tensors
