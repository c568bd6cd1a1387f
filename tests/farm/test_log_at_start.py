"""What the log says when a farm starts: warnings as warnings, and at last where to go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spoolfarm.config import Address
from tests.support.running_farm import RunningFarm, free_port, until

Run = Callable[..., RunningFarm]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8090"),
        ("0.0.0.0", "http://127.0.0.1:8090"),
        ("::", "http://[::1]:8090"),
        ("::1", "http://[::1]:8090"),
        ("farm.example.org", "http://farm.example.org:8090"),
    ],
)
def test_an_address_to_open_is_one_that_a_browser_takes(host: str, url: str) -> None:
    assert Address(host, 8090).url == url


@pytest.mark.parametrize("workers", [0, 2])
def test_the_last_line_says_where_to_go_once_somebody_answers_there(run: Run, workers: int) -> None:
    farm = run(FARM_WORKERS=workers).start(ready=False)
    until(lambda: "Open " in farm.log(), what="the line")
    assert farm.get("/health") == (200, {"status": "ok"})
    assert len(farm.workers()) == workers
    assert farm.log().splitlines()[-1].endswith(f" I launcher: Open {farm.url}")


def test_an_open_address_without_a_key_is_a_warning_and_its_page_is_opened_on_loopback(run: Run) -> None:
    farm, second = run(FARM_WORKERS=0), free_port()
    farm.given["FARM_BIND"] = f"0.0.0.0:{farm.port},127.0.0.1:{second}"
    farm.start(ready=False)
    words = ("Open ", "FARM_API_KEY is empty")  # said by two processes, in either order
    until(lambda: all(each in farm.log() for each in words), what="the lines")
    [opened], [warning] = ([line for line in farm.log().splitlines() if each in line] for each in words)
    assert opened.endswith(f" Open http://127.0.0.1:{farm.port}")
    assert " W front: WARNING " in warning
