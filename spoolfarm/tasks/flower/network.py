"""A network: one model, built and loaded, and what it says of a batch of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from spoolfarm.errors import BadModel, LabelMismatch
from spoolfarm.tasks.flower import weights
from spoolfarm.tasks.flower.model_info import ModelInfo, spread
from spoolfarm.tasks.flower.project import Model
from spoolfarm.tasks.flower.project_code import Code, arguments, needed
from spoolfarm.tasks.fuse import fuse

#: What classes call the number of classes and of channels that they are made for.
CLASSES = ("num_classes", "n_classes", "classes", "num_labels", "out_features")
CHANNELS = ("in_channels", "input_channels", "num_channels", "channels")
#: How many pictures of noise tell whether outputs are probabilities, and how close to 1 the sum of those is.
PROBES, CLOSE = 8, 1e-3


class Network:
    """A model that is ready to predict."""

    def __init__(self, model: Model, about: ModelInfo, code: Code) -> None:
        self.labels = about.labels
        self._id = model.id
        self._code = code
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        tensors = weights.read(model.weights, model.id)
        kind = code.find(model.class_names)
        with code.visible():
            module = _built(kind, about, tensors, model.id)
        module = module.eval().requires_grad_(requires_grad=False)
        fuse(module)
        # Channels last a small classifier is 1.4 to 1.8 times as fast: `python -m benchmarks.pieces`.
        self._module = module.to(memory_format=torch.channels_last).to(self._device)
        self._channels = about.channels or _channels(module, about.size, model.id)
        self._size = about.size
        #: Whether its outputs are probabilities already; None until that is known.
        self._chances: bool | None = None
        self._mean, self._std = (
            torch.tensor(spread(values, self._channels), device=self._device).view(1, -1, 1, 1) * 255
            for values in (about.mean, about.std)
        )

    def prepare(self, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """A picture (height, width, 3) in BGR order as the network takes it: (channels, size, size), still 8 bits."""
        side = (self._size, self._size)
        if self._channels == 1:
            image = Image.fromarray(picture[:, :, ::-1]).convert("L")
            return np.asarray(image.resize(side, Image.Resampling.BILINEAR))[None]
        resized = Image.fromarray(picture).resize(side, Image.Resampling.BILINEAR)  # each channel by itself
        return np.asarray(resized)[:, :, ::-1].transpose(2, 0, 1)

    def predict(self, prepared: Sequence[np.ndarray[Any, np.dtype[np.uint8]]]) -> list[list[dict[str, Any]]]:
        """For each prepared picture the labels with their probabilities, the likeliest first. Raises LabelMismatch."""
        batch = torch.from_numpy(np.stack(prepared)).to(self._device)
        scaled = ((batch - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        outputs = self._outputs(scaled)
        if not isinstance(outputs, Tensor) or outputs.shape != (len(prepared), len(self.labels)):
            got = tuple(outputs.shape[1:]) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise LabelMismatch(f"{self._id!r} answers {got} for each picture, and there are {len(self.labels)} labels")
        rows = outputs.float() if self._gives_chances(scaled) else outputs.float().softmax(1)
        if not rows.isfinite().all():
            raise ArithmeticError(f"the outputs of {self._id!r} are no numbers")
        return [self._ranked(row) for row in rows.cpu().numpy()]

    def _outputs(self, pictures: Tensor) -> Any:
        """What the module says of *pictures*."""
        with torch.inference_mode(), self._code.visible():
            outputs = self._module(pictures)
        if isinstance(outputs, Mapping):
            outputs = outputs.get("logits", next(iter(outputs.values()), None))
        return outputs[0] if isinstance(outputs, (tuple, list)) else outputs  # beside auxiliary ones

    def _gives_chances(self, like: Tensor) -> bool:
        """Whether the module ends in a softmax of its own, as what it says of noise tells; found out once."""
        if self._chances is None:
            noise = torch.randn((PROBES, *like.shape[1:]), generator=torch.Generator().manual_seed(0)).to(like.device)
            rows = self._outputs(noise.contiguous(memory_format=torch.channels_last)).float()
            self._chances = bool((rows >= 0).all() and ((rows.sum(1) - 1).abs() < CLOSE).all())
        return self._chances

    def _ranked(self, row: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        order = np.argsort(-row, kind="stable").tolist()
        return [{"label": self.labels[each], "probability": round(float(row[each]), 6)} for each in order]


def _built(kind: type[nn.Module], about: ModelInfo, tensors: Mapping[str, Tensor], name: str) -> nn.Module:
    """A *kind* with its weights. When they do not fit what it is by default, it is made for as many classes as they
    are for."""
    derived = _derived(tensors, about)
    given = {each: derived[each] for each in needed(kind) if each in derived} | arguments(kind, about.arguments)
    module = _made(kind, given, name)
    try:
        weights.load(module, tensors)
    except RuntimeError as error:
        fitted = arguments(kind, derived) | arguments(kind, about.arguments)
        if fitted == given:
            raise BadModel(f"the weights of {name!r} do not fit {kind.__name__}: {_plainly(error)}") from error
        module = _made(kind, fitted, name)
        try:
            weights.load(module, tensors)
        except RuntimeError:
            raise BadModel(f"the weights of {name!r} do not fit {kind.__name__}: {_plainly(error)}") from error
    return module


def _made(kind: type[nn.Module], given: Mapping[str, Any], name: str) -> nn.Module:
    try:
        return kind(**given)
    except Exception as error:  # it is the user's code: whatever it raises is told
        raise BadModel(f"{kind.__name__} cannot be made for {name!r}: {type(error).__name__}: {error}") from error


def _derived(tensors: Mapping[str, Tensor], about: ModelInfo) -> dict[str, Any]:
    """The numbers that the weights tell: outputs of the last matrix, channels of the first filter."""
    matrices = [each for each in tensors.values() if each.ndim == 2]
    filters = [each for each in tensors.values() if each.ndim == 4]
    told: dict[str, Any] = dict.fromkeys(CLASSES, matrices[-1].shape[0] if matrices else len(about.labels))
    if filters:
        told |= dict.fromkeys(CHANNELS, filters[0].shape[1])
    return told


def _channels(module: nn.Module, size: int, name: str) -> int:
    """The channels of the pictures that the first layer takes."""
    channels = 3
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            channels = layer.in_channels
            break
        if isinstance(layer, nn.Linear):
            channels = 1 if layer.in_features == size * size else 3
            break
    if channels not in (1, 3):
        raise BadModel(f"{name!r} takes pictures of {channels} channels; there are only grey and coloured ones")
    return channels


def _plainly(error: RuntimeError) -> str:
    """torch's list of what does not fit, on one line."""
    return " ".join(str(error).split())
