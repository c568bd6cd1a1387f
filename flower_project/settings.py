"""The settings of a run: one table for the command line, for `flwr run -c` and for what the clients are told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

#: A value as a command line, a TOML file or a Flower message carries it.
Value = int | float | str
#: What a resumed run takes over: with another value it would not be the same training.
FIXED = ("model", "strategy", "data", "image_size", "clients", "alpha", "seed", "privacy")


def option(
    default: Value,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """One row of the table."""
    return field(
        default=default,
        metadata={"help": help, "least": least, "most": most, "above": above, "choices": tuple(choices)},
    )


@dataclass(frozen=True)
class Settings:
    """Everything that may be set; a value out of bounds is a ValueError that names it."""

    rounds: int = option(10, "rounds of training; a resumed run goes on up to this number", least=1)
    min_clients: int = option(2, "clients that a round needs at least", least=1)
    fraction_fit: float = option(0.8, "share of the clients that train in a round", above=0, most=1)
    learning_rate: float = option(0.01, "step size of the clients' SGD", above=0)
    clients: int = option(6, "clients to simulate; on real machines the SuperNodes count instead", least=1, most=10_000)
    local_epochs: int = option(5, "passes over its own pictures that a client makes in a round", least=1)
    batch_size: int = option(16, "pictures in one step", least=1)
    momentum: float = option(0.9, "momentum of the clients' SGD", least=0, most=1)
    alpha: float = option(
        0.5, "how evenly the classes are dealt to the clients (Dirichlet): 0.1 is uneven, 100 is even", above=0
    )
    seed: int = option(
        1, "the same seed gives the same split, and in one process the same model", least=0, most=2**63 - 1
    )
    model: str = option("SmallCNN", "a model of model.py", choices=("SmallCNN", "SmallResNet", "MobileNetV3"))
    data: str = option("", "folder with one folder of pictures for each class; empty: the handwritten digits")
    image_size: int = option(0, "pixels a side; 0: 8 for the digits, 64 for a folder", least=0, most=1024)
    augment: str = option(
        "auto",
        "vary the training pictures: shift, or flip (shift and mirror); auto: shift digits, flip a folder's",
        choices=("auto", "none", "shift", "flip"),
    )
    strategy: str = option(
        "FedAvg",
        "how the server combines what the clients learnt",
        choices=(
            *("FedAvg", "FedProx", "FedAvgM", "FedAdam", "FedYogi", "FedAdagrad"),
            *("FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan"),
        ),
    )
    proximal_mu: float = option(0.1, "FedProx: how strongly a client is held to the global model", least=0)
    server_learning_rate: float = option(
        0.0,
        "FedAvgM, FedAdam, FedYogi, FedAdagrad: the server's step; 0: 1.0 for FedAvgM, 0.03 for the others",
        least=0,
    )
    server_momentum: float = option(0.9, "FedAvgM, FedAdam, FedYogi: the server's momentum", least=0, most=0.999)
    tau: float = option(0.001, "FedAdam, FedYogi, FedAdagrad: the larger, the less adaptive", above=0)
    trim: float = option(0.2, "FedTrimmedAvg: share of the clients left out at either end", least=0, most=0.49)
    malicious: int = option(1, "Krum, MultiKrum, Bulyan: clients to be proof against", least=0)
    privacy: str = option(
        "none",
        "differential privacy for clients: updates are clipped by the server or by each client, and noise is added",
        choices=("none", "server", "client"),
    )
    clipping_norm: float = option(1.0, "privacy: longest update of a client that counts in full", above=0)
    noise_multiplier: float = option(1.0, "privacy: noise in units of what one client can change", least=0)
    poisoned: int = option(
        0, "clients that attack, to try a strategy: they send their update reversed and tenfold", least=0
    )
    fraction_evaluate: float = option(
        0.0, "share of the clients that also tell how well the global model fits their own pictures", least=0, most=1
    )
    timeout: float = option(600.0, "seconds a round waits for clients on other machines", above=0)
    engine: str = option(
        "inline",
        "inline: all in this process; ray: Flower's simulation on Ray; deployment: real machines, by a SuperLink",
        choices=("inline", "ray", "deployment"),
    )
    ray_address: str = option("", "engine ray: an existing cluster, HOST:PORT or auto; empty: one of its own")
    ray_cpus: float = option(1.0, "engine ray: cores for each client", above=0)
    threads: int = option(1, "threads of one client's training", least=1, most=1024)
    device: str = option("auto", "auto: a GPU if there is one", choices=("auto", "cpu", "cuda"))
    out: str = option("", "folder for the runs; empty: global_models beside run_flower.py")
    resume: str = option("", "folder of a run to continue: weights, rounds and the strategy's state")

    def __post_init__(self) -> None:
        for row in fields(self):
            _check(row.name, getattr(self, row.name), row.metadata)
        if self.privacy != "none" and self.strategy not in ("FedAvg", "FedProx"):
            raise ValueError(f"privacy {self.privacy}: the noise is right for plain averages, FedAvg and FedProx")

    def check_clients(self) -> None:
        """Refuse what so few simulated clients cannot do; real ones may still connect."""
        if self.clients < self.min_clients:
            raise ValueError(f"min_clients {self.min_clients}: there are only {self.clients} clients")
        if needed := {"Bulyan": 4, "Krum": 2, "MultiKrum": 2}.get(self.strategy, 0):
            needed = needed * self.malicious + 3
            if self.sampled < needed:
                raise ValueError(
                    f"malicious {self.malicious}: {self.strategy} then needs {needed} clients a round, "
                    f"not {self.sampled}; raise clients or fraction_fit"
                )

    @property
    def sampled(self) -> int:
        """Clients that train in one round, when there are as many as *clients* says."""
        return max(int(self.clients * self.fraction_fit), self.min_clients)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from *values*; what they do not name keeps its default, and what is no setting is an error."""
        known = {row.name for row in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"{unknown[0]}: there is no such setting")
        parsed: dict[str, Any] = {name: _parse(name, value) for name, value in values.items()}
        return cls(**parsed)

    def record(self) -> dict[str, Value]:
        """The settings by name."""
        return asdict(self)


def _parse(name: str, value: Any) -> Value:
    """*value*, perhaps text, as the type of the setting *name*."""
    default = DEFAULTS[name]
    text = str(value)
    try:
        return type(default)(text)
    except ValueError:
        raise ValueError(f"{name} {text}: {'a whole number' if isinstance(default, int) else 'a number'}") from None


def _check(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} {value}: a finite number")
    if limits["choices"] and value not in limits["choices"]:
        raise ValueError(f"{name} {value}: one of {', '.join(limits['choices'])}")
    if limits["least"] is not None and not value >= limits["least"]:
        raise ValueError(f"{name} {value}: at least {limits['least']}")
    if limits["above"] is not None and not value > limits["above"]:
        raise ValueError(f"{name} {value}: more than {limits['above']}")
    if limits["most"] is not None and not value <= limits["most"]:
        raise ValueError(f"{name} {value}: at most {limits['most']}")


#: The default of each setting.
DEFAULTS: dict[str, Value] = {row.name: row.default for row in fields(Settings)}  # type: ignore[misc]
