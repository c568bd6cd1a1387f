"""Puts flower_project on the path and keeps Flower quiet, for every test here."""

from __future__ import annotations

import logging

import pytest
import torch

import tests.flower.running  # noqa: F401 - for what it sets


@pytest.fixture(autouse=True)
def _quiet_and_on_one_thread() -> None:
    logging.getLogger("flwr").setLevel(logging.ERROR)
    torch.set_num_threads(1)
