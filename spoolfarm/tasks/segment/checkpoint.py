"""Checkpoints: the weights in what training scripts leave, read without running anything that is in it."""

from __future__ import annotations

import re
import shlex
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spoolfarm.errors import FarmError

#: The tensor of torchvision's detectors that says how many classes there are.
CLASSES = "roi_heads.box_predictor.cls_score.bias"
#: What may be held beside tensors, numbers and texts: the arguments of a script, which do nothing when they are made.
HARMLESS: list[Any] = [Namespace]
#: Takes the weights out of a file that needs code to be read.
TAKE_OUT = (
    "import torch; held = torch.load({path!r}, map_location='cpu', weights_only=False); "
    "held = held.get('model', held) if isinstance(held, dict) else held; "
    "torch.save(held.state_dict() if hasattr(held, 'state_dict') else held, {out!r})"
)


def read(path: Path) -> Any:
    """What `torch.save` wrote to *path*; its tensors stay on the disk until they are used, where the format allows it.

    Raises OSError, or FarmError when the file is damaged or cannot be read without running code from it.
    """
    try:
        mapped = zipfile.is_zipfile(path)
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zipfile raise what they like for a damaged file
        if code := re.search(r"GLOBAL (\S+) was not an allowed", str(error)):
            taken = shlex.quote(TAKE_OUT.format(path=str(path), out=str(path.with_suffix(".weights.pth"))))
            raise FarmError(
                f"{path} is rejected: it holds {code[1]}, and only what runs no code is read",
                hint=f"if you trust the file, take its weights out: python -c {taken}",
            ) from error
        raise FarmError(f"{path} is rejected: it is damaged, or not written by torch.save") from error


def weights(held: Any) -> Mapping[str, Tensor] | None:
    """The weights of a detector in *held*: alone or under any key, and below any prefix, such as `module.`.

    None when there are none.
    """
    if not isinstance(held, Mapping):
        return None
    for state in (held, *held.values()):
        names = [str(name) for name in state if str(name).endswith(CLASSES)] if isinstance(state, Mapping) else []
        if names:
            prefix = min(names, key=len).removesuffix(CLASSES)
            found = {str(name): value for name, value in state.items() if str(name).startswith(prefix)}
            return {name.removeprefix(prefix): value for name, value in found.items() if isinstance(value, Tensor)}
    return None
