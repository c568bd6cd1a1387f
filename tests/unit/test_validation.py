"""Validation: what comes from outside, and the sentences about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spoolfarm.validation import check_sayable, findings, json_object, json_value


class Inner(BaseModel):
    n: int


class Outer(BaseModel):
    rows: list[Inner]
    name: str


def test_a_json_object_is_read_from_text_and_from_bytes() -> None:
    assert (
        json_object('{"a": [1, null, "ü"]}') == json_object('{"a": [1, null, "ü"]}'.encode()) == {"a": [1, None, "ü"]}
    )


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", '{"a": Infinity}', b"\xff{}", "[" * 100_000, "{} {}"])
def test_what_is_no_json_is_said_to_be_none(text: str | bytes) -> None:
    for read in (json_value, json_object):
        with pytest.raises(ValueError, match=r"^is not valid JSON: ."):
            read(text)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"{}"'])
def test_other_json_is_no_object(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a JSON object$"):
        json_object(text)


@pytest.mark.parametrize("value", [float("inf"), {"a": [float("nan")]}, "\ud800"])
def test_what_no_job_file_can_say_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        check_sayable(value)
    check_sayable({"a": ["ü", 1.5, None]})


def test_each_finding_names_its_place() -> None:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate({"rows": [{"n": 1}, {"n": "x"}]})
    assert [each.partition(": ")[0] for each in findings(raised.value)] == ["rows.1.n", "name"]
    assert findings(raised.value, "params")[1] == "params.name: is missing"


class Odd(BaseModel):
    """Fields of which pydantic says more than a person wants to hear."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tiles: Literal["auto", "off"] | Annotated[int, Field(ge=1, le=9)] = "auto"
    points: list[int] = Field(default=[], min_length=2)
    classes: dict[str, int] = {}
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tiles": 0}, ["tiles: Input should be 'auto' or 'off'", "tiles: Input should be greater than or equal to 1"]),
        ({"points": [1]}, ["points: List should have at least 2 items, not 1"]),
        ({"classes": 3, "inner": 3}, ["classes: Input should be an object", "inner: Input should be an object"]),
        ({"Tiles": 1}, ["Tiles: is not known here"]),
        ({"classes": {"literal": "x"}}, ["classes.literal: Input should be a valid integer"]),
    ],
)
def test_a_finding_has_no_words_of_python(given: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        Odd.model_validate(given)
    assert findings(raised.value) == said
