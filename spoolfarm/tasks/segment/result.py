"""The results of `segment`, `orient` and `measure`, as models for the documentation."""

from __future__ import annotations

from pydantic import BaseModel, Field


class PictureSize(BaseModel):
    """A picture, upright."""

    width: int
    height: int


class MaskRle(BaseModel):
    """A mask as COCO's run lengths."""

    counts: str = Field(description="base64 of the compressed text, or that text itself")
    size: list[int] = Field(description="[height, width]")


class RegionTotals(BaseModel):
    """The objects in one of the regions."""

    region: int = Field(description="its number in the parameter, from 0")
    count: int
    area_px: int


class Totals(BaseModel):
    """What all objects of a picture come to."""

    count: int
    area_px: int = Field(description="the sum")
    area_mm2: float | None = None
    covered: float = Field(description="the part of the picture that is covered, 0 to 1")
    means: dict[str, float] = Field(description="the mean of each measure, by its name")
    regions: list[RegionTotals] | None = None
    size_classes: dict[str, int] | None = Field(default=None, description='how many are in each class, and in "other"')


class Measures(BaseModel):
    """The measures of an object; those in mm where the picture has a scale. See docs/measure.md."""

    area_px: int | None = None
    perimeter_px: float | None = None
    equivalent_diameter_px: float | None = None
    feret_max_px: float | None = None
    feret_min_px: float | None = None
    centroid_px: list[float] | None = Field(default=None, description="[x, y]")
    area_mm2: float | None = None
    perimeter_mm: float | None = None
    equivalent_diameter_mm: float | None = None
    feret_max_mm: float | None = None
    feret_min_mm: float | None = None
    centroid_mm: list[float] | None = Field(default=None, description="[x, y]")
    circularity: float | None = Field(default=None, description="1 for a disc, less for anything else")
    feret_max_degree: float | None = Field(default=None, description="counter-clockwise, in (-90, 90]")
    feret_min_degree: float | None = None
    colour_rgb: list[float] | None = Field(default=None, description="the means of red, green and blue, 0 to 255")
    at_edge: bool | None = Field(default=None, description="whether it touches the picture's edge")
    region: int | None = Field(default=None, description="the number of the region in which it lies")
    size_class: str | None = None


class Mask(Measures):
    """An object."""

    mask_id: int
    mask_rle: MaskRle
    label: str
    category_id: int
    score: float
    bbox: list[float] = Field(description="[x, y, width, height]")
    area: int = Field(description="pixels")
    centroid: list[float] = Field(description="[x, y]")
    degree: float = Field(description="of its long axis, counter-clockwise, in (-90, 90]")
    eccentricity: float
    axes: list[float] = Field(description="their lengths, the longer first")
    polygon: list[list[float]] | None = Field(default=None, description="outlines [x, y, x, y, ...], when asked for")


class LookedAt(BaseModel):
    """The tiles in which a picture was looked at; 1 by 1 is the whole."""

    columns: int
    rows: int
    looked: int = Field(description="tiles for which there was time")
    scale: float = Field(description="pixels that the engine saw for each of the picture's")


class SegmentResult(BaseModel):
    """The objects of a picture."""

    status: str
    count: int
    masks: list[Mask]
    counts_encoding: str
    mm_per_pixel: float | None = None
    totals: Totals | None = Field(default=None, description="with measures")
    tiles: LookedAt
    image: PictureSize
    engine: str
    model: str
    timing_ms: dict[str, float]


class OrientResult(BaseModel):
    """The direction of the largest object."""

    degree: float | None = Field(description="counter-clockwise, in (-90, 90]; null without an object")
    count: int = Field(description="objects that were found")
    image: PictureSize
    engine: str
    model: str
    timing_ms: dict[str, float]
    label: str | None = None
    category_id: int | None = None
    score: float | None = None
    bbox: list[float] | None = None
    area: int | None = None
    centroid: list[float] | None = None
    eccentricity: float | None = Field(default=None, description="below 0.35 the degree means little")
    axes: list[float] | None = None
    reason: str | None = Field(default=None, description="why there is no degree")


class MeasuredObject(Measures):
    """An object without its mask."""

    object: int = Field(description="its number, from 0: the surest comes first")
    label: str
    category_id: int
    score: float
    bbox: list[float] = Field(description="[x, y, width, height]")
    degree: float = Field(description="of its long axis, counter-clockwise, in (-90, 90]")
    eccentricity: float


class MeasureResult(BaseModel):
    """The objects of a picture, measured."""

    count: int
    objects: list[MeasuredObject]
    mm_per_pixel: float | None = Field(default=None, description="the scale, when one was given")
    totals: Totals
    tiles: LookedAt
    image: PictureSize
    engine: str
    model: str
    timing_ms: dict[str, float]
