"""The decoder: from a picture's file to its samples, each format by the library that reads it best."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from PIL import Image, ImageFile

from spoolfarm.errors import BrokenImage
from spoolfarm.images import header, icon, orientation, png, tiff, tiff_samples
from spoolfarm.images.raster import Array, Bytes, Raster
from spoolfarm.images.tiff import Tag

#: OpenCV leaves turning pictures to us: it does not see all that says which way is up.
UNTURNED = cv2.IMREAD_IGNORE_ORIENTATION
# What is wrong with a picture is told to its sender, not to the log.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def raster(data: bytes, kind: str) -> Raster:
    """The samples of the picture *data* of the format *kind*. Raises BrokenImage, or what Pillow raises."""
    return READERS.get(kind, _other)(data, kind)


def _opencv(data: bytes, flags: int) -> Array:
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise BrokenImage("the picture cannot be decoded") from error
    if found is None:
        raise BrokenImage("the picture is damaged or cut short")
    return found


def _jpeg(data: bytes, kind: str) -> Raster:
    with header.opened(io.BytesIO(data), kind) as picture:
        if picture.mode not in ("L", "RGB"):
            return _pillow(picture)
        turn, profile = orientation.told(picture.info), _profile(picture)
        grey = picture.mode == "L"
    samples = _opencv(data, (cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_BGR) | UNTURNED)
    return Raster(samples, "L" if grey else "BGR", profile=profile, orientation=turn)


def _png(data: bytes, kind: str) -> Raster:
    parsed = png.parse(io.BytesIO(data))
    samples = _opencv(parsed.data, cv2.IMREAD_UNCHANGED)
    alpha = None
    if samples.ndim == 3 and samples.shape[2] == 4:
        alpha = _eight(samples[..., 3])
        samples = cv2.cvtColor(samples, cv2.COLOR_BGRA2BGR)
    if parsed.clear is not None:
        scale = 255 // (2**parsed.depth - 1) if parsed.depth < 8 else 1
        clear = np.array([value * scale for value in reversed(parsed.clear)], np.int64)
        same = samples == clear
        alpha = np.where(same if samples.ndim == 2 else same.all(-1), 0, 255).astype(np.uint8)
    return Raster(
        samples,
        "L" if samples.ndim == 2 else "BGR",
        alpha,
        65535 if samples.dtype == np.uint16 else 255,
        profile=parsed.profile,
        orientation=orientation.of(parsed.exif, parsed.xmp),
    )


def _eight(alpha: Array) -> Bytes:
    return cv2.convertScaleAbs(alpha, alpha=1 / 257 if alpha.dtype == np.uint16 else 1).astype(np.uint8, copy=False)


def _webp(data: bytes, kind: str) -> Raster:
    with header.opened(io.BytesIO(data), kind) as picture:
        if getattr(picture, "is_animated", False):
            return _pillow(picture)
        turn, profile = orientation.told(picture.info), _profile(picture)
    samples, alpha = _opencv(data, cv2.IMREAD_UNCHANGED), None
    if samples.shape[-1] == 4:
        samples, alpha = cv2.cvtColor(samples, cv2.COLOR_BGRA2BGR), np.ascontiguousarray(samples[..., 3])
    return Raster(samples, "BGR", alpha, profile=profile, orientation=turn)


def _tiff(data: bytes, kind: str) -> Raster:
    page = tiff.first(io.BytesIO(data))
    if objection := page.objection():
        raise BrokenImage(f"it is a TIFF {objection}")
    packed, turn = page.compression in tiff.PACKED, 1  # what Pillow reads it turns itself
    if packed and page.model != tiff.YCBCR:
        return tiff_samples.raster(data, page)
    if packed:
        data, turn = tiff_samples.ycbcr(data, page), page.one(Tag.ORIENTATION, 1)
    with header.opened(io.BytesIO(data), kind) as picture:
        picture.load()
        return _pillow(picture, bytes(page.tags.get(Tag.PROFILE, ())), turn)


def _icon(data: bytes, kind: str) -> Raster:
    image = icon.largest(io.BytesIO(data))
    if image.is_png:
        return _png(image.data, "PNG")
    with header.opened(io.BytesIO(image.alone()), kind) as picture:
        return _opaque_when_all_clear(_pillow(picture))


def _bmp(data: bytes, kind: str) -> Raster:
    with header.opened(io.BytesIO(data), kind) as picture:
        plain = picture.mode == "RGB" and data[28:30] == b"\x18\0" and data[14] >= 40  # which OpenCV reads much faster
        if not plain:
            return _opaque_when_all_clear(_pillow(picture))
    return Raster(_opencv(data, cv2.IMREAD_COLOR_BGR), "BGR")


def _opaque_when_all_clear(found: Raster) -> Raster:
    """Many programs leave the fourth byte of a bitmap's pixel 0 and mean nothing by it."""
    if found.alpha is None or found.alpha.any():
        return found
    return Raster(found.samples, found.model)


def _other(data: bytes, kind: str) -> Raster:
    with header.opened(io.BytesIO(data), kind) as picture:
        turn = 1 if kind == "HEIC" else orientation.told(picture.info)  # its reader has turned it
        width, height = picture.size
        found = _pillow(picture, _profile(picture), turn)
    if found.samples.shape[:2] != (height, width):
        raise BrokenImage("the picture is not as large as its header says")
    return found


def _pillow(picture: ImageFile.ImageFile, profile: bytes | None = None, turn: int | None = None) -> Raster:
    """The samples of a picture that Pillow has opened, with its own profile and orientation unless others are given."""
    profile = _profile(picture) if profile is None else profile
    turn = orientation.told(picture.info) if turn is None else turn
    image: Image.Image = picture
    if image.mode.startswith("I;16"):
        return Raster(np.asarray(image).astype(np.uint16), "L", full=65535, profile=profile, orientation=turn)
    if image.mode in ("I", "F"):
        return Raster(np.asarray(image), "L", full=0, profile=profile, orientation=turn)
    if image.has_transparency_data:
        whole = np.asarray(image.convert("RGBA"))
        colours = cv2.cvtColor(whole, cv2.COLOR_RGBA2BGR)
        return Raster(colours, "BGR", np.ascontiguousarray(whole[..., 3]), profile=profile, orientation=turn)
    if image.mode in ("1", "L"):
        return Raster(np.asarray(image.convert("L")), "L", profile=profile, orientation=turn)
    if image.mode in ("CMYK", "LAB"):
        return Raster(np.asarray(image), image.mode, profile=profile, orientation=turn)  # type: ignore[arg-type]
    rgb = np.asarray(image.convert("RGB"))
    return Raster(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), "BGR", profile=profile, orientation=turn)


def _profile(picture: ImageFile.ImageFile) -> bytes:
    found = picture.info.get("icc_profile")
    return found if isinstance(found, bytes) else b""


READERS: Mapping[str, Callable[[bytes, str], Raster]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
    "ICO": _icon,
}
