"""The learning task: training, FedProx's term, augmentation, and the models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import data
import task
from model import MODELS, SmallCNN
from settings import Settings

ONE_STEP = {"local_epochs": 1, "batch_size": 10_000, "momentum": 0.0, "augment": "none"}


def digits() -> tuple[data.Pictures, task.Normalise]:
    dataset = data.load("", 0, 1)
    return dataset.train, task.Normalise(dataset.mean, dataset.deviation, torch.device("cpu"))


def fresh() -> SmallCNN:
    torch.manual_seed(1)
    return SmallCNN()


def moved(mu: float, **options: object) -> float:
    """How far training with FedProx's *mu* takes the model from its start."""
    model = fresh()
    start = [weights.detach().clone() for weights in model.parameters()]
    task.train(model, *digits(), Settings.read({"learning_rate": 0.05, "local_epochs": 1, **options}), mu)
    return float(task.distance(model, start).detach()) ** 0.5


def test_the_proximal_term_holds_a_client_to_the_global_model() -> None:
    free, held, bound = moved(0.0), moved(0.1), moved(3.0)
    assert bound < 0.5 * held < held < 0.9 * free


def test_the_proximal_gradient_is_mu_times_the_distance() -> None:
    model = fresh()
    start = [weights.detach().clone() for weights in model.parameters()]
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.01
    (0.7 / 2 * task.distance(model, start)).backward()
    for weights in model.parameters():
        assert weights.grad is not None
        torch.testing.assert_close(weights.grad, torch.full_like(weights, 0.7 * 0.01))


def test_one_step_without_momentum_is_plain_gradient_descent() -> None:
    pictures, normalise = digits()
    model, other = fresh(), fresh()
    task.train(model, pictures, normalise, Settings.read(ONE_STEP | {"learning_rate": 0.1}))
    nn.functional.cross_entropy(other(normalise(pictures.images)), pictures.labels).backward()
    for weights, before in zip(model.parameters(), other.parameters(), strict=True):
        assert before.grad is not None
        torch.testing.assert_close(weights, before - 0.1 * before.grad, atol=1e-5, rtol=1e-4)


def test_a_loss_that_runs_away_is_an_error_that_names_the_learning_rate() -> None:
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        moved(0.0, learning_rate=1e6)


def test_flipping_mirrors_and_shifting_does_not() -> None:
    torch.manual_seed(1)
    left = torch.zeros(200, 1, 8, 8)
    left[..., :2] = 1  # bright at the left
    for mirror in (False, True):
        varied = task.vary(left, mirror=mirror)
        mirrored = varied[..., 4:].mean(dim=(1, 2, 3)) > varied[..., :4].mean(dim=(1, 2, 3))
        assert bool(mirrored.any()) is mirror
        assert not torch.equal(varied, left)
    assert 60 < int(mirrored.sum()) < 140


@pytest.mark.parametrize(
    ("name", "size"), [("SmallCNN", 8), ("SmallResNet", 8), ("SmallResNet", 64), ("MobileNetV3", 64)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_model_has_no_state_that_averaging_would_spoil(name: str, size: int, channels: int) -> None:
    model = MODELS[name](7, channels)
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)
    assert not list(model.buffers()), "buffers, such as BatchNorm's statistics, are not trained by gradients"
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


@pytest.mark.parametrize("name", ["SmallCNN", "SmallResNet"])
def test_a_model_learns_the_digits(name: str) -> None:
    torch.manual_seed(1)
    dataset = data.load("", 0, 1)
    pictures, normalise = digits()
    model = MODELS[name](10, 1)
    task.train(
        model,
        pictures,
        normalise,
        Settings.read({"local_epochs": 2, "batch_size": 32, "augment": "none", "learning_rate": 0.05}),
    )
    assert task.evaluate(model, dataset.validation, normalise).accuracy > 0.8
