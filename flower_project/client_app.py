"""The ClientApp: what one client does when the server asks it to train or to judge."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from flwr.app import ArrayRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable
from flwr.common.constant import ErrorCode
from torch import Tensor, nn

import data
import privacy
import task
from data import Pictures
from model import MODELS
from settings import DEFAULTS, Settings

HERE = Path(__file__).parent
#: How much longer than an honest update an attacker's is, and which way it points.
POISON = -10.0

app = ClientApp()


@dataclass(frozen=True)
class Order:
    """What a message asks for: the settings, the global model, and this client's pictures."""

    settings: Settings
    model: nn.Module
    pictures: Pictures
    normalise: task.Normalise
    #: The client's number among the simulated ones; on a machine with its own pictures, 0.
    number: int
    #: How strongly to hold to the global model; FedProx sends it.
    mu: float


def own_up(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """A mod: whatever is raised becomes one line of an error reply, the same under every runtime."""
    try:
        return call_next(message, context)
    except Exception as error:  # noqa: BLE001 - one client's failure is not the run's
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == HERE]
        reason = f"{type(error).__name__}: {error} ({Path(ours[-1].filename).name}, line {ours[-1].lineno})"
        return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)


@app.train(mods=[own_up, privacy.clip])
def train(message: Message, context: Context) -> Message:
    """Train the global model on this client's pictures and send it back."""
    order = _read(message, context)
    before = {name: weights.clone() for name, weights in order.model.state_dict().items()}
    score = task.train(order.model, order.pictures, order.normalise, order.settings, order.mu)
    weights = order.model.state_dict()
    if order.number < order.settings.poisoned:
        weights = poison(before, weights)
    return _reply(message, order, score, ArrayRecord({name: tensor.cpu() for name, tensor in weights.items()}))


@app.evaluate(mods=[own_up])
def evaluate(message: Message, context: Context) -> Message:
    """Tell how well the global model fits this client's pictures."""
    order = _read(message, context)
    return _reply(message, order, task.evaluate(order.model, order.pictures, order.normalise))


def poison(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights an attacker sends: its update reversed and much too long."""
    return {name: before[name] + POISON * (weights - before[name]) for name, weights in after.items()}


def _read(message: Message, context: Context) -> Order:
    config: dict[str, Any] = dict(message.content.config_records["config"])
    settings = Settings.read({name: config[name] for name in DEFAULTS if name in config})
    number = int(context.node_config.get("partition-id", 0))
    task.limit_threads(settings)
    torch.manual_seed(hash((settings.seed, config["server-round"], number)) & 0xFFFFFFFF)
    device = task.device(settings)
    model = MODELS[settings.model](len(config["classes"]), len(config["mean"]))
    model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    return Order(
        settings,
        model.to(device),
        _pictures(settings, config, context, number),
        task.Normalise(config["mean"], config["deviation"], device),
        number,
        config.get("proximal-mu", 0.0),
    )


def _pictures(settings: Settings, config: dict[str, Any], context: Context, number: int) -> Pictures:
    """This machine's own pictures when its SuperNode names a folder, else a share of the common ones."""
    if folder := str(context.node_config.get("data", "")):
        pictures, classes = data.own(folder, config["size"])
        if classes != tuple(config["classes"]):
            raise ValueError(f"data {folder}: its classes are {classes}, the server's {tuple(config['classes'])}")
        return pictures
    clients = int(context.node_config["num-partitions"])
    return data.share(settings.data, settings.image_size, settings.seed, settings.alpha, number, clients)


def _reply(message: Message, order: Order, score: task.Score, arrays: ArrayRecord | None = None) -> Message:
    figures = {"num-examples": len(order.pictures), "one": 1, "loss": score.loss, "accuracy": score.accuracy}
    content = RecordDict({"metrics": MetricRecord({**figures})})
    if arrays:
        content["arrays"] = arrays
    return Message(content, reply_to=message)
