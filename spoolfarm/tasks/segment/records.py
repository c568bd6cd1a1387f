"""Records: what a client is told of the objects in a picture."""

from __future__ import annotations

import base64
from typing import Any

from spoolfarm.images import Decoded
from spoolfarm.tasks.segment.instance import Engine, Found, Instance
from spoolfarm.tasks.segment.orientation import Axis, axis
from spoolfarm.tasks.segment.polygons import polygons
from spoolfarm.tasks.segment.rle import encode


def mask_record(
    instance: Instance, number: int, size: tuple[int, int], label: str, *, ascii_counts: bool, polygon: bool
) -> dict[str, Any]:
    """One object of a picture of *size* (height, width)."""
    counts = encode(instance.mask, instance.left, instance.top, *size)
    record = {
        "mask_id": number,
        "mask_rle": {
            "counts": (counts if ascii_counts else base64.b64encode(counts)).decode(),
            "size": [*size],
        },
        **object_record(instance, axis(instance), label),
    }
    return record | {"polygon": polygons(instance)} if polygon else record


def object_record(instance: Instance, measured: Axis, label: str) -> dict[str, Any]:
    """An object without its mask: where it is, what it is, and how it lies."""
    degree = round(measured.degree, 4)
    return {
        "label": label,
        "category_id": instance.category,
        "score": round(instance.score, 6),
        "bbox": [round(value, 2) for value in instance.box],
        "area": measured.area,
        "centroid": [round(value, 3) for value in measured.centroid],
        "degree": degree if degree > -90 else 90.0,
        "eccentricity": round(measured.eccentricity, 6),
        "axes": [round(value, 2) for value in measured.lengths],
    }


def picture_record(picture: Decoded, engine: Engine, ms: dict[str, float]) -> dict[str, Any]:
    """What belongs to the whole picture: its size, how it was stretched, who looked at it, and how long that took."""
    height, width = picture.pixels.shape[:2]
    return {
        "image": {"width": width, "height": height},
        **picture.record,
        "engine": engine.name,
        "model": engine.model,
        "timing_ms": {stage: round(value, 1) for stage, value in ms.items()},
    }


def tiles_record(found: Found) -> dict[str, Any]:
    """How closely a picture was looked at."""
    looked = found.looked
    scale = round(looked.scale, 3)
    return {"columns": looked.columns, "rows": looked.rows, "looked": looked.looked, "scale": scale}
