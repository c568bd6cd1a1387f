"""Each strategy does what it says: on honest clients, on poisoned ones, and on arithmetic that can be done by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

import strategies
from grid import InlineGrid
from settings import Settings
from tests.support.flower_runs import federated

#: Eight clients with alike pictures, all of whom train: quick to learn, and enough for Bulyan.
ALIKE = {"clients": 8, "fraction_fit": 1.0, "alpha": 100, "rounds": 2, "augment": "none", "local_epochs": 2}
ALIKE |= {"learning_rate": 0.05, "batch_size": 24}
ROBUST = {"FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan"}
#: The weights that clients 1 to 7 answer with in the arithmetic below; they had 0, and the last one attacks.
ANSWERS = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 1000.0]


def answering(weights: list[float]) -> ClientApp:
    """Clients that answer with *weights* whatever they are sent; client n had n pictures."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Any) -> Message:
        number = int(context.node_config["partition-id"])
        arrays = ArrayRecord([np.full((2, 2), weights[number], np.float32)])
        metrics = MetricRecord({"num-examples": number + 1, "one": 1})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    return app


def combined(name: str, rounds: int = 1, weights: list[float] = ANSWERS, **options: Any) -> float:
    """The weight that strategy *name* makes of the answers, each in turn the start of the next round."""
    given = {"strategy": name, "clients": len(weights), "fraction_fit": 1.0, **options}
    strategy = strategies.make(Settings.read(given))
    grid = InlineGrid(answering(weights), len(weights))
    arrays = ArrayRecord([np.zeros((2, 2), np.float32)])
    for number in range(1, rounds + 1):
        asked = strategy.configure_train(number, arrays, ConfigRecord(), grid)
        arrays, _ = strategy.aggregate_train(number, grid.send_and_receive(asked))
    return float(arrays.to_numpy_ndarrays()[0][0, 0])


def test_fedavg_weighs_clients_by_their_pictures() -> None:
    assert combined("FedAvg", weights=[1.0, 4.0]) == pytest.approx((1 * 1 + 2 * 4) / 3)


def test_fedavgm_goes_on_in_the_direction_it_had() -> None:
    # the clients always answer 3: the first step is 3 long, the second 0 plus half of the first
    options = {"server_momentum": 0.5, "weights": [3.0, 3.0]}
    assert [combined("FedAvgM", rounds, **options) for rounds in (1, 2)] == pytest.approx([3.0, 4.5])


@pytest.mark.parametrize("name", ["FedAdam", "FedYogi", "FedAdagrad"])
def test_adaptive_strategies_step_by_their_own_rate_however_far_the_clients_went(name: str) -> None:
    near, far = (combined(name, weights=[value] * 2, server_learning_rate=0.1, tau=1e-9) for value in (1.0, 100.0))
    assert near == pytest.approx(far, rel=1e-3)
    assert 0.01 < near < 1


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("FedMedian", {}, 2.5),
        ("FedTrimmedAvg", {"trim": 0.2}, np.mean(ANSWERS[1:-1])),
        ("Krum", {}, 2.0),
        ("Bulyan", {}, np.mean([1.5, 2.0, 2.5])),  # Krum leaves 4 and 1000 out; of the rest, the three in the middle
    ],
)
def test_a_robust_strategy_ignores_one_wild_answer(name: str, options: dict[str, Any], expected: float) -> None:
    assert combined(name, **options) == pytest.approx(expected)


def test_multikrum_averages_all_but_the_wild_answer() -> None:
    weighed = np.average(ANSWERS[:-1], weights=range(1, 7))
    assert combined("MultiKrum") == pytest.approx(weighed)


@pytest.mark.parametrize("name", sorted(strategies.STRATEGIES.keys() - ROBUST))
def test_a_strategy_for_honest_clients_learns_the_digits(tmp_path: Path, name: str) -> None:
    result = federated(tmp_path, strategy=name, **ALIKE)
    assert result["test_accuracy"] > 0.6, result["accuracies"]


def test_one_poisoned_client_ruins_fedavg(tmp_path: Path) -> None:
    assert federated(tmp_path, strategy="FedAvg", poisoned=1, **ALIKE)["test_accuracy"] < 0.5


@pytest.mark.parametrize("name", sorted(ROBUST))
def test_a_robust_strategy_survives_a_poisoned_client(tmp_path: Path, name: str) -> None:
    assert federated(tmp_path, strategy=name, poisoned=1, **ALIKE)["test_accuracy"] > 0.7


def test_fedprox_tells_the_clients_its_mu(tmp_path: Path) -> None:
    seen = []
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Any) -> Message:
        seen.append(message.content.config_records["config"]["proximal-mu"])
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="no client answered"):
        federated(tmp_path, app, strategy="FedProx", proximal_mu=0.25)
    assert set(seen) == {0.25}
