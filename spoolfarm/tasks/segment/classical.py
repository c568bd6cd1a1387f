"""The classical engine: a background fitted to the picture's border, Otsu's threshold, and cuts where objects touch.

No part of it is learned. It finds separate objects that differ from an even background in colour or brightness, and is
the baseline that the learned engine has to beat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np

from spoolfarm.tasks.segment.instance import OBJECT, Eyes, Found, Instance, Looked, Pixels, Wanted, crop

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

#: Pixels of the longer side at which objects are looked for; masks are as large as the picture.
SIDE = 640
#: The picture's border from which the background is fitted, as a part of the shorter side.
BORDER = 0.06
#: Fits of the background; each leaves out the pixels that the one before did not explain.
FITS = 4
#: How many times the background's own noise a pixel must differ, and how many grey levels at least.
NOISES, LEVELS = 4.0, 12.0
#: The first threshold, as a part of Otsu's, which is too high for what differs less than the other objects do.
FAINT = 0.6
#: An object's edge is where it differs from the background by this part of what its pixels differ by.
EDGE = 0.5
#: The smallest object, as a part of the picture.
LEAST_AREA = 0.0004
#: A hole is filled when it is smaller than this part of its object.
HOLE = 0.15
#: Two parts are two objects when the neck between them is narrower than this part of the thinner one.
NECK = 0.72
#: Thresholds of the distance to the edge between which necks are looked for.
STEPS = 24


class Classical:
    """Finds separate objects on an even background."""

    name = "classical"
    model = "classical"
    labels: Mapping[int, str] = {1: OBJECT}
    batch = 1
    eyes: frozenset[Eyes] = frozenset(("auto", "classical"))
    tiled: frozenset[Eyes] = frozenset()

    def find(self, pictures: list[Pixels], wanted: list[Wanted]) -> list[Found]:
        """Look for what is wanted in each picture."""
        return [_find(picture, want) for picture, want in zip(pictures, wanted, strict=True)]


def _find(picture: Pixels, wanted: Wanted) -> Found:
    begin = time.perf_counter()
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: Pixels = _bytes(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)) if scale < 1 else picture
    resized = time.perf_counter()
    parts = _parts(small) if min(size) >= 3 else []
    chosen = sorted((part for part in parts if part[1] > wanted.score), key=lambda part: -part[1])[: wanted.most]
    if wanted.categories is not None and 1 not in wanted.categories:
        chosen = []
    ms = {"resize": (resized - begin) * 1000, "net": (time.perf_counter() - resized) * 1000}
    return Found(_instances(chosen, (width, height)), ms, Looked(scale=scale))


def _instances(parts: list[tuple[Pixels, float]], size: tuple[int, int]) -> Iterator[Instance]:
    for mask, score in parts:
        if (mask.shape[1], mask.shape[0]) != size:
            mask = (cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_LINEAR) > 127).astype(np.uint8)
        if (found := crop(mask, score, 1)) is not None:
            yield found


def _parts(picture: Pixels) -> list[tuple[Pixels, float]]:
    """The objects of a small picture, each a mask as large as the picture and a score."""
    difference, floor = _difference(_bytes(cv2.GaussianBlur(picture, (0, 0), 1.0)))
    limit = float(np.percentile(difference, 99.5))
    if limit < floor:
        return []
    scaled = np.clip(difference * (255 / limit), 0, 255).astype(np.uint8)
    otsu = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0] * limit / 255
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    inside = (difference > max(floor, FAINT * otsu)).astype(np.uint8)
    inside = _filled(_bytes(cv2.morphologyEx(inside, cv2.MORPH_OPEN, disc)))
    least = max(12.0, LEAST_AREA * inside.size)
    found = []
    for region in _regions(inside, least):
        window, mask = region
        differs = difference[window]
        edge = float(np.median(differs[mask > 0])) * EDGE
        firm = _filled(mask & (differs > edge).astype(np.uint8))
        for inner, piece in _regions(firm, least):
            for part in _split(piece, least):
                whole = np.zeros_like(inside)
                whole[window][inner] = part
                contrast = float(difference[whole > 0].mean())
                found.append((whole, contrast / (contrast + floor)))
    return found


def _regions(inside: Pixels, least: float) -> Iterator[tuple[tuple[slice, slice], Pixels]]:
    """The connected regions of at least *least* pixels: where each one's window lies, and its mask in there."""
    count, labels, about, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    for number in range(1, count):
        left, top, width, height, area = about[number]
        if area >= least:
            window = np.s_[top : top + height, left : left + width]
            yield window, (labels[window] == number).astype(np.uint8)


def _difference(picture: Pixels) -> tuple[Floats, float]:
    """How far each pixel is from the fitted background, and how far the background's own pixels may be."""
    colours = cv2.cvtColor(picture, cv2.COLOR_BGR2Lab).astype(np.float32)
    height, width = colours.shape[:2]
    terms = _terms(height, width)
    edge = max(2, round(BORDER * min(height, width)))
    border = np.ones((height, width), bool)
    border[edge:-edge, edge:-edge] = False
    known, wanted = terms[border], colours[border]
    keep = np.ones(len(known), bool)
    for _ in range(FITS):
        fit = np.linalg.lstsq(known[keep], wanted[keep], rcond=None)[0]
        off = np.linalg.norm(wanted - known @ fit, axis=1)
        keep = off <= max(float(np.median(off[keep])) * 2.5, 1.0)
    difference: Floats = np.linalg.norm(colours - terms @ fit, axis=2).astype(np.float32)
    return difference, max(LEVELS, NOISES * float(np.median(off[keep])))


def _terms(height: int, width: int) -> Floats:
    """1, x, y, x squared, x y and y squared at each pixel, x and y from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms: Floats = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    return terms


def _filled(inside: Pixels) -> Pixels:
    """*inside* without small holes."""
    outlines, tree = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for outline, (_, _, _, parent) in zip(outlines, tree[0] if outlines else (), strict=True):
        if parent >= 0 and cv2.contourArea(outline) < HOLE * cv2.contourArea(outlines[parent]):
            cv2.drawContours(inside, [outline], -1, 1, cv2.FILLED)
    return inside


def _split(part: Pixels, least: float) -> list[Pixels]:
    """*part*, or the objects that touch in it: those of which the neck between them is narrower than they are."""
    framed = cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))
    seeds = _seeds(cv2.GaussianBlur(cv2.distanceTransform(framed, cv2.DIST_L2, 5), (0, 0), 1.0) * framed)
    if len(seeds) < 2:
        return [part]
    apart = np.ones(framed.shape, np.uint8)
    for seed in seeds:
        apart[seed] = 0
    _, nearest = cv2.distanceTransformWithLabels(apart, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    pieces = []
    for seed in seeds:
        piece = (nearest == nearest[seed][0]).astype(np.uint8) & framed
        if int(piece.sum()) >= least:
            pieces.append(np.ascontiguousarray(piece[1:-1, 1:-1]))
    return pieces if len(pieces) > 1 else [part]


def _seeds(depth: Floats) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    """One region for each object in the map of distances to the edge: regions that a rising threshold parts."""
    peak = float(depth.max())
    regions = [depth > 0]
    for threshold in np.linspace(0, peak, STEPS, endpoint=False)[1:]:
        grown: list[np.ndarray[Any, np.dtype[np.bool_]]] = []
        for region in regions:
            count, labels = cv2.connectedComponents((region & (depth > threshold)).astype(np.uint8), connectivity=8)
            pieces = [labels == number for number in range(1, count)]
            firm = [piece for piece in pieces if float(depth[piece].max()) * NECK >= threshold]
            grown += firm if len(firm) > 1 else [region]
        regions = grown
    return regions


def _bytes(pixels: np.ndarray[Any, Any]) -> Pixels:
    """*pixels* as what they are: OpenCV's annotations say less."""
    return pixels.astype(np.uint8, copy=False)
