"""Training the small net: schedule, checkpoints, several learners, samples and evaluation."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import net
from spoolfarm.training.course import told
from spoolfarm.training.data_parallel import learners
from spoolfarm.training.evaluation import Detection, Precision, precision
from spoolfarm.training.samples import CROWDED, CROWDS, Array, Drawn, Sample
from spoolfarm.training.scenes import scene
from spoolfarm.training.training import Recipe, Training

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # pycocotools' own way to make arrays, which NumPy 2 tolerates
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SMALL = net.Hyper(widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), pyramid=16, box=32, mask=(8, 8, 8))
SHORT = Recipe(iterations=4, anneal=2, warm_up=1, batch=2, side=64)
LONGER = replace(SHORT, iterations=6)


# The recipe.


def test_the_rate_comes_up_stays_and_comes_down() -> None:
    recipe = Recipe(iterations=100, anneal=20, warm_up=10, rate=1.0)
    rates = [recipe.rate_at(iteration) for iteration in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:80] == [1.0] * 70
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


class Few(Drawn):
    """The same four scenes again and again."""

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        return super().sample(seed, number % 4, height, width)


def test_training_lowers_the_loss() -> None:
    training = Training(SMALL, replace(SHORT, iterations=40, anneal=1, rate=5e-3), Few())
    losses = [step.loss for step in training.steps(processes=0)]
    assert len(losses) == 40
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])


class Empty(Drawn):
    """Pictures of nothing."""

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        picture = np.full((height, width, 3), number % 256, np.uint8)
        return Sample(picture, np.zeros((0, height, width), np.uint8), np.zeros(0, np.int64))


def test_a_batch_without_any_object_is_learned_from_too() -> None:
    training = Training(SMALL, SHORT, Empty())
    losses = [step.loss for step in training.steps(processes=0)]
    assert len(losses) == SHORT.iterations
    assert np.isfinite(losses).all()
    assert torch.isfinite(weights(training)).all()
    assert all(torch.isfinite(each).all() for each in training.averaged.state_dict().values())


class Poisoned(Drawn):
    """Pictures of which some are no numbers."""

    def __init__(self, poisoned: range) -> None:
        super().__init__()
        self.poisoned = poisoned

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        drawn = super().sample(seed, number, height, width)
        if number not in self.poisoned:
            return drawn
        return Sample(np.full(drawn.picture.shape, np.nan, np.float32), drawn.masks, drawn.classes)


def test_a_step_whose_gradient_is_no_number_is_left_out() -> None:
    training = Training(SMALL, SHORT, Poisoned(range(2, 4)))
    steps = training.steps(processes=0)
    assert np.isfinite(next(steps).loss)
    before = {name: each.clone() for name, each in training.model.state_dict().items()}
    assert not np.isfinite(next(steps).loss)
    for name, each in training.model.state_dict().items():
        assert torch.equal(each, before[name])
    assert all(np.isfinite(step.loss) for step in steps)
    assert all(torch.isfinite(each).all() for each in training.averaged.state_dict().values())


def test_boxes_are_learned_in_single_precision() -> None:
    training = Training(SMALL, replace(SHORT, iterations=1, side=128), Few())
    kinds: set[torch.dtype] = set()
    heads = training.model.roi_heads
    heads.box_roi_pool.register_forward_pre_hook(lambda _, given: kinds.update(each.dtype for each in given[1]))
    assert len(list(training.steps(processes=0))) == 1
    assert kinds == {torch.float32}


def test_a_training_that_no_longer_gives_numbers_ends_with_a_word() -> None:
    training = Training(SMALL, replace(SHORT, iterations=40), Poisoned(range(4, 100)))
    with pytest.raises(FarmError, match="no numbers at iteration 11"):
        list(training.steps(processes=0))


def test_a_resumed_training_ends_where_one_that_never_stopped_ends_however_many_processes_draw_its_batches(
    tmp_path: Path,
) -> None:
    whole = Training(SMALL, LONGER, Drawn())
    straight = [step.losses for step in whole.steps(processes=0)]
    begun = Training(SMALL, LONGER, Drawn())
    steps = begun.steps(processes=0)
    first = [next(steps).losses for _ in range(2)]
    begun.checkpoint(tmp_path / "checkpoint")
    resumed = Training.resume(tmp_path / "checkpoint", Drawn())
    rest = [step.losses for step in resumed.steps(processes=2)]
    assert first + rest == straight
    for mine, theirs in zip(resumed.averaged.state_dict().values(), whole.averaged.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_resumed_training_may_be_longer(tmp_path: Path) -> None:
    begun = Training(SMALL, replace(SHORT, iterations=1), Drawn())
    assert len(list(begun.steps(processes=0))) == 1
    begun.checkpoint(tmp_path / "checkpoint")
    resumed = Training.resume(tmp_path / "checkpoint", Drawn(), iterations=3)
    assert [step.iteration for step in resumed.steps(processes=0)] == [2, 3]


def test_a_checkpoint_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"none")
    with pytest.raises(FarmError, match="checkpoint is no checkpoint"):
        Training.resume(tmp_path / "checkpoint", Drawn())


# Several learners.


class Twins(Drawn):
    """Scenes of which every second is the one before it once more, but not in the last batch."""

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        last = number >= SHORT.batch * (SHORT.iterations - 1)
        return super().sample(seed, number if last else number // 2, height, width)


def weights(training: Training) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in training.model.parameters()])


def taught(count: int, part: slice = slice(None)) -> list[torch.Tensor]:
    """The weights that *count* learners come to with each batch of twins, or one with that *part* of it."""
    training = Training(SMALL, SHORT, Twins())
    training.part = part
    with learners(training, count):
        found = [weights(training) for _ in training.steps(processes=0)]
    assert multiprocessing.active_children() == []
    assert len(found) == SHORT.iterations
    return found


def test_learners_follow_the_mean_of_what_each_learns_from_its_part_of_a_batch() -> None:
    both, one = taught(2), taught(1, slice(0, None, 2))
    assert [torch.equal(*each) for each in zip(both[:-1], one[:-1], strict=True)] == [True] * (SHORT.iterations - 1)
    assert not torch.equal(both[-1], one[-1]), "where they are not alike, the other part counts"


def test_a_learner_that_dies_ends_the_training_with_a_word() -> None:
    training = Training(SMALL, replace(SHORT, iterations=1000), Drawn())
    with learners(training, 2):
        steps = training.steps(processes=0)
        next(steps)
        multiprocessing.active_children()[0].kill()
        with pytest.raises(FarmError, match="a learner is gone"):
            list(steps)
    assert 1 <= training.iteration < 1000


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    with (
        pytest.raises(FarmError, match="3 learners cannot share a batch of 2"),
        learners(Training(SMALL, SHORT, Drawn()), 3),
    ):
        pass


# Evaluation.


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Held-out scenes."""
    return list(Drawn().held_out(8))


def test_who_finds_every_pixel_scores_one_and_who_finds_nothing_zero(samples: list[Sample]) -> None:
    known = {sample.picture.tobytes(): sample.masks for sample in samples}
    best = precision(lambda picture: [Detection(mask, 0.9) for mask in known[picture.tobytes()]], samples)
    assert (best.ap, best.ap50, best.ap75) == (1, 1, 1)
    assert precision(lambda picture: [], samples).ap == 0


def test_who_finds_half_and_invents_as_much_scores_less(samples: list[Sample]) -> None:
    known = {sample.picture.tobytes(): sample.masks for sample in samples}

    def half(picture: Array) -> list[Detection]:
        masks = known[picture.tobytes()]
        return [Detection(mask, 0.8) for mask in masks[::2]] + [Detection(mask[::-1, ::-1], 0.9) for mask in masks[::2]]

    assert 0.05 < precision(half, samples).ap < 0.6


def test_drawn_samples_have_the_size_one_wants_whether_enlarged_or_not() -> None:
    for number in range(8):
        sample = Drawn().sample(4, number, 96, 128)
        assert sample.picture.shape == (96, 128, 3)
        assert sample.masks.shape == (len(sample.classes), 96, 128)
        assert set(np.unique(sample.masks)) <= {0, 1}
        assert sample.masks.any(axis=(1, 2)).all()
        assert (sample.masks.sum(axis=0) <= 1).mean() > 0.98, "enlarged masks may share their borders, no more"


def test_some_drawn_samples_have_their_colours_turned() -> None:
    full = [number for number in range(0, 60, 2) if number % CROWDS != 2]  # scenes that are drawn full size
    drawn = {number: scene(4, number, 96, 128, crowded=CROWDED) for number in full}
    changed = []
    for number, known in drawn.items():
        sample = Drawn().sample(4, number, 96, 128)
        assert (sample.masks == known.masks()).all()
        if (sample.picture != known.picture).any():
            changed.append(number)
            whole = (sample.picture > 0).all(2) & (sample.picture < 255).all(2)
            before, after = (np.linalg.norm(each[whole] - 128.0, axis=1) for each in (known.picture, sample.picture))
            assert np.abs(before - after).max(initial=0) < 2, "a turn leaves colours as far from grey as they were"
    assert changed == [0, 10, 30, 40]


def test_drawn_samples_are_more_crowded_than_held_out_scenes() -> None:
    def objects(crowded: float) -> list[int]:
        return [len(scene(4, number, 96, 96, crowded=crowded).masks()) for number in range(60)]

    usual, crowds = objects(1.0), objects(CROWDED)
    assert sum(crowds) > 1.2 * sum(usual)
    assert crowds.count(0) <= 1.5 * usual.count(0)


def test_held_out_scenes_are_in_no_stream_but_their_own() -> None:
    first = next(Drawn().held_out(1)).picture
    assert (first == next(Drawn().held_out(1)).picture).all()
    assert (first != next(Drawn().held_out(1, stream=1)).picture).any()
    for seed in range(5):
        assert (first != Drawn().sample(seed, 0, *first.shape[:2]).picture).any()


def test_a_figure_of_what_is_not_there_is_not_told() -> None:
    found = Precision(ap=0.5, ap50=0.75, ap75=0.6, small=0.0, medium=0.5, large=-1.0, recall=0.7, exact=0.25)
    said = "ap 0.500  ap50 0.750  ap75 0.600  small 0.000  medium 0.500  recall 0.700  exact 0.250"
    assert told(found) == said
