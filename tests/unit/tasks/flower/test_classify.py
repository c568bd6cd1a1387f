"""The classify task: the right class, the right weights, the right pictures, and what is wrong with them."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from spoolfarm import images
from spoolfarm.config import load
from spoolfarm.errors import BadModel, BrokenImage, FarmError, LabelMismatch, UnknownModel
from spoolfarm.spool.job import Job
from spoolfarm.tasks.flower.classify import Classify
from tests.support import foreign_flower_project as foreign

RUN = "COLOURS_20260102-030405"
COLOURS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250)}


class Silent:
    """A context that a classifier has no use for."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = foreign.make(tmp_path / "project")
    foreign.save_weights(made)
    return made


def task(root: Path, **more: Any) -> Classify:
    made = Classify()
    made.settings = load(foreign.settings(root, **more)).by_name()
    made.setup()
    return made


def picture(colour: str | tuple[int, int, int] = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS.get(colour, colour)).save(file, "PNG")  # type: ignore[arg-type, call-overload]
    return file.getvalue()


def noise(size: tuple[int, int] = (50, 37)) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def ask(task: Classify, *asked: tuple[str, bytes]) -> list[Any]:
    return task.run([Job("classify", {"model": model}, [data]) for model, data in asked], Silent())  # type: ignore[arg-type]


def one(task: Classify, model: str, data: bytes) -> list[tuple[str, float]]:
    (answer,) = ask(task, (model, data))
    if isinstance(answer, FarmError):
        raise answer
    return [(row["label"], row["probability"]) for row in answer["predictions"]]


def test_a_picture_is_told_by_the_class_of_the_models_name(root: Path) -> None:
    classify = task(root)
    for colour, label in zip(COLOURS, ("rot", "grün", "蓝"), strict=True):
        found = one(classify, "colours", picture(colour))
        assert found[0][0] == label
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        assert sum(score for _, score in found) == pytest.approx(1, abs=1e-5)


def test_a_run_brings_its_own_labels_size_and_scale(root: Path) -> None:
    found = one(task(root), RUN, picture("green"))
    assert found[0][0] == "g"
    scaled = (torch.tensor(COLOURS["green"]) / 255 - 0.5) / 0.25 * 4
    expected = scaled.softmax(0)
    assert dict(found) == pytest.approx(dict(zip("rgb", expected.tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize(
    "time",
    ["_20250415_153012", "_2025-04-15_15-30-12", "_2025-04-15T15:30:12.5", "_1744731012", "_1744731012345", "_v2"],
)
def test_a_run_is_of_the_class_with_the_longest_matching_name_whatever_its_time_looks_like(
    root: Path, time: str
) -> None:
    zoo = root / "nets/zoo.py"
    zoo.write_text(
        zoo.read_text() + "\n\nclass ColoursWide(Colours):\n    pass\n\n\nclass Colours2025(Module):\n    pass\n"
    )
    for name in ("Colours", "colours_wide"):
        folder = root / "global_models" / f"{name}{time}"
        folder.mkdir(parents=True)
        shutil.copy(root / "weights/colours.pth", folder / "best_model.pth")
    classify = task(root)
    for name, kind in (("Colours", "Colours"), ("colours_wide", "ColoursWide")):
        assert one(classify, f"{name}{time}", picture("green"))[0][0] == "grün"
        assert type(classify._networks.get(f"{name}{time}")._module).__name__ == kind


@pytest.mark.parametrize("model", ["colours", "grey-net"])
def test_pictures_are_made_as_training_makes_them(root: Path, model: str) -> None:
    """Against torchvision's transforms, which most training scripts use."""
    data = noise()
    grey = model == "grey-net"
    mean, std = ([0.449], [0.226]) if grey else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    steps = [transforms.Grayscale()] if grey else []
    steps += [transforms.Resize((16, 16)), transforms.ToTensor(), transforms.Normalize(mean, std)]
    expected = transforms.Compose(steps)(Image.open(io.BytesIO(data)))
    classify = task(root)
    network = classify._networks.get(model)
    prepared = network.prepare(images.decode(data))
    made = (torch.from_numpy(prepared.copy())[None] - network._mean) / network._std
    assert torch.allclose(made[0], expected, atol=1e-5)


def test_a_batch_is_told_as_its_pictures_are_alone(root: Path) -> None:
    classify = task(root)
    asked = [("colours", picture("red")), (RUN, picture("red")), ("colours", b"junk"), ("nothing", picture())]
    asked += [("colours", noise()), ("grey-net", noise((9, 80))), ("colours", picture("blue", (7, 7)))]
    together = ask(classify, *asked)
    alone = [ask(classify, each)[0] for each in asked]
    for batched, single in zip(together, alone, strict=True):
        if isinstance(single, FarmError):
            assert type(batched) is type(single)
        else:
            rows = ({row["label"]: row["probability"] for row in each["predictions"]} for each in (batched, single))
            assert next(rows) == pytest.approx(next(rows), abs=1e-5)
    assert isinstance(together[2], BrokenImage)
    assert isinstance(together[3], UnknownModel)
    assert together[0]["ms"]["batch"] == 3


def test_there_have_to_be_as_many_labels_as_outputs(root: Path) -> None:
    with pytest.raises(LabelMismatch, match=r"'colours' answers \(3,\) for each picture, and there are 2 labels"):
        one(task(root, CLASS_LABELS="a,b"), "colours", picture())


def test_a_class_is_made_for_as_many_classes_as_its_weights_are_for(root: Path) -> None:
    assert len(one(task(root), "grey-net", picture())) == 3  # GreyNet has 10 by default


def test_a_class_is_made_with_what_the_run_was_told(root: Path) -> None:
    folder = root / "global_models/GreyNet_20260101-000000"
    wide = {"first.weight": torch.zeros(6, 1, 3, 3), "first.bias": torch.zeros(6), "head.weight": torch.zeros(2, 6)}
    told = {"arguments": {"width": 6, "num_classes": 2, "unknown": 1}, "classes": ["no", "yes"]}
    foreign.write(folder / "result.json", json.dumps(told))
    torch.save({**wide, "head.bias": torch.tensor([0.0, 9.0])}, folder / "best_model.pth")
    assert one(task(root), folder.name, picture())[0][0] == "yes"


def test_the_farm_and_the_project_do_not_see_each_others_modules(root: Path) -> None:
    before, path = dict(sys.modules), list(sys.path)
    one(task(root), "colours", picture())
    assert sys.path == path
    assert [name for name in sys.modules if name.partition(".")[0] in ("nets", "config")] == []
    assert {name: each for name, each in before.items() if sys.modules.get(name) is not each} == {}
    assert not list(root.rglob("__pycache__"))


def replaced(path: Path, write: Any) -> None:
    """Have *write* make *path* anew, as something that is told from the old."""
    write(path)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))


def test_new_weights_take_the_place_of_the_old(root: Path) -> None:
    classify = task(root)
    assert one(classify, "colours", picture("red"))[0][0] == "rot"
    turned = {"head.weight": torch.eye(3).roll(1, 0) * 4}
    replaced(root / "weights/colours.pth", lambda path: torch.save(turned, path))
    assert one(classify, "colours", picture("red"))[0][0] == "grün"


def test_new_code_takes_the_place_of_the_old(root: Path) -> None:
    classify = task(root)
    one(classify, "colours", picture("red"))
    layers = root / "nets/layers.py"
    reversed_ = layers.read_text() + "\n\nclass last(nn.Linear):\n    def __init__(self, n):\n"
    reversed_ += "        super().__init__(n, 3, bias=False)\n\n    def forward(self, x):\n"
    replaced(layers, lambda path: path.write_text(reversed_ + "        return -super().forward(x)\n"))
    assert one(classify, "colours", picture("red"))[-1][0] == "rot"


def test_a_new_record_counts_at_once(root: Path) -> None:
    classify = task(root)
    one(classify, RUN, picture("red"))
    record = root / f"global_models/{RUN}/result.json"
    told = json.loads(record.read_text()) | {"classes": ["x", "y", "z"]}
    replaced(record, lambda path: path.write_text(json.dumps(told)))
    assert one(classify, RUN, picture("red"))[0][0] == "x"


def test_weights_that_are_gone_are_unknown(root: Path) -> None:
    classify = task(root)
    one(classify, "colours", picture())
    (root / "weights/colours.pth").unlink()
    with pytest.raises(UnknownModel):
        one(classify, "colours", picture())


class Bomb:
    """What a pickle may do when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch bomb-went-off",))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: path.write_bytes(pickle.dumps(Bomb())), "cannot be read"),
        (lambda path: torch.save(Bomb(), path), "cannot be read"),
        (lambda path: torch.save(torch.nn.Linear(3, 3), path), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(b"junk"), "cannot be read"),
        (lambda path: torch.save([1, 2], path), "no state_dict"),
        (lambda path: torch.save({"epoch": 3}, path), "no state_dict"),
        (lambda path: torch.save({}, path), "no state_dict"),
        (lambda path: torch.save({"head.weight": torch.eye(4)}, path), "do not fit Colours: .*size mismatch"),
        (lambda path: torch.save({"tail.weight": torch.eye(3)}, path), "do not fit Colours: .*Missing key"),
    ],
)
def test_bad_weights_are_told_and_nothing_in_them_is_run(
    root: Path, write: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    path = root / "weights/colours.pth"
    path.unlink()
    write(path)
    with pytest.raises(BadModel, match=reason) as caught:
        one(task(root), "colours", picture())
    assert not (root / "bomb-went-off").exists()
    assert str(root) not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def (", "cannot be imported: SyntaxError"),
        ("Colours = 3", "no model class called like 'colours'; it has none"),
        ("from torch import nn\nclass Other(nn.Module): pass", "called like 'colours'; it has Other"),
        ("from torch.nn import Module\nclass Colours(Module):\n def __init__(self, a): pass", "cannot be made"),
        ("from torch.nn import Module\nclass Colours(Module):\n def __init__(self): 1 / 0", "ZeroDivisionError"),
    ],
)
def test_bad_code_is_told(root: Path, code: str, reason: str) -> None:
    (root / "nets/zoo.py").write_text(code)
    with pytest.raises(BadModel, match=reason) as caught:
        one(task(root), "colours", picture())
    assert str(root) not in str(caught.value)


def test_a_damaged_record_of_a_run_is_told_and_a_damaged_history_is_not_asked(root: Path) -> None:
    foreign.write(root / f"global_models/{RUN}/result.json", '{"input_size": "big"}')
    foreign.write(root / "history/colours.json", "{")
    classify = task(root)
    with pytest.raises(BadModel, match="input_size"):
        one(classify, RUN, picture())
    assert one(classify, "colours", picture("red"))[0][0] == "rot"


@pytest.mark.parametrize("end", ["OUT.softmax(1)", "OUT.log_softmax(1)", "(OUT, None)", "{'aux': 0, 'logits': OUT}"])
def test_a_softmax_is_applied_once_whatever_the_model_answers(root: Path, end: str) -> None:
    plain = one(task(root), "colours", noise())
    zoo, out = root / "nets/zoo.py", "self.head(pictures.mean(dim=(2, 3)))"
    zoo.write_text(zoo.read_text().replace(f"return {out}", f"return {end.replace('OUT', out)}"))
    assert dict(one(task(root), "colours", noise())) == pytest.approx(dict(plain), abs=1e-5)


def test_outputs_that_are_no_numbers_are_a_fault(root: Path) -> None:
    torch.save({"head.weight": torch.full((3, 3), float("nan"))}, root / "weights/colours.pth")
    with pytest.raises(ArithmeticError):
        one(task(root), "colours", picture())


def test_a_model_that_is_not_there_is_refused_before_the_queue(root: Path) -> None:
    classify = task(root)
    assert classify.validate({"model": "colours"}) == {"model": "colours"}
    with pytest.raises(UnknownModel):
        classify.validate({"model": "../../etc/passwd"})
