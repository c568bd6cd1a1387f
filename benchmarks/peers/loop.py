"""Federated averaging as a plain loop, with no Flower in it: what any framework's own cost is measured against.

The same pictures, clients, model, local training, average and validation as in flower_project, and nothing else.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "flower_project"))

import torch

import data
import task
from model import MODELS
from settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    settings = Settings.read(vars(parser.parse_args()))
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    dataset = data.load(settings.data, settings.image_size, settings.seed)
    normalise = task.Normalise(dataset.mean, dataset.deviation, torch.device("cpu"))
    model = MODELS[settings.model](len(dataset.classes), dataset.channels)
    shared = {name: weights.clone() for name, weights in model.state_dict().items()}
    place = (settings.data, settings.image_size, settings.seed, settings.alpha)
    best, weights_of_best = 0.0, shared
    for number in range(1, settings.rounds + 1):
        start = time.monotonic()
        random.seed(f"{settings.seed} {number}")
        chosen = random.sample(range(settings.clients), settings.sampled)
        hands = {client: data.share(*place, client, settings.clients) for client in chosen}
        total = sum(map(len, hands.values()))
        mean = {name: torch.zeros_like(weights) for name, weights in shared.items()}
        for client, pictures in hands.items():
            torch.manual_seed(hash((settings.seed, number, client)) & 0xFFFFFFFF)
            model.load_state_dict(shared)
            task.train(model, pictures, normalise, settings)
            for name, weights in model.state_dict().items():
                mean[name] += weights * (len(pictures) / total)
        shared = mean
        model.load_state_dict(shared)
        score = task.evaluate(model, dataset.validation, normalise)
        if score.accuracy > best:
            best, weights_of_best = score.accuracy, shared
        print(
            f"round {number}/{settings.rounds} accuracy {score.accuracy:.4f} loss {score.loss:.4f} "
            f"clients {len(hands)} time {time.monotonic() - start:.3f} s",
            flush=True,
        )
    model.load_state_dict(weights_of_best)
    print(f"test accuracy {task.evaluate(model, dataset.test, normalise).accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
