"""The small Mask R-CNN: its weights file, its size, its speed-ups that change nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.tasks.segment.roi_align import RoiAlign
from spoolfarm.tasks.segment.two_views import Detected, MirroringMaskRcnn

#: A net that is built in no time.
SMALL: dict[str, Any] = {"widths": (8, 8, 16, 16), "blocks": (1, 1, 1, 1), "pyramid": 16, "box": 32, "mask": (8, 8, 8)}


def saved(path: Path, classes: int = 1) -> Path:
    """A weights file of a small net with random weights."""
    torch.manual_seed(1)
    hyper = net.Hyper(**SMALL, classes=classes)
    names = {3 * number: f"thing {number}" for number in range(1, classes + 1)}
    net.save(path, net.build(**asdict(hyper)).state_dict(), hyper, names, {"seed": 1})
    return path


def test_a_weights_file_builds_the_net_that_was_saved(tmp_path: Path) -> None:
    model, about = net.load(saved(tmp_path / "small.pt", classes=2))
    torch.manual_seed(1)
    first = net.build(**SMALL, classes=2).eval()
    assert about["categories"] == [{"id": 3, "name": "thing 1"}, {"id": 6, "name": "thing 2"}]
    assert about["training"] == {"seed": 1}
    assert net.Hyper(**about["net"]).classes == 2
    for (name, mine), (other, theirs) in zip(model.state_dict().items(), first.state_dict().items(), strict=True):
        assert name == other
        assert torch.allclose(mine.float(), theirs.float(), atol=1e-3)
    assert not model.training
    assert not any(each.requires_grad for each in model.parameters())


def test_masks_are_twice_as_fine_as_the_usual_ones(tmp_path: Path) -> None:
    model = net.build(**SMALL, score=0.0).eval()
    pasted: list[torch.Tensor] = []
    model.transform.postprocess = lambda found, *_: pasted.append(found[0]["masks"]) or found
    with torch.inference_mode():
        model([torch.rand(3, 60, 80)])
    assert pasted[0].shape[1:] == (1, 56, 56)


def test_the_longer_side_of_a_picture_decides_its_scale() -> None:
    model = net.build(**SMALL, side=96).eval()
    for high, wide in ((300, 400), (400, 300), (40, 30)):
        images, _ = model.transform([torch.rand(3, high, wide)])
        assert max(images.image_sizes[0]) == 96


@pytest.mark.parametrize("size", [(300, 400), (97, 31), (2, 400), (1, 1)])
def test_a_picture_fills_its_frame(size: tuple[int, int]) -> None:
    model = net.build(**SMALL, side=128).eval()
    picture = torch.rand(3, *size) + 1
    images, _ = model.transform([picture])
    assert images.image_sizes == [tuple(images.tensors.shape[-2:])]
    assert all(side % 32 == 0 for side in images.image_sizes[0])
    assert (images.tensors > 2).all(), "nothing of it is padded"
    whole = {"boxes": torch.tensor([[0.0, 0.0, *images.image_sizes[0][::-1]]]), "masks": torch.ones(1, 1, 56, 56)}
    answer = model.transform.postprocess([whole], images.image_sizes, [size])[0]
    assert answer["boxes"].tolist() == [[0, 0, *size[::-1]]]
    assert answer["masks"].shape[-2:] == size


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(FarmError, match=r"broken\.pt is no weights file"):
        net.load(path)


def test_weights_of_another_kind_are_told_from_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"state_dict": {}, "format": 99}, path)
    with pytest.raises(FarmError, match="format 1"):
        net.load(path)
    with pytest.raises(OSError, match=r"missing\.pt"):
        net.load(tmp_path / "missing.pt")


def test_a_net_of_the_default_size_stays_under_12_mb(tmp_path: Path) -> None:
    hyper = net.Hyper()
    path = tmp_path / "default.pt"
    net.save(path, net.build(**asdict(hyper)).state_dict(), hyper, {1: "object"}, {})
    assert path.stat().st_size < 12e6


@pytest.mark.parametrize(("levels", "size", "samples"), [(["0"], 28, 1), (["0", "1", "2", "3"], 7, 2)])
def test_the_gradients_of_regions_are_those_of_torchvision(levels: list[str], size: int, samples: int) -> None:
    torch.manual_seed(0)
    pyramid = {str(level): torch.rand(3, 5, 64 >> level, 72 >> level, requires_grad=True) for level in range(4)}
    boxes = []
    for count in (40, 0, 7):
        corners = torch.rand(count, 2) * 250 - 20
        boxes.append(torch.cat([corners, corners + torch.rand(count, 2) * torch.rand(count, 1) * 250 + 0.4], 1))
    sides = [(256, 288)] * 3
    pool = MultiScaleRoIAlign(levels, size, samples)
    theirs, mine = pool(pyramid, boxes, sides), RoiAlign(pool)(pyramid, boxes, sides)
    assert torch.allclose(mine, theirs, atol=1e-4)
    weights, used = torch.rand_like(mine), [pyramid[level] for level in levels]
    slopes = [torch.autograd.grad((each * weights).sum(), used) for each in (mine, theirs)]
    for one, other in zip(*slopes, strict=True):
        assert torch.allclose(one, other, atol=1e-3)


def busy(**hyper: Any) -> MirroringMaskRcnn:
    """A small net with random weights that finds something everywhere."""
    torch.manual_seed(3)
    model = net.build(**SMALL, **hyper, score=0.0).eval()
    torch.nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, 0, 0.2)
    torch.nn.init.normal_(model.roi_heads.box_predictor.bbox_pred.weight, 0, 0.2)
    torch.nn.init.normal_(model.roi_heads.mask_predictor[0].weight, 0, 2)
    return model


def detected(model: MirroringMaskRcnn, pictures: torch.Tensor) -> list[Detected]:
    sides = (int(pictures.shape[2]), int(pictures.shape[3]))
    with torch.inference_mode():
        return model.detect(ImageList(pictures, [sides] * len(pictures)))


@pytest.mark.parametrize("classes", [1, 3])
def test_a_picture_and_its_mirror_image_have_mirrored_answers(classes: int) -> None:
    model, pictures = busy(classes=classes, glance=1.0), torch.rand(2, 3, 64, 96)
    straight, mirrored = detected(model, pictures), detected(model, pictures.flip(-1))
    for one, other in zip(straight, mirrored, strict=True):
        assert len(one["scores"]) == len(other["scores"]) > 10
        turned = torch.tensor([96, 0, 96, 0]) + other["boxes"][:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1])
        apart = torch.cdist(one["boxes"], turned, compute_mode="donot_use_mm_for_euclid_dist") + 99 * (
            one["labels"][:, None] != other["labels"]
        )
        same = apart.argmin(1)
        found = apart.amin(1) < 0.01
        assert found.float().mean() > 0.9, "of two that overlap by half, rounding may choose another"
        assert torch.allclose(one["scores"][found], other["scores"][same][found], atol=1e-4)
        assert torch.allclose(one["masks"][found], other["masks"][same][found].flip(-1), atol=1e-3)


@pytest.mark.parametrize("size", [(64, 96), (60, 70), (200, 33), (1, 1)])
def test_the_second_look_is_smaller_and_its_boxes_lie_where_they_belong(size: tuple[int, int]) -> None:
    model = busy(glance=0.5)
    images, _ = model.transform([torch.rand(3, *size)])
    with torch.inference_mode():
        view = model._glance(images)
    high, wide = images.tensors.shape[-2:]
    assert all(side % 32 == 0 for side in view.images.tensors.shape[-2:])
    assert view.images.tensors.shape[-1] <= max(32, wide / 2 + 16)
    boxes = torch.tensor([[0.0, 0.0, wide, high], [5.0, 7.0, 9.0, 8.0]])
    assert torch.allclose(view.back(view.of(boxes)), boxes, atol=1e-4)
    assert torch.allclose(view.of(boxes)[0], torch.tensor([0.0, 0.0, *reversed(view.images.tensors.shape[-2:])]))


def test_pictures_seen_together_are_seen_as_alone() -> None:
    model, pictures = busy(), torch.rand(3, 3, 64, 64)
    for picture, found in zip(pictures, detected(model, pictures), strict=True):
        alone = detected(model, picture[None])[0]
        assert torch.allclose(found["scores"], alone["scores"], atol=1e-5)
        assert torch.allclose(found["masks"], alone["masks"], atol=1e-4)


def test_where_nothing_is_found_the_answer_is_empty() -> None:
    model = busy()
    model.roi_heads.score_thresh = 1.0
    found = detected(model, torch.rand(1, 3, 64, 64))[0]
    assert {name: len(values) for name, values in found.items()} == {"boxes": 0, "labels": 0, "scores": 0, "masks": 0}


def test_a_vague_mask_makes_a_detection_worth_less() -> None:
    model, picture = busy(), torch.rand(1, 3, 64, 64)
    model.roi_heads.postprocess_detections = fixed = Fixed()
    found = detected(model, picture)[0]
    assert (found["scores"].diff() <= 0).all()
    for box, score in zip(fixed.boxes, fixed.scores, strict=True):
        at = int((found["boxes"] == box).all(1).nonzero()[0, 0])
        mask = found["masks"][at]
        sure = mask[mask > 0.5].mean() if (mask > 0.5).any() else 0.0
        assert found["scores"][at] == pytest.approx(float(score * sure), abs=1e-6)


def test_what_its_mask_makes_worth_too_little_is_not_answered() -> None:
    model, picture = busy(), torch.rand(1, 3, 64, 64)
    model.roi_heads.postprocess_detections = Fixed()
    scores = detected(model, picture)[0]["scores"]
    model.roi_heads.score_thresh = float(scores[1])
    assert detected(model, picture)[0]["scores"].tolist() == scores[:1].tolist()


class Fixed:
    """Boxes that are chosen whatever was proposed."""

    def __init__(self) -> None:
        self.boxes = torch.tensor([[4.0, 4.0, 30.0, 28.0], [32.0, 2.0, 62.0, 30.0], [1.0, 32.0, 30.0, 60.0]])
        self.scores = torch.tensor([0.9, 0.8, 0.7])

    def __call__(self, *_: Any) -> tuple[list[torch.Tensor], ...]:
        return [self.boxes], [self.scores], [torch.ones(len(self.boxes), dtype=torch.int64)]
