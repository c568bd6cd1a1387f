"""The task measure: what it tells of drawn shapes, against scikit-image's regionprops and against formulas."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from spoolfarm.errors import InvalidParams
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer
from spoolfarm.tasks.segment.histogram import svg
from spoolfarm.tasks.segment.instance import Instance, crop
from spoolfarm.tasks.segment.measure import Measure
from spoolfarm.tasks.segment.perimeter import perimeter
from spoolfarm.tasks.segment.shape import Shape, shape
from spoolfarm.tasks.segment.task import Segment
from spoolfarm.tasks.segment.workbook import Workbook
from tests.support.drawn_scenes import Picture, between, png
from tests.support.silent_context import Silence
from tests.unit.tasks.segment.test_segment import task

Drawn = np.ndarray[Any, np.dtype[np.uint8]]
#: The discs of `discs`: x, y, radius.
DISCS = ((60, 60, 20), (160, 60, 30), (270, 70, 40), (70, 180, 20), (230, 190, 30))
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def discs() -> Picture:
    picture = np.full((250, 340, 3), 230, np.uint8)
    for x, y, radius in DISCS:
        cv2.circle(picture, (x, y), radius, (40, 80, 160), cv2.FILLED)
    return picture


def run(made: Any, picture: Picture, name: str = "", **params: Any) -> Any:
    [found] = made.run([Job("measure", made.validate(params), [png(picture)], name=name)], Silence())
    return found


@pytest.fixture(scope="module")
def measure() -> Any:
    return task(Measure)


def whole(mask: Drawn) -> Instance:
    found = crop(mask, 1.0, 1)
    assert found is not None
    return found


def measured(mask: Drawn) -> Shape:
    return shape(whole(mask), np.zeros((*mask.shape, 3), np.uint8))


def shapes() -> list[Drawn]:
    """Ellipses, corners and bars at any angle, of all sizes from 3 pixels across."""
    from skimage.draw import ellipse, polygon  # heavy, and most processes that look for tests need none of it

    rng = np.random.default_rng(7)
    found = []
    for number in range(90):
        mask = np.zeros((180, 210), np.uint8)
        turn, long, short = rng.uniform(0, math.pi), rng.uniform(8, 70), rng.uniform(3, 25)
        if number % 3 == 0:
            at = ellipse(90, 105, short, long, mask.shape, rotation=turn)
        elif number % 3 == 1:
            angles, radii = np.sort(rng.uniform(0, 2 * math.pi, 6)), rng.uniform(8, 80, 6)
            at = polygon(90 + radii * np.sin(angles), 105 + radii * np.cos(angles), mask.shape)
        else:
            along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
            signs = ((1, 1), (1, -1), (-1, -1), (-1, 1))
            corners = [np.array([105, 90]) + a * long * along + b * short * across for a, b in signs]
            at = polygon([y for _, y in corners], [x for x, _ in corners], mask.shape)
        mask[at] = 1
        if mask.sum() >= 30:
            found.append(mask)
    return found


def test_the_measures_of_drawn_shapes_are_those_of_regionprops() -> None:
    from skimage.measure import regionprops

    rng = np.random.default_rng(3)
    for mask in shapes():
        picture = rng.integers(0, 256, (*mask.shape, 3), np.uint8)
        found, [told] = shape(whole(mask), picture), regionprops(mask, picture)
        assert found.axis.area == told.area
        assert found.axis.centroid == pytest.approx(told.centroid[::-1])
        assert found.axis.eccentricity == pytest.approx(told.eccentricity)
        assert found.axis.lengths == pytest.approx((told.axis_major_length, told.axis_minor_length))
        assert between(found.axis.degree, math.degrees(told.orientation) + 90) < 1e-6
        assert found.equivalent_diameter == pytest.approx(told.equivalent_diameter_area)
        assert found.colour == pytest.approx(told.intensity_mean[::-1])
        assert -0.001 <= told.feret_diameter_max - found.feret.most < 1  # it fills the hull with pixels first
        assert 0 < found.circularity <= 1


def upright(height: int, width: int) -> tuple[Drawn, float]:
    mask = np.zeros((100, 100), np.uint8)
    mask[5 : 5 + height, 5 : 5 + width] = 1
    return mask, 2.0 * (height + width)


def disc(radius: float, x: float = 50.3, y: float = 49.6, hole: float = 0) -> tuple[Drawn, float]:
    rows, columns = np.mgrid[:100, :100]
    away = np.hypot(columns - x, rows - y)
    return ((away <= radius) & (away > hole - 1e-9)).astype(np.uint8), 2 * math.pi * (radius + hole)


def turned(long: float, short: float, degree: float) -> tuple[Drawn, float]:
    rows, columns = np.mgrid[:100, :100] - 50.0
    turn = math.radians(degree)
    along = np.abs(columns * math.cos(turn) - rows * math.sin(turn)) <= long / 2
    across = np.abs(columns * math.sin(turn) + rows * math.cos(turn)) <= short / 2
    return (along & across).astype(np.uint8), 2 * (long + short)


@pytest.mark.parametrize(
    ("drawn", "off"),
    [
        *((lambda radius=radius: disc(radius), 0.02) for radius in (5, 10, 20, 40)),
        (lambda: disc(40, hole=20), 0.01),
        *((lambda degree=degree: turned(70, 30, degree), 0.02) for degree in (10, 27, 45, 60, 81)),
        (lambda: upright(40, 70), 0.03),
        (lambda: upright(80, 80), 0.03),
    ],
)
def test_the_perimeter_is_that_of_the_shape_and_nearer_than_regionprops_has_it(
    drawn: Callable[[], tuple[Drawn, float]], off: float
) -> None:
    from skimage.measure import regionprops

    mask, truth = drawn()
    assert perimeter(mask) == pytest.approx(truth, rel=off)
    [told] = regionprops(mask)
    assert abs(perimeter(mask) - truth) < max(abs(told.perimeter - truth), abs(told.perimeter_crofton - truth))


def test_a_disc_is_round_and_a_square_less() -> None:
    assert measured(disc(30)[0]).circularity == pytest.approx(1, abs=0.01)
    assert measured(upright(60, 60)[0]).circularity == pytest.approx(math.pi / 4, rel=0.06)
    assert measured(turned(90, 6, 30)[0]).circularity < 0.3


@pytest.mark.parametrize("degree", [-80, -45, -10, 0, 25, 60, 90])
def test_ferets_diameters_lie_along_a_bar_and_across(degree: float) -> None:
    found = measured(turned(80, 8, degree)[0]).feret
    assert found.most == pytest.approx(math.hypot(80, 8), abs=1.2)
    assert found.least == pytest.approx(8, abs=1.2)
    assert between(found.most_degree, degree) < 8  # a diagonal of the bar
    assert between(found.least_degree, degree + 90) < 3
    assert min(found.most_degree, found.least_degree) > -90


def test_the_smallest_masks_have_measures() -> None:
    for rows, columns in ((1, 1), (1, 2), (1, 5), (5, 1)):
        mask = np.zeros((9, 9), np.uint8)
        mask[2 : 2 + rows, 3 : 3 + columns] = 1
        found = measured(mask)
        assert found.perimeter > 0
        assert found.feret.most == max(rows, columns)
        assert 0 < found.circularity <= 1


def test_measure_tells_count_sizes_and_totals_in_pixels_and_millimetres(measure: Any) -> None:
    found = run(measure, discs(), mm_per_pixel=0.1)
    assert found["count"] == len(found["objects"]) == len(DISCS)
    assert found["mm_per_pixel"] == 0.1
    by_place = {(round(each["centroid_px"][0]), round(each["centroid_px"][1])): each for each in found["objects"]}
    for x, y, radius in DISCS:
        told = min(by_place.items(), key=lambda item: math.dist(item[0], (x, y)))[1]
        assert told["equivalent_diameter_px"] == pytest.approx(2 * radius, abs=1.5)
        assert told["equivalent_diameter_mm"] == pytest.approx(told["equivalent_diameter_px"] / 10, rel=1e-4)
        assert told["area_mm2"] == pytest.approx(told["area_px"] / 100)
        assert told["perimeter_mm"] == pytest.approx(2 * math.pi * radius / 10, rel=0.05)
        assert told["circularity"] > 0.95
        assert told["colour_rgb"] == pytest.approx([160, 80, 40], abs=6)
        assert not told["at_edge"]
    totals = found["totals"]
    assert totals["count"] == len(DISCS)
    assert totals["area_px"] == sum(each["area_px"] for each in found["objects"])
    assert totals["covered"] == pytest.approx(totals["area_px"] / (250 * 340), abs=1e-6)
    assert totals["means"]["feret_max_mm"] == pytest.approx(
        np.mean([each["feret_max_mm"] for each in found["objects"]]), rel=1e-4
    )
    json.dumps(found)


def test_a_ruler_says_the_scale(measure: Any) -> None:
    found = run(measure, discs(), ruler={"points": [[10, 240], [10, 40]], "mm": 50})
    assert found["mm_per_pixel"] == 0.25
    outside = run(measure, discs(), ruler={"points": [[10, 240], [900, 40]], "mm": 50})
    assert isinstance(outside, InvalidParams)
    assert str(outside).startswith("params.ruler.points.1: [900, 40] lies outside of the picture")


def test_regions_choose_objects_and_count_them(measure: Any) -> None:
    left, right = [[0, 0], [110, 0], [110, 250], [0, 250]], [[200, 0], [340, 0], [340, 250], [200, 250]]
    found = run(measure, discs(), regions=[left, right], ignore=[[[200, 150], [340, 150], [340, 250], [200, 250]]])
    assert found["count"] == 3
    assert [(each["region"], each["count"]) for each in found["totals"]["regions"]] == [(0, 2), (1, 1)]
    assert sorted(each["region"] for each in found["objects"]) == [0, 0, 1]
    assert run(measure, discs(), regions=[left], max_detections=1)["count"] == 1  # however sure the others are
    assert run(task(Segment), discs(), regions=[right])["count"] == 2


def test_objects_are_sorted_by_named_limits(measure: Any) -> None:
    sizes = {"small": [None, 50], "middle": [50, 70]}
    found = run(measure, discs(), size_classes=sizes)
    assert found["totals"]["size_classes"] == {"small": 2, "middle": 2, "other": 1}
    in_mm = run(measure, discs(), size_classes={"large": [50, None]}, size_by="area", mm_per_pixel=0.1)
    assert in_mm["totals"]["size_classes"] == {"large": 1, "other": 4}
    assert [each["area_mm2"] >= 50 for each in in_mm["objects"]] == [
        each["size_class"] == "large" for each in in_mm["objects"]
    ]


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def sheet(data: bytes, number: int) -> list[list[str]]:
    """The rows of a sheet of an XLSX file, as texts."""
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        tree = ElementTree.fromstring(parts.read(f"xl/worksheets/sheet{number}.xml"))
    return [
        ["".join(cell.itertext()) for cell in row.iter(f"{SPREADSHEET}c")] for row in tree.iter(f"{SPREADSHEET}row")
    ]


def test_the_tables_have_a_row_for_each_object_and_one_of_totals(measure: Any) -> None:
    params = {"mm_per_pixel": 0.1, "size_classes": {"small": [0, 5]}, "regions": [[[0, 0], [340, 0], [340, 250]]]}
    found = run(measure, discs(), "a,b.png", outputs=["csv", "xlsx", "histogram"], overlay=True, **params)
    assert isinstance(found, Answer)
    assert found.files.keys() == {"measures.csv", "measures.xlsx", "histogram.svg", "overlay.png"}
    rows = table(bytes(found.files["measures.csv"]))  # type: ignore[arg-type]
    objects = found.value["objects"]
    assert [row["row"] for row in rows] == ["object"] * len(objects) + ["total"]
    assert {row["file"] for row in rows} == {"a,b.png"}
    for row, told in zip(rows, objects, strict=False):
        assert float(row["area_mm2"]) == told["area_mm2"]
        assert [float(row["centroid_x_px"]), float(row["centroid_y_px"])] == told["centroid_px"]
        assert (row["size_class"], row["region"]) == (told["size_class"], str(told["region"]))
        assert [float(row[f"mean_{colour}"]) for colour in ("red", "green", "blue")] == told["colour_rgb"]
    total = rows[-1]
    assert (total["count"], total["count_region_0"]) == (str(len(objects)), str(len(objects)))
    assert int(total["area_px"]) == sum(each["area_px"] for each in objects)
    assert int(total["count_small"]) + int(total["count_other"]) == len(objects)
    written = sheet(bytes(found.files["measures.xlsx"]), 1)  # type: ignore[arg-type]
    assert written[0] == list(rows[0])
    assert len(written) == 1 + len(rows)
    assert sheet(bytes(found.files["measures.xlsx"]), 2)[1:] == [written[-1]]  # type: ignore[arg-type]


def test_a_full_sheet_goes_on_in_the_next() -> None:
    file = io.BytesIO()
    with Workbook(file, ["row", "count"], most_rows=3) as book:
        for count in range(5):
            book.add({"row": "object", "count": count})
    assert [sheet(file.getvalue(), number)[1:] for number in (1, 3, 4)] == [
        [["object", "0"], ["object", "1"]],
        [["object", "2"], ["object", "3"]],
        [["object", "4"]],
    ]


def test_a_name_that_looks_like_a_formula_stays_a_text() -> None:
    file = io.BytesIO()
    with Workbook(file, ["file", "row"]) as book:
        book.add({"file": "=1+1", "row": "object"})
    assert sheet(file.getvalue(), 1)[1] == ["=1+1", "object"]
    with zipfile.ZipFile(file) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("values", [[], [5.0], [3.0] * 7, [0.0001, 0.0002], list(range(1, 400)), [1e-9, 1e6]])
def test_the_histogram_shows_every_value(values: list[float]) -> None:
    drawn = ElementTree.fromstring(svg(values, {"<small>": [0, 5]}, "feret_max", "mm"))
    names = [each.text or "" for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    small = sum(value < 5 for value in values)
    assert f"<small>: {small}" in names
    assert "feret max (mm)" in names
    bars = [
        each
        for each in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("y") and float(each.get("y", "0")) > 46
    ]
    assert bool(bars) == bool(values)
    for bar in bars:
        assert 0 <= float(bar.get("x", "")) <= float(bar.get("x", "")) + float(bar.get("width", "")) <= 720
        assert float(bar.get("height", "")) >= 0


def test_the_overlay_numbers_the_objects_as_the_table_does(measure: Any) -> None:
    found = run(measure, discs(), overlay=True)
    plain = run(task(Segment), discs(), overlay=True)
    numbered, unnumbered = (
        cv2.imdecode(np.frombuffer(each.files["overlay.png"], np.uint8), cv2.IMREAD_COLOR) for each in (found, plain)
    )
    changed = (numbered != unnumbered).any(axis=2)
    for told in found.value["objects"]:
        x, y = (round(value) for value in told["centroid_px"])
        assert changed[y - 12 : y + 12, x - 12 : x + 12].any()


def test_segment_tells_the_measures_beside_the_masks() -> None:
    made = task(Segment)
    plain = run(made, discs())
    assert "totals" not in plain
    assert "area_px" not in plain["masks"][0]
    found = run(made, discs(), measures=True)
    assert found["totals"]["count"] == found["count"] == len(DISCS)
    assert found["masks"][0]["area_px"] == found["masks"][0]["area"]
    with_table = run(made, discs(), outputs=["csv"])
    assert len(table(bytes(with_table.files["measures.csv"]))) == len(DISCS) + 1


def test_a_picture_without_objects_has_a_row_of_totals(measure: Any) -> None:
    found = run(measure, np.full((60, 80, 3), 200, np.uint8), outputs=["csv", "xlsx", "histogram"])
    assert found.value["totals"] == {"count": 0, "area_px": 0, "covered": 0.0, "means": {}}
    [row] = table(bytes(found.files["measures.csv"]))
    assert (row["row"], row["count"], row["area_px"], row["perimeter_px"]) == ("total", "0", "0", "")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"mm_per_pixel": 0}, "params.mm_per_pixel: "),
        ({"mm_per_pixel": -1.5}, "params.mm_per_pixel: "),
        ({"mm_per_pixel": "0.1"}, "params.mm_per_pixel: "),
        ({"ruler": {"points": [[5, 5], [5, 5]], "mm": 10}}, "params.ruler.points: "),
        ({"ruler": {"points": [[5, 5]], "mm": 10}}, "params.ruler.points: "),
        ({"ruler": {"points": [[5, 5], [5, 9, 1]], "mm": 10}}, "params.ruler.points.1: "),
        ({"ruler": {"points": [[5, 5], [5, 9]], "mm": 0}}, "params.ruler.mm: "),
        ({"ruler": {"points": [[5, 5], [5, 9]]}}, "params.ruler.mm: "),
        (
            {"ruler": {"points": [[5, 5], [5, 9]], "mm": 2}, "mm_per_pixel": 1},
            "mm_per_pixel and ruler both say the scale",
        ),
        ({"size_classes": {"a": [0, 5], "b": [4, 9]}}, "params.size_classes: .*'a' and 'b' overlap"),
        ({"size_classes": {"a": [0, None], "b": [4, 9]}}, "params.size_classes: .*'a' and 'b' overlap"),
        ({"size_classes": {"a": [5, 5]}}, "params.size_classes: .*'a' begins at 5 and ends at 5"),
        ({"size_classes": {"a": [-1, 5]}}, "params.size_classes.a.0"),
        ({"size_classes": {"a": [1]}}, "params.size_classes.a: "),
        ({"size_classes": {"": [1, 2]}}, "params.size_classes"),
        ({"size_classes": {"other": [1, 2]}}, "params.size_classes: .*'other'"),
        ({"size_by": "weight"}, "params.size_by: "),
        ({"regions": [[[0, 0], [1, 1]]]}, "params.regions.0: "),
        ({"ignore": [[0, 0]]}, "params.ignore.0"),
        ({"outputs": ["ods"]}, "params.outputs.0: "),
        ({"max_detections": 0}, "params.max_detections: "),
        ({"polygon": True}, "params.polygon: "),
    ],
)
def test_bad_parameters_are_named(params: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParams, match=said):
        Measure().validate(params)


def test_a_workbook_that_cannot_be_written_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.tasks.segment.wishes.find_spec", lambda name: None)
    with pytest.raises(InvalidParams, match=r"params\.outputs: .*pip install xlsxwriter"):
        Measure().validate({"outputs": ["xlsx"]})
    assert Measure().validate({"outputs": ["csv"]})["outputs"] == ["csv"]
