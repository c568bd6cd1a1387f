"""The results of `segment` and `orient`, as models for the documentation."""

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


class Mask(BaseModel):
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


class SegmentResult(BaseModel):
    """The objects of a picture."""

    status: str
    count: int
    masks: list[Mask]
    counts_encoding: str
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
