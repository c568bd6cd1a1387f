"""Measures: their names with their units, and what they are of one object."""

from __future__ import annotations

from typing import Any

from spoolfarm.tasks.segment.shape import Shape

#: The measures in the order in which they are told: lengths and areas, which a scale turns into millimetres.
LENGTHS = ("perimeter", "equivalent_diameter", "feret_max", "feret_min")
#: Decimals of a length in pixels.
DECIMALS = 3
#: Digits of what is in millimetres, whatever its size.
DIGITS = 6


def record(shape: Shape, scale: float | None) -> dict[str, Any]:
    """The measures of one object; those in millimetres where there is a *scale*, in millimetres a pixel."""
    in_pixels = lengths(shape)
    told: dict[str, Any] = {"area_px": shape.axis.area}
    told |= {f"{name}_px": round(value, DECIMALS) for name, value in in_pixels.items()}
    told["centroid_px"] = [round(value, DECIMALS) for value in shape.axis.centroid]
    if scale is not None:
        told["area_mm2"] = digits(shape.axis.area * scale**2)
        told |= {f"{name}_mm": digits(value * scale) for name, value in in_pixels.items()}
        told["centroid_mm"] = [digits(value * scale) for value in shape.axis.centroid]
    return told | {
        "circularity": round(shape.circularity, 4),
        "feret_max_degree": _degree(shape.feret.most_degree),
        "feret_min_degree": _degree(shape.feret.least_degree),
        "colour_rgb": [round(value, 1) for value in shape.colour],
        "at_edge": shape.at_edge,
    }


def lengths(shape: Shape) -> dict[str, float]:
    """The lengths of one object, in pixels."""
    return {
        "perimeter": shape.perimeter,
        "equivalent_diameter": shape.equivalent_diameter,
        "feret_max": shape.feret.most,
        "feret_min": shape.feret.least,
    }


def key(name: str, *, scaled: bool) -> str:
    """The key of the measure *name* in a record, in millimetres where the picture has a scale."""
    unit = ("mm2" if name == "area" else "mm") if scaled else "px"
    return f"{name}_{unit}"


def digits(value: float) -> float:
    """*value* to DIGITS digits."""
    return float(f"{value:.{DIGITS}g}")


def _degree(value: float) -> float:
    found = round(value, 2)
    return found if found > -90 else 90.0
