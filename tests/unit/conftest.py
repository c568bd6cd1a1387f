"""What tests share: a folder in memory; for nets, one thread, on which figures are the same each time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Where files lie in memory, and how many bytes must be free there.
MEMORY, ROOM = "/dev/shm", 1 << 30


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch computes on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is room: a disk takes its time to sync, for which no test here has a use."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="test-", dir=MEMORY, ignore_cleanup_errors=True) as path:
        folder = Path(path, "test")  # what a test writes beside it goes too
        folder.mkdir()
        yield folder


@pytest.fixture
def other_disk(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on another file system than that of `tmp_path`."""
    here = os.stat(tmp_path).st_dev
    for place in (tmp_path_factory.getbasetemp(), MEMORY):
        if os.access(place, os.W_OK) and os.stat(place).st_dev != here:
            with tempfile.TemporaryDirectory(prefix="test-", dir=place) as path:
                yield Path(path)
            return
    pytest.skip("there is no second file system")
