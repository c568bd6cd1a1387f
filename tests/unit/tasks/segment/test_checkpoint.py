"""Checkpoints of others' training scripts: what is found in them, and that nothing in them is run."""

from __future__ import annotations

import argparse
import shlex
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import checkpoint, engines

pytestmark = pytest.mark.usefixtures("one_thread")

BIAS = checkpoint.CLASSES
STATE = {BIAS: torch.arange(3.0), "backbone.body.conv1.weight": torch.ones(2)}


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize(
    "held",
    [
        STATE,
        OrderedDict(STATE),
        prefixed("module."),
        prefixed("_orig_mod."),
        {"model": STATE, "optimizer": {"state": {}, "param_groups": []}, "epoch": 3},
        {"args": argparse.Namespace(lr=0.02), "model": prefixed("module.")},
        {"epoch": 1, "state_dict": {**prefixed("model."), "loss.weight": torch.ones(1)}},
        {"model_state_dict": prefixed("module._orig_mod.")},
        {"ema": {"n_averaged": torch.tensor(4), **prefixed("module.")}},
    ],
)
def test_weights_are_found_under_any_key_and_prefix(tmp_path: Path, held: Any) -> None:
    for number, zipped in enumerate((True, False)):  # today's format, and that of before 1.6
        path = tmp_path / f"{number}.pth"
        torch.save(held, path, _use_new_zipfile_serialization=zipped)
        found = checkpoint.weights(checkpoint.read(path))
        assert found is not None
        assert found.keys() == STATE.keys()
        assert found[BIAS].tolist() == [0, 1, 2]


@pytest.mark.parametrize("held", [[1, 2], torch.ones(3), {"model": [STATE]}, {}, {"model": {}}])
def test_what_holds_no_detector_is_said_to_hold_none(tmp_path: Path, held: Any) -> None:
    torch.save(held, tmp_path / "other.pth")
    with pytest.raises(FarmError, match=rf"no state dict of torchvision's Mask R-CNN builders: there is no {BIAS}"):
        engines.engine(str(tmp_path / "other.pth"))


def test_a_checkpoint_of_torchvisions_reference_script_is_served(tmp_path: Path) -> None:
    made = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=4)
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.02, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[16, 22])
    arguments = argparse.Namespace(lr=0.02, lr_steps=[16, 22], device="cuda", amp=False, output_dir=None)
    held = {
        "model": nn.DataParallel(made).state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "args": arguments,
        "epoch": 25,
    }
    torch.save(held, tmp_path / "model_25.pth")
    engine = engines.engine(str(tmp_path / "model_25.pth"))
    assert (engine.name, engine.model) == ("mask-rcnn", "model_25.pth")
    assert engine.labels == {1: "class 1", 2: "class 2", 3: "class 3"}
    lacking = {name: value for name, value in made.state_dict().items() if "mask_predictor" not in name}
    torch.save(lacking, tmp_path / "boxes only.pth")
    with pytest.raises(FarmError, match=r"Missing key.*mask_predictor"):
        engines.engine(str(tmp_path / "boxes only.pth"))


class Scheduled:
    """A class of somebody's training script, which the weights hold beside themselves."""


def test_a_file_that_needs_code_is_refused_with_the_line_that_takes_the_weights_out(tmp_path: Path) -> None:
    path = tmp_path / "it's mine.pth"
    for held in ({"model": STATE, "schedule": Scheduled()}, _Module()):
        torch.save(held, path)
        with pytest.raises(FarmError, match=r"rejected: it holds \S+\.(Scheduled|_Module), and only") as refused:
            checkpoint.read(path)
        line = refused.value.hint.partition("take its weights out: ")[2]
        python, option, code = shlex.split(line)
        assert (python, option) == ("python", "-c")
        exec(code, {})
        found = checkpoint.weights(checkpoint.read(tmp_path / "it's mine.weights.pth"))
        assert found is not None
        assert found[BIAS].tolist() == [0, 1, 2]


class _Module(nn.Module):
    """A whole module, pickled with its class."""

    def __init__(self) -> None:
        super().__init__()
        for name, value in STATE.items():
            self.register_buffer(name.replace(".", "_"), value)

    def state_dict(self, *_: Any, **__: Any) -> Any:
        return STATE
