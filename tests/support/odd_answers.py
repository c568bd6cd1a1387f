"""Answers and parameters that a task of one's own may have and the farm's own tasks have not."""

from __future__ import annotations

from typing import Any

BOX = {"cx": 5, "cy": 5, "w": 4, "h": 2}
#: Answers that look like those of the farm's own tasks at first sight.
ANSWERS: list[Any] = [
    None,
    "<b>bold</b>",
    [1, [2]],
    {"predictions": ["cat", "dog"]},
    {"predictions": [None]},
    {"predictions": [{"label": "cat", "probability": "likely"}]},
    {"predictions": []},
    {"lines": [None]},
    {"lines": [{"text": "no score", "box": BOX}]},
    {"lines": [{"text": "no size", "box": BOX, "score": 0.9}]},
    {"masks": [None]},
    {"masks": []},
    {"masks": [{"mask_rle": 1, "bbox": 2}]},
    {"degree": 12.5, "centroid": [5, 5], "width": 10, "height": 10},
    {"text": "one\ftwo", "pages": ["a", None]},
    {"width": "wide", "height": "tall", "image": "data"},
]
#: The schema of parameters of many kinds, as Pydantic writes it.
SCHEMA: dict[str, Any] = {
    "$defs": {"Level": {"enum": [1, 2], "type": "integer"}, "Point": {"type": "object"}},
    "properties": {
        "level": {"$ref": "#/$defs/Level", "default": 1},
        "levels": {"type": "array", "items": {"$ref": "#/$defs/Level"}, "default": []},
        "only": {"const": "x", "default": "x", "type": "string"},
        "mixed": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 3},
        "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        "some": {
            "anyOf": [{"type": "array", "items": {"enum": ["a"], "type": "string"}}, {"type": "null"}],
            "default": None,
        },
        "words": {"type": "string", "default": "hello"},
        "point": {"$ref": "#/$defs/Point", "default": {"x": 1}},
    },
}
#: Parameters for it, each other than its default.
FILLED: dict[str, Any] = {
    "level": 2,
    "levels": [2],
    "mixed": "many",
    "maybe": False,
    "some": ["a"],
    "words": "",
    "point": {"x": 9},
}
