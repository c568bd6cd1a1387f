"""A spool of its own for each test, and a place for thousands of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.spool.spool import Spool
from tests.support.spool_tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def spool(tree: Tree) -> Spool:
    return tree.spool


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """Where the trees go: in memory where that is possible, because there are thousands of them."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="spoolfarm-test-", dir="/dev/shm") as path:
        yield Path(path)
