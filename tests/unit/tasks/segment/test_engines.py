"""The engines behind segment and orient, with real nets of random weights, and what they are told to leave out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from spoolfarm.errors import FarmError
from spoolfarm.tasks.fuse import fuse
from spoolfarm.tasks.segment import engines, net
from spoolfarm.tasks.segment.classical import Classical
from spoolfarm.tasks.segment.instance import Engine, Instance, Wanted
from spoolfarm.tasks.segment.maskrcnn import MaskRcnn
from spoolfarm.tasks.segment.orient import Orient
from spoolfarm.tasks.segment.roi_align import RoiAlign
from spoolfarm.tasks.segment.task import Segment
from tests.support.drawn_scenes import Mask, Picture, bar, ellipses, overlap, png
from tests.unit.tasks.segment.test_segment import run, task

pytestmark = pytest.mark.usefixtures("one_thread")

NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)
#: Pictures of which hardly anything is left when they are made to fit, or which hardly have pixels.
ODD = [(2, 5000), (5000, 2), (1, 1), (3, 3), (1, 16384), (700, 8)]


def restless(made: MaskRCNN) -> MaskRCNN:
    """*made* with normalisations that do something, scores that differ, and masks that are neither full nor empty."""
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.normal_(made.roi_heads.box_predictor.cls_score.weight, 0, 0.05)
    nn.init.normal_(made.roi_heads.mask_predictor[0].weight, 0, 4)
    nn.init.constant_(made.roi_heads.mask_predictor[0].bias, 3)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def random_net() -> MaskRCNN:
    torch.manual_seed(5)
    return restless(net.build(side=256))


@pytest.fixture(scope="module")
def texture() -> Picture:
    coarse = np.random.default_rng(2).integers(0, 255, (30, 40, 3), np.uint8)
    return cv2.resize(coarse, (330, 250), interpolation=cv2.INTER_CUBIC)  # of 256 pixels across, it fills no frame


def whole(instance: Instance, picture: Picture) -> Mask:
    full = np.zeros(picture.shape[:2], bool)
    rows, columns = instance.mask.shape
    full[instance.top : instance.top + rows, instance.left : instance.left + columns] = instance.mask > 0
    return full


def find(engine: Engine, picture: Picture, **wanted: Any) -> list[Instance]:
    return list(engine.find([picture], [Wanted(**wanted)])[0].instances)


def torchvisions(made: MaskRCNN) -> MaskRCNN:
    """A net of the parts of *made* that looks once and pads, as torchvision's do."""
    other, own = copy.deepcopy(made), made.transform
    other.__class__ = MaskRCNN
    other.transform = GeneralizedRCNNTransform(own.min_size, own.max_size, own.image_mean, own.image_std)
    return other.eval()


def plain(made: MaskRCNN, picture: Picture, score: float, most: int) -> dict[str, torch.Tensor]:
    """Torchvision's own answer."""
    made.roi_heads.score_thresh, made.roi_heads.detections_per_img = score, most
    rgb = torch.from_numpy(np.ascontiguousarray(picture[:, :, ::-1])).permute(2, 0, 1).float() / 255
    with torch.no_grad():
        return made([rgb])[0]


# The learned engine.


@pytest.mark.parametrize("kind", [copy.deepcopy, torchvisions])
def test_it_finds_the_masks_that_the_net_finds(
    random_net: MaskRCNN, texture: Picture, kind: Callable[[MaskRCNN], MaskRCNN]
) -> None:
    known = plain(kind(random_net), texture, 0.3, 100)
    full = (known["masks"] > 0.5).flatten(1).any(1) & (known["scores"] > 0.3)
    known = {name: values[full] for name, values in known.items()}
    found = find(MaskRcnn(kind(random_net), "random", {1: "object"}), texture, score=0.3, most=100)
    assert len(found) >= 10
    assert [each.score for each in found] == pytest.approx(known["scores"].tolist(), abs=1e-5)
    same = 0
    for each, mask, (x0, y0, x1, y1) in zip(found, known["masks"], known["boxes"].tolist(), strict=True):
        assert each.box == pytest.approx((x0, y0, x1 - x0, y1 - y0), abs=0.01)
        iou = overlap(whole(each, texture), (mask[0] > 0.5).numpy())
        assert iou > 0.995
        same += iou == 1
    assert same >= 0.9 * len(found)


def test_every_normalisation_of_both_nets_is_fused(random_net: MaskRCNN) -> None:
    for made in (copy.deepcopy(random_net), maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)):
        norms = sum(isinstance(module, NORMS) for module in made.modules())
        assert fuse(made, *NORMS, ordered=True) == norms > 20
        assert not any(isinstance(module, NORMS) for module in made.modules())


@pytest.mark.parametrize(("levels", "side"), [(["0", "1", "2", "3"], 7), (["0"], 28)])
def test_regions_are_read_as_torchvision_reads_them(levels: list[str], side: int) -> None:
    rng = torch.Generator().manual_seed(4)
    pyramid = {str(level): torch.randn(2, 16, 96 >> level, 128 >> level, generator=rng) for level in range(4)}
    pool = MultiScaleRoIAlign(levels, side, 2)
    low = torch.rand(2, 60, 2, generator=rng) * 400 - 30
    boxes = list(torch.cat([low, low + torch.rand(2, 60, 2, generator=rng) ** 3 * 500], 2))
    sizes = [(384, 500), (360, 512)]
    for chosen in (boxes, [boxes[0][:0], boxes[1]], [boxes[0][:0], boxes[1][:0]]):
        wanted = pool(pyramid, chosen, sizes)
        torch.testing.assert_close(RoiAlign(pool)(pyramid, chosen, sizes), wanted, rtol=1e-3, atol=1e-3)


def test_the_surest_come_first_and_what_nobody_wants_is_left_out(random_net: MaskRCNN, texture: Picture) -> None:
    engine = MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"})
    every = find(engine, texture, score=0.0, most=40)
    scores = [each.score for each in every]
    assert scores == sorted(scores, reverse=True)
    limit = scores[9]
    assert [each.score for each in find(engine, texture, score=limit, most=40)] == scores[:9]
    assert [each.score for each in find(engine, texture, score=0.0, most=5)] == scores[:5]
    assert [each.score for each in find(engine, texture, score=0.0, most=5, categories=frozenset({1}))] == scores[:5]
    assert not find(engine, texture, score=0.0, most=5, categories=frozenset({2}))


def test_pictures_found_together_are_found_as_alone(random_net: MaskRCNN, texture: Picture) -> None:
    engine = MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"})
    strip = np.zeros((2, 5000, 3), np.uint8)
    pictures, wanted = (
        [texture[:160], strip, texture, texture],
        [Wanted(0.3, 20), Wanted(), Wanted(0.3, 20), Wanted(0.33, 3)],
    )
    together = [list(found.instances) for found in engine.find(pictures, wanted)]
    assert [len(each) for each in together] == [20, 0, 20, 3]
    for picture, found in ((texture[:160], together[0]), (texture, together[2])):
        for each, alone in zip(found, find(engine, picture, score=0.3, most=20), strict=True):
            assert each.score == pytest.approx(alone.score, abs=1e-4)


def test_a_batch_that_does_not_fit_is_halved(
    random_net: MaskRCNN, texture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"})
    tried, inner = [], engine._find

    def tight(pictures: list[Picture], wanted: list[Wanted]) -> Any:
        tried.append(len(pictures))
        if len(pictures) > 2:
            raise torch.OutOfMemoryError("too many")
        return inner(pictures, wanted)

    monkeypatch.setattr(engine, "_find", tight)
    found = engine.find([texture] * 5, [Wanted(0.3, number) for number in range(1, 6)])
    assert tried == [5, 2, 3, 1, 2]
    assert [len(list(each.instances)) for each in found] == [1, 2, 3, 4, 5]


def test_half_precision_is_in_the_backbone_alone(random_net: MaskRCNN, texture: Picture) -> None:
    exact = find(MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"}), texture, score=0.0, most=20)
    half = MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"}, precision="bf16")
    found = find(half, texture, score=0.0, most=20)
    assert {parameter.dtype for parameter in half._net.parameters()} == {torch.float32}
    assert [each.score for each in found] != [each.score for each in exact]
    assert [each.score for each in found] == pytest.approx([each.score for each in exact], abs=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_finds_what_a_cpu_finds(random_net: MaskRCNN, texture: Picture) -> None:
    known = find(MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"}), texture, score=0.3, most=100)
    engine = MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"}, device="cuda")
    for found in engine.find([texture] * 5, [Wanted(0.3, 100)] * 5):
        masks = [(each.score, whole(each, texture)) for each in found.instances]
        assert abs(len(masks) - len(known)) <= 1  # one may lie on the threshold
        for each in known[:20]:
            same = [mask for score, mask in masks if abs(score - each.score) < 1e-3]
            assert max(overlap(whole(each, texture), mask) for mask in same) > 0.99


@pytest.mark.parametrize("size", ODD, ids=str)
def test_odd_pictures_are_answered_and_not_a_crash(random_net: MaskRCNN, size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 90, np.uint8)
    for engine in (MaskRcnn(copy.deepcopy(random_net), "random", {1: "object"}), Classical()):
        for each in find(engine, picture, score=0.0, most=3):
            assert each.left + each.mask.shape[1] <= size[1]
            assert each.top + each.mask.shape[0] <= size[0]


# The classical engine.


@pytest.mark.parametrize("name", ["classical", "default"])
def test_drawn_ellipses_are_found_and_nothing_else(name: str) -> None:
    engine, drawn, hits, others = engines.engine(name), 0, 0, 0
    for seed in range(16):
        picture, masks = ellipses(seed)
        overlaps = np.array([[overlap(whole(each, picture), mask) for mask in masks] for each in find(engine, picture)])
        drawn += len(masks)
        hits += np.count_nonzero(overlaps.max(axis=0) >= 0.7)
        others += np.count_nonzero(overlaps.max(axis=1) < 0.5)
    assert drawn > 45
    assert hits >= 0.9 * drawn
    assert others <= 0.05 * drawn


def test_touching_discs_are_two_objects_and_a_long_bar_is_one() -> None:
    picture = np.full((300, 420, 3), 30, np.uint8)
    for x in (140, 255):
        cv2.circle(picture, (x, 150), 60, (200, 210, 190), cv2.FILLED)
    first, second = sorted(find(Classical(), picture), key=lambda each: each.left)
    assert [first.left, second.left + second.mask.shape[1]] == pytest.approx([80, 316], abs=3)
    assert len(find(Classical(), bar(30, length=320, thick=24))) == 1


@pytest.mark.parametrize("kind", ["even", "noise", "slope", "black"])
def test_where_nothing_stands_out_the_classical_engine_finds_nothing(kind: str) -> None:
    rng = np.random.default_rng(0)
    picture = {
        "even": np.full((200, 300, 3), 128.0),
        "noise": rng.normal(128, 30, (200, 300, 3)),
        "slope": np.broadcast_to(np.linspace(0, 255, 300)[None, :, None], (200, 300, 3)),
        "black": np.zeros((200, 300, 3)),
    }[kind]
    assert not find(Classical(), np.clip(picture, 0, 255).astype(np.uint8))


# Which engine, and its weights.


def test_a_trained_file_is_served_with_its_categories(random_net: MaskRCNN, tmp_path: Path) -> None:
    names = {3: "nut", 7: "bolt"}
    made = net.build(side=256, classes=2)
    net.save(tmp_path / "mine.pt", made.state_dict(), net.Hyper(side=256, classes=2), names, {})
    engine = engines.engine(str(tmp_path / "mine.pt"))
    assert (engine.model, engine.labels) == ("mine.pt", names)


def test_what_is_found_has_the_category_ids_of_the_labels_that_were_learned(tmp_path: Path, texture: Picture) -> None:
    torch.manual_seed(2)
    names = {3: "nut", 7: "bolt"}
    made = restless(net.build(side=256, classes=2))
    net.save(tmp_path / "mine.pt", made.state_dict(), net.Hyper(side=256, classes=2), names, {})
    segment = task(Segment, str(tmp_path / "mine.pt"))
    kinds = {
        chosen: {
            (each["category_id"], each["label"])
            for each in run(segment, png(texture), score_threshold=0.1, classes=list(chosen))[0]["masks"]
        }
        for chosen in ((), ("nut",), ("bolt",))
    }
    assert kinds == {(): {(3, "nut"), (7, "bolt")}, ("nut",): {(3, "nut")}, ("bolt",): {(7, "bolt")}}


def test_a_category_without_a_name_is_called_by_its_number(tmp_path: Path, texture: Picture) -> None:
    torch.manual_seed(2)
    made = restless(net.build(side=256, classes=2))
    net.save(tmp_path / "mine.pt", made.state_dict(), net.Hyper(side=256, classes=2), {1: "nut"}, {})
    [answer] = run(task(Segment, str(tmp_path / "mine.pt")), png(texture), score_threshold=0.1)
    assert {(each["category_id"], each["label"]) for each in answer["masks"]} == {(1, "nut"), (2, "2")}


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


def test_weights_that_are_no_plain_tensors_are_rejected(tmp_path: Path) -> None:
    torch.save({"roi_heads.box_predictor.cls_score.bias": Evil(tmp_path / "unpickled")}, tmp_path / "evil.pth")
    (tmp_path / "damaged.pth").write_bytes(b"no weights at all")
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pth")
    for name in ("evil", "damaged"):
        with pytest.raises(FarmError, match="rejected"):
            engines.engine(str(tmp_path / f"{name}.pth"))
    with pytest.raises(FarmError, match="no state dict of torchvision's"):
        engines.engine(str(tmp_path / "other.pth"))
    with pytest.raises(FarmError, match="cannot be read"):
        engines.engine(str(tmp_path / "none.pth"))
    assert not (tmp_path / "unpickled").exists()


def test_coco_weights_that_cannot_be_fetched_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(FarmError, match="cannot be fetched") as raised:
        engines.engine("coco")
    assert "checkpoints" in raised.value.hint


def test_tasks_of_one_process_share_one_engine() -> None:
    assert task(Segment)._engine is task(Orient)._engine
