"""Parameters: every type that JSON can say is taken from JSON and from Python, as its model says."""

from __future__ import annotations

import functools
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from spoolfarm.errors import InvalidParams
from spoolfarm.tasks import Params, Task


class Colour(Enum):
    """What a picture may be printed in."""

    RED = "red"


class Wide(Params):
    """Parameters of types that JSON has not."""

    day: date | None = None
    wait: timedelta | None = None
    colour: Colour = Colour.RED
    where: Path | None = None
    sizes: tuple[int, int] = (1, 1)
    pages: set[int] = Field(default=set())
    labels: dict[int, str] = Field(default={})
    number: float = 1
    anything: Any = None


class Wider(Task):
    """A task that takes them."""

    Params = Wide


@pytest.mark.parametrize(
    ("name", "said", "own"),
    [
        ("day", "2026-02-01", date(2026, 2, 1)),
        ("wait", "P1D", timedelta(days=1)),
        ("colour", "red", Colour.RED),
        ("where", "a/b", Path("a/b")),
        ("sizes", [3, 4], (3, 4)),
        ("pages", [5], {5}),
        ("labels", {"7": "x"}, {7: "x"}),
    ],
)
def test_a_parameter_is_taken_as_json_says_it_and_as_python_has_it(name: str, said: object, own: object) -> None:
    asked = Wider().validate({name: said})
    assert asked[name] == Wider().validate({name: own})[name]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"colour": "blue"}, "params.colour: Input should be 'red'"),
        ({"day": "tomorrow"}, "params.day: Input should be a valid date"),
        ({"sizes": [1]}, "params.sizes"),
        ({"number": "1"}, "params.number: Input should be a valid number"),
        ({"number": float("nan")}, "params.number: Input should be a finite number"),
        ({"anything": object()}, "params: hold something that JSON cannot say"),
        ({"anything": functools.reduce(lambda inner, _: [inner], range(3000), [])}, "params: hold something that JSON"),
        ({"day": object()}, "params.day: Input should be a valid date"),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        Wider().validate(params)
    assert reason in str(caught.value)
