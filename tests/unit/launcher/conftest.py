"""A launcher that has not begun, on a farm of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.launcher.launcher import Launcher


@pytest.fixture
def launcher(farm: Farm) -> Iterator[Launcher]:
    made = Launcher(farm.settings)
    yield made
    made._farm.close()
    made._selector.close()
