"""What tests share: a place for thousands of files; for nets, one thread, on which figures are the same each time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch computes on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """Where the trees go: in memory where that is possible, because there are thousands of them."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="spoolfarm-test-", dir="/dev/shm") as path:
        yield Path(path)
