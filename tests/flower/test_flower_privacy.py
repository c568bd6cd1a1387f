"""Differential privacy: updates are clipped, noise is added, and epsilon is told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import Message
from flwr.clientapp import ClientApp

import client_app
import privacy
from tests.support.flower_runs import federated

QUICK = {
    "rounds": 1,
    "augment": "none",
    "local_epochs": 1,
    "fraction_fit": 1.0,
    "batch_size": 64,
    "learning_rate": 0.05,
}


def step(result: Any) -> float:
    """How far the run's only round took the model from its start."""
    torch.manual_seed(result["settings"]["seed"])
    start = client_app.MODELS[result["model"]](10, 1).state_dict()
    end = torch.load(result["folder"] / "state.pth", weights_only=True)["weights"]
    return float(sum((end[name] - start[name]).square().sum() for name in start) ** 0.5)


@pytest.mark.parametrize("side", ["server", "client"])
def test_no_round_moves_the_model_further_than_the_clipping_norm(tmp_path: Path, side: str) -> None:
    free = step(federated(tmp_path, **QUICK))
    clipped = step(federated(tmp_path, privacy=side, clipping_norm=0.1, noise_multiplier=0, **QUICK))
    assert clipped <= 0.1 * 1.001 < free


def test_with_privacy_on_the_client_side_the_server_only_sees_clipped_updates(tmp_path: Path) -> None:
    lengths = []
    spy = ClientApp()

    @spy.train()
    def train(message: Message, context: Any) -> Message:
        reply = client_app.app(message, context)
        before, after = (one.content.array_records["arrays"].to_torch_state_dict() for one in (message, reply))
        lengths.append(float(sum((after[name] - before[name]).square().sum() for name in before) ** 0.5))
        return reply

    for side, bound in (("client", 0.1001), ("server", math.inf)):
        federated(tmp_path, spy, privacy=side, clipping_norm=0.1, noise_multiplier=0, **QUICK)
        assert max(lengths) < bound
    assert max(lengths) > 0.2, "without clipping the updates are longer, so the bound above says something"


@pytest.mark.parametrize("side", ["server", "client"])
def test_the_noise_is_as_strong_as_asked(tmp_path: Path, side: str) -> None:
    result = federated(tmp_path, privacy=side, clipping_norm=0.1, noise_multiplier=30, clients=6, **QUICK)
    weights = client_app.MODELS["SmallCNN"](10, 1)
    count = sum(tensor.numel() for tensor in weights.parameters())
    assert step(result) == pytest.approx(30 * 0.1 / 6 * math.sqrt(count), rel=0.05)


def test_noise_is_never_drawn_from_the_seed(tmp_path: Path) -> None:
    options = {"privacy": "server", "noise_multiplier": 1.0, **QUICK}
    one, other = (federated(tmp_path, **options)["losses"] for _ in range(2))
    assert one != other


def test_all_clients_count_the_same_under_privacy(tmp_path: Path) -> None:
    import strategies
    from settings import Settings

    for side, key in (("none", "num-examples"), ("server", "one"), ("client", "one")):
        made = strategies.make(Settings.read({"privacy": side}))
        assert getattr(made, "strategy", made).weighted_by_key == key


def test_a_round_with_a_missing_answer_is_not_released(tmp_path: Path) -> None:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Any) -> Message:
        if context.node_config["partition-id"] == 0:
            raise RuntimeError("out of order")
        return client_app.app(message, context)

    result = federated(tmp_path, app, privacy="server", **QUICK)
    assert "privacy" not in result
    assert step(result) == 0


@pytest.mark.parametrize(
    ("noise", "releases", "expected"),
    # sigma 1 and 0.5 at delta 1e-5 by the closed form; four releases at noise 1 are one at 0.5
    [(1.0, 1, 4.377), (0.5, 1, 9.997), (1.0, 4, 9.997), (0.0, 1, math.inf), (1.0, 0, 0.0)],
)
def test_epsilon_is_that_of_the_gaussian_mechanism(noise: float, releases: int, expected: float) -> None:
    assert privacy.epsilon(noise, releases) == pytest.approx(expected, abs=0.01)


def test_the_record_tells_epsilon_and_goes_on_counting_when_resumed(tmp_path: Path) -> None:
    options = {"privacy": "server", "clipping_norm": 0.01, "noise_multiplier": 2.0, **QUICK}
    first = federated(tmp_path, **options)
    assert first["privacy"]["releases"] == 1
    second = federated(tmp_path, resume=str(first["folder"]), rounds=3)
    assert second["privacy"] == {"epsilon": round(privacy.epsilon(2.0, 3), 6), "delta": 1e-5, "releases": 3}
