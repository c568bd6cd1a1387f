"""A spool of its own for each test."""

from __future__ import annotations

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
