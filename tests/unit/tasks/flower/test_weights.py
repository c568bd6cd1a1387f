"""Weights as training scripts leave them: what can be read is, and what cannot is told why."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spoolfarm.errors import BadModel
from spoolfarm.tasks.flower import weights


class Net(nn.Module):
    """A model whose own names begin with the prefix that others put before theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))


def state() -> dict[str, Any]:
    torch.manual_seed(3)
    return Net().state_dict()


def below(prefix: str) -> dict[str, Any]:
    return {f"{prefix}{name}": each for name, each in state().items()}


@pytest.mark.parametrize(
    "saved",
    [
        state(),
        below("module."),
        below("model."),
        below("net."),
        below("module._orig_mod."),
        {"state_dict": {**below("model."), "loss.weight": torch.ones(2)}, "epoch": 3},
        {"model": below("module."), "args": argparse.Namespace(lr=0.1), "optimizer": {"param_groups": [{"lr": 0.1}]}},
        {"model_state_dict": state(), "acc": np.float64(0.9), "epoch": np.int64(3), "best": np.bool_(True)},
        {name: each.half() for name, each in state().items()},
    ],
    ids=["plain", "module", "model", "net", "compiled", "lightning", "torchvision", "numpy", "half"],
)
def test_weights_are_found_below_whatever_prefix(tmp_path: Path, saved: Any) -> None:
    torch.save(saved, tmp_path / "w.pth")
    net = Net()
    weights.load(net, weights.read(str(tmp_path / "w.pth"), "w"))
    for name, each in state().items():
        assert torch.allclose(net.state_dict()[name], each, atol=1e-3)


def test_the_weights_of_another_net_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        weights.load(Net(), {name: each for name, each in below("x.").items() if "0" not in name})


Save = Callable[[Path], Any]
NUMPY: Save = lambda path: torch.save([each.numpy() for each in state().values()], path)  # noqa: E731


@pytest.mark.parametrize(
    ("save", "reason"),
    [
        (lambda path: torch.save(nn.Linear(2, 2), path), r"more than tensors \(torch.nn.modules.linear.Linear\)"),
        (lambda path: torch.save({"model": state(), "log": defaultdict(list)}, path), r"\(collections.defaultdict\)"),
        (NUMPY, "arrays of numpy and no tensors by name"),
        (lambda path: torch.save(list(state().values()), path), "a list of 4 values without names"),
        (lambda path: torch.save({"epoch": 1, "lr": 0.1}, path), "beside tensors they hold epoch, lr"),
        (lambda path: torch.save(torch.ones(2), path), "they are one Tensor"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa"), "git lfs pull"),
        (lambda path: path.write_bytes(b"\x89PNG and so on"), "none that torch.save writes"),
        (lambda path: (torch.save(state(), path), path.write_bytes(path.read_bytes()[:900])), "not written to its end"),
    ],
)
def test_why_weights_cannot_be_read_is_told_in_one_line(tmp_path: Path, save: Save, reason: str) -> None:
    save(tmp_path / "w.pth")
    with pytest.raises(BadModel, match=reason) as caught:
        weights.read(str(tmp_path / "w.pth"), "w")
    said = str(caught.value)
    assert said.startswith("the weights of 'w' ")
    assert "\n" not in said
    assert "\x1b" not in said
    assert "weights_only" not in said
    assert str(tmp_path) not in said
