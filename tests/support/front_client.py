"""The front's application in this process, without workers, and a client that asks it without a socket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flask.testing import FlaskClient

from spoolfarm.config import load
from spoolfarm.server.app import create_app
from spoolfarm.server.current import FARM
from spoolfarm.server.views.uploads import UPLOADS


@contextlib.contextmanager
def front_client(path: Path, **settings: object) -> Iterator[FlaskClient]:
    """A client of a front on directories below *path*, with *settings*; nobody does its jobs, and it waits briefly."""
    default = {
        "FARM_SPOOL_DIR": path / "spool",
        "FARM_RESULTS_DIR": path / "results",
        "FARM_DATA_DIR": path / "data",
        "FARM_MIN_FREE_MB": 0,
        "FARM_TIMEOUT": 0.05,
        "FARM_MAX_BODY_MB": 1,
    }
    app = create_app(load({name: str(value) for name, value in {**default, **settings}.items()}))
    try:
        yield app.test_client()
    finally:
        for each in (FARM, UPLOADS):
            app.extensions[each].close()
