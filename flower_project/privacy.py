"""Differential privacy: what the model says of any one client's pictures is bounded, and the bound is told."""

from __future__ import annotations

import math

from flwr.app import Context, Message
from flwr.clientapp.mod import fixedclipping_mod
from flwr.clientapp.typing import ClientAppCallable
from flwr.serverapp import strategy as flower

from settings import Settings

#: The chance with which the bound may fail, for which epsilon is told.
DELTA = 1e-5
WRAPPERS = {
    "server": flower.DifferentialPrivacyServerSideFixedClipping,
    "client": flower.DifferentialPrivacyClientSideFixedClipping,
}


def wrap(strategy: flower.Strategy, settings: Settings) -> flower.Strategy:
    """*strategy* with updates clipped, here or by the clients, and noise added to their mean."""
    return WRAPPERS[settings.privacy](
        strategy, settings.noise_multiplier, settings.clipping_norm, num_sampled_clients=settings.sampled
    )


def clip(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """A mod of the ClientApp: the client clips its own update, when it is told that the server does not."""
    if message.content.config_records["config"]["privacy"] == "client":
        return fixedclipping_mod(message, context, call_next)
    return call_next(message, context)


def epsilon(noise_multiplier: float, releases: int, delta: float = DELTA) -> float:
    """How much *releases* noisy means tell of one client at most: the epsilon of (epsilon, *delta*) privacy.

    Releases of a Gaussian mechanism add up exactly to one with noise_multiplier / sqrt(releases), whose delta is known
    in closed form (Balle and Wang, arXiv:1805.06530, theorem 8). Sampling makes it better, which is not counted.
    """
    if releases == 0:
        return 0.0
    if noise_multiplier == 0:
        return math.inf
    sigma = noise_multiplier / math.sqrt(releases)

    def fails(candidate: float) -> float:
        return _normal(0.5 / sigma - candidate * sigma) - math.exp(candidate) * _normal(
            -0.5 / sigma - candidate * sigma
        )

    low, high = 0.0, 1.0
    while fails(high) > delta:
        low, high = high, high * 2
        if high > 500:
            return math.inf  # as good as no bound, and exp would soon overflow
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if fails(middle) > delta else (low, middle)
    return high


def _normal(value: float) -> float:
    """The normal distribution function."""
    return math.erfc(-value / math.sqrt(2)) / 2
