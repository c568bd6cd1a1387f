"""The strategies by name: how the server combines what the clients learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from flwr.serverapp import strategy as flower
from torch import Tensor

import privacy
from settings import Settings

#: Server step sizes when none is given. The adaptive strategies take steps of this size in every weight.
MOMENTUM_STEP, ADAPTIVE_STEP = 1.0, 0.03
#: What the strategies remember from round to round, beside the weights.
MEMORY = ("m_t", "v_t", "momentum_vector")


def _none(settings: Settings) -> dict[str, Any]:
    return {}


def _adagrad(settings: Settings) -> dict[str, Any]:
    return {"eta": settings.server_learning_rate or ADAPTIVE_STEP, "tau": settings.tau}


def _adaptive(settings: Settings) -> dict[str, Any]:
    return {**_adagrad(settings), "beta_1": settings.server_momentum}


def _momentum(settings: Settings) -> dict[str, Any]:
    return {
        "server_learning_rate": settings.server_learning_rate or MOMENTUM_STEP,
        "server_momentum": settings.server_momentum,
    }


def _robust(settings: Settings) -> dict[str, Any]:
    return {"num_malicious_nodes": settings.malicious}


def _multi_krum(settings: Settings) -> dict[str, Any]:
    return {**_robust(settings), "num_nodes_to_select": settings.sampled - settings.malicious}


#: Each strategy of Flower's on offer, and the settings that are its own. `settings.py` lists the same names.
STRATEGIES: dict[str, tuple[type[flower.FedAvg], Callable[[Settings], dict[str, Any]]]] = {
    "FedAvg": (flower.FedAvg, _none),
    "FedProx": (flower.FedProx, lambda settings: {"proximal_mu": settings.proximal_mu}),
    "FedAvgM": (flower.FedAvgM, _momentum),
    "FedAdam": (flower.FedAdam, _adaptive),
    "FedYogi": (flower.FedYogi, _adaptive),
    "FedAdagrad": (flower.FedAdagrad, _adagrad),
    "FedMedian": (flower.FedMedian, _none),
    "FedTrimmedAvg": (flower.FedTrimmedAvg, lambda settings: {"beta": settings.trim}),
    "Krum": (flower.Krum, _robust),
    "MultiKrum": (flower.MultiKrum, _multi_krum),
    "Bulyan": (flower.Bulyan, _robust),
}


def make(settings: Settings) -> flower.Strategy:
    """The strategy that *settings* name, made private when they say so."""
    kind, own = STRATEGIES[settings.strategy]
    made = kind(
        fraction_train=settings.fraction_fit,
        fraction_evaluate=settings.fraction_evaluate,
        min_train_nodes=settings.min_clients,
        min_evaluate_nodes=1,
        min_available_nodes=settings.min_clients,
        # noise hides one client only if all count the same
        weighted_by_key="num-examples" if settings.privacy == "none" else "one",
        **own(settings),
    )
    return made if settings.privacy == "none" else privacy.wrap(made, settings)


def memory(strategy: flower.Strategy) -> dict[str, dict[str, Tensor]]:
    """What *strategy* remembers, as plain tensors that torch.save can write."""
    inner = getattr(strategy, "strategy", strategy)
    found = {name: getattr(inner, name, None) for name in MEMORY}
    return {
        name: {
            str(key): torch.from_numpy(array)
            for key, array in (value.items() if isinstance(value, dict) else enumerate(value))
        }
        for name, value in found.items()
        if value
    }


def restore(strategy: flower.Strategy, kept: dict[str, dict[str, Tensor]]) -> None:
    """Give *strategy* back what `memory` told."""
    inner = getattr(strategy, "strategy", strategy)
    for name, tensors in kept.items():
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
        setattr(inner, name, list(arrays.values()) if name == "momentum_vector" else arrays)
