"""The table: a row for each object of a picture, and one of totals after them, as a person's spreadsheet wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spoolfarm import csv_lines
from spoolfarm.tasks.segment import measures
from spoolfarm.tasks.segment.sizes import OTHER
from spoolfarm.tasks.segment.wishes import Wishes

#: What stands in the column `row`.
OBJECT, TOTAL = "object", "total"
#: Which row it is, and what the object is.
FIRST = ("file", "row", "object", "count", "label", "score")
#: Of the measures: those without a unit, and those of which a row has several columns.
PLAIN = ("circularity", "eccentricity", "degree", "feret_max_degree", "feret_min_degree")
POINT, COLOUR = ("x", "y"), ("mean_red", "mean_green", "mean_blue")
#: What makes programs read the text as UTF-8.
MARK = b"\xef\xbb\xbf"

Row = Mapping[str, Any]


def columns(wishes: Wishes) -> list[str]:
    """The names of the columns, with units."""
    found = [*FIRST]
    if wishes.regions:
        found.append("region")
    if wishes.size_classes:
        found.append("size_class")
    for scaled in (False, True) if wishes.mm_per_pixel or wishes.ruler else (False,):
        unit = "mm" if scaled else "px"
        found += [measures.key(name, scaled=scaled) for name in ("area", *measures.LENGTHS)]
        found += [f"centroid_{each}_{unit}" for each in POINT]
    found += [*PLAIN, *COLOUR, "at_edge"]
    if wishes.regions:
        found += [f"count_region_{number}" for number in range(len(wishes.regions))]
    if wishes.size_classes:
        found += [f"count_{name}" for name in (*wishes.size_classes, OTHER)]
    return found


def rows(file: str, answer: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of one picture from its answer, of `measure` or of `segment` with measures: its objects, then totals."""
    for number, told in enumerate(answer["objects"] if "objects" in answer else answer["masks"]):
        yield {"file": file, "row": OBJECT, "object": number, "count": 1, **told, **_parted(told)}
    yield total(file, answer)


def total(file: str, answer: Mapping[str, Any]) -> Row:
    """The row of totals: areas are sums, other measures are means."""
    told = answer["totals"]
    row = {"file": file, "row": TOTAL, **told["means"]}
    row |= {name: told[name] for name in ("count", "area_px", "area_mm2") if name in told}
    row |= {f"count_region_{each['region']}": each["count"] for each in told.get("regions", ())}
    return row | {f"count_{name}": count for name, count in told.get("size_classes", {}).items()}


def line(cells: Sequence[Any]) -> bytes:
    """The cells as a line of CSV."""
    return csv_lines.line(cells).encode(errors="replace")


def _parted(told: Mapping[str, Any]) -> dict[str, Any]:
    """What takes several columns."""
    found: dict[str, Any] = dict(zip(COLOUR, told["colour_rgb"], strict=True))
    for unit in ("px", "mm"):
        if point := told.get(f"centroid_{unit}"):
            found |= {f"centroid_{each}_{unit}": value for each, value in zip(POINT, point, strict=True)}
    return found | {"at_edge": int(told["at_edge"])}
