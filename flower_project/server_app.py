"""The ServerApp: rounds in which clients train, their answers are combined, and the result is judged and recorded."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import RunNotRunningException

import data
import lease
import privacy
import strategies
import task
from model import MODELS
from record import Record, figure, resumed, say
from settings import Settings

#: Settings that are no client's business.
SERVER_ONLY = {"out", "resume", "ray_address"}

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run under Flower's own runtime: `flwr run`, or `run_flower.py --engine deployment`, which holds a lease.

    With the other engines `run_flower.py` makes the settings and the record itself.
    """
    given = dict(context.run_config)
    if path := str(given.pop("lease")):
        logging.getLogger("flwr").setLevel(logging.ERROR)  # as with the other engines
        os.environ["SPOOLFARM_JOB"] = lease.serve(path)  # read by Record
    if given["resume"] and not path:
        settings = resumed({name: given[name] for name in ("resume", "rounds")})
    else:
        settings = Settings.read(given)
    try:
        with Record(settings) as record:
            _run(Server(grid, settings, record))
    except lease.GivenUp:
        signal.raise_signal(signal.SIGTERM)  # Flower tells the SuperLink, and ends this process


def _run(server: Server) -> None:
    try:
        server.run()
    except RunNotRunningException as error:
        raise lease.GivenUp("the run was stopped") from error


class Server:
    """The global model, and the rounds that train it on whatever clients *grid* reaches."""

    def __init__(self, grid: Grid, settings: Settings, record: Record) -> None:
        task.limit_threads(settings)
        torch.manual_seed(settings.seed)
        self.grid, self.settings, self.record = grid, settings, record
        self.dataset = data.load(settings.data, settings.image_size, settings.seed)
        device = task.device(settings)
        self.normalise = task.Normalise(self.dataset.mean, self.dataset.deviation, device)
        self.model = MODELS[settings.model](len(self.dataset.classes), self.dataset.channels).to(device)
        self.strategy = strategies.make(settings)
        if record.state:
            self.model.load_state_dict(record.state["weights"])
            strategies.restore(self.strategy, record.state["strategy"])
        self.record.describe(
            arguments={"num_classes": len(self.dataset.classes), "channels": self.dataset.channels},
            classes=list(self.dataset.classes),
            input_channels=self.dataset.channels,
            input_size=self.dataset.size,
            normalisation={"mean": list(self.dataset.mean), "std": list(self.dataset.deviation)},
        )

    def run(self) -> None:
        """Train up to the last round, then judge the best one on pictures that played no part so far."""
        for number in range(self.record.done + 1, self.settings.rounds + 1):
            start = time.monotonic()
            clients = self._train(number)
            score = task.evaluate(self.model, self.dataset.validation, self.normalise)
            seconds = time.monotonic() - start
            self.record.add(
                score.accuracy,
                score.loss,
                seconds=seconds,
                clients=clients,
                weights=self._weights(),
                strategy=strategies.memory(self.strategy),
            )
            answered = sum("loss" in row for row in clients)
            say(
                f"round {number}/{self.settings.rounds} accuracy {score.accuracy:.4f} loss {score.loss:.4f} "
                f"clients {answered} time {seconds:.1f} s"
            )
        self.model.load_state_dict(self.record.best_weights())
        accuracy = task.evaluate(self.model, self.dataset.test, self.normalise).accuracy
        self.record.describe(test_accuracy=accuracy)
        say(f"test accuracy {accuracy:.4f} of round {self.record.result['best_round']}, in {self.record.folder}")

    def check_shares(self) -> None:
        """Raise ValueError where the pictures cannot be dealt to so many simulated clients: each of them would fail."""
        data.deal(self.dataset.train.labels.numpy(), self.settings.clients, self.settings.alpha, self.settings.seed)

    def _train(self, number: int) -> list[dict[str, Any]]:
        """One round; returns a row for each client that was asked."""
        random.seed(f"{self.settings.seed} {number}")  # the strategies draw their clients from it
        arrays, orders = ArrayRecord(self._weights()), self._orders()
        asked = self.strategy.configure_train(number, arrays, orders, self.grid)
        replies = list(self.grid.send_and_receive(asked, timeout=self.settings.timeout))
        rows = sorted(map(_row, replies), key=lambda row: int(row["client"]))
        for row in rows:
            if "error" in row:
                say(f"client {row['client']} failed in round {number}: {row['error']}")
        if all("error" in row for row in rows):
            raise RuntimeError(f"round {number}: no client answered" + (f"; {rows[0]['error']}" if rows else ""))
        combined = None
        if self.settings.privacy == "none" or len(replies) == self.settings.sampled:  # fewer would need more noise
            combined, _ = self.strategy.aggregate_train(number, replies)
        if combined is None:
            say(f"round {number}: {self.settings.strategy} needs more answers than came; the model stays as it is")
        else:
            self.model.load_state_dict(combined.to_torch_state_dict())
            self._count_release()
        self._ask_for_scores(number, rows)
        return rows

    def _ask_for_scores(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Add to *rows* how well the new model fits the pictures of the clients that are asked."""
        asked = self.strategy.configure_evaluate(number, ArrayRecord(self._weights()), self._orders(), self.grid)
        known = {row["client"]: row for row in rows}
        for reply in self.grid.send_and_receive(asked, timeout=self.settings.timeout):
            row = _row(reply)
            if "error" not in row:
                scores = {"global_loss": row["loss"], "global_accuracy": row["accuracy"]}
                if row["client"] not in known:
                    rows.append({"client": row["client"], "examples": row["examples"], **scores})
                else:
                    known[row["client"]] |= scores

    def _orders(self) -> ConfigRecord:
        """What the clients are told beside the weights; a new one each time, since strategies write into it."""
        told: dict[str, Any] = {k: v for k, v in self.settings.record().items() if k not in SERVER_ONLY}
        told |= {"classes": list(self.dataset.classes), "size": self.dataset.size}
        return ConfigRecord(told | {"mean": list(self.dataset.mean), "deviation": list(self.dataset.deviation)})

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: weights.cpu() for name, weights in self.model.state_dict().items()}

    def _count_release(self) -> None:
        """Under privacy, record what all rounds together may have told of one client."""
        if self.settings.privacy != "none":
            releases = self.record.result.get("privacy", {}).get("releases", 0) + 1
            epsilon = figure(privacy.epsilon(self.settings.noise_multiplier, releases))
            self.record.describe(privacy={"epsilon": epsilon, "delta": privacy.DELTA, "releases": releases})


def _row(reply: Message) -> dict[str, Any]:
    client = str(reply.metadata.src_node_id)
    if reply.has_error():
        return {"client": client, "error": reply.error.reason}
    figures: dict[str, Any] = dict(reply.content.metric_records["metrics"])
    row = {"client": client, "examples": figures["num-examples"]}
    return row | {name: figure(figures[name]) for name in ("loss", "accuracy")}
