"""Colours: from what a picture's ICC profile says to sRGB."""

from __future__ import annotations

import functools
import io

import cv2
import numpy as np
from PIL import Image, ImageCms

from spoolfarm.images.raster import Bytes, Raster

#: By how much, of 255, a profile may differ from sRGB and count as sRGB.
ALIKE = 2
#: Profiles whose transforms are kept, which take some milliseconds to make.
KEPT = 16
#: Steps from 0 to 255 at which a profile is compared with sRGB.
STEPS = np.linspace(0, 255, 9).round().astype(np.uint8)
#: Bytes of one profile, at most: those of printing machines have 2 MB.
MOST_BYTES = 16 << 20
#: What a profile is for, in its header (ICC.1, table 19), by Pillow's name.
SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}


def to_bgr(picture: Bytes, raster: Raster) -> Bytes:
    """*picture*, the 8-bit samples of *raster*, as (height, width, 3) in sRGB. A broken profile is ignored."""
    mode = "RGB" if raster.model == "BGR" else raster.model
    profile = b"" if mode == "LAB" else raster.profile
    transform = _transform(profile, mode) if profile or mode == "LAB" else None
    if transform is not None:
        given = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if mode == "RGB" else picture
        shown = ImageCms.applyTransform(_image(given, mode), transform)
        assert shown is not None  # it is None only where the transform works in place
        return _swapped(shown)
    if mode == "CMYK":
        return _swapped(Image.fromarray(picture, "CMYK").convert("RGB"))
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False) if mode == "L" else picture


def _swapped(picture: Image.Image) -> Bytes:
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _image(samples: Bytes, mode: str) -> Image.Image:
    high, wide = samples.shape[:2]
    return Image.frombuffer(mode, (wide, high), np.ascontiguousarray(samples), "raw", mode, 0, 1)


@functools.lru_cache(KEPT)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From *profile* to sRGB; None when there is nothing to do, or nothing that can be done."""
    try:
        if profile and (len(profile) > MOST_BYTES or profile[16:20] != SPACES[mode]):
            return None
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
        return None if mode in ("L", "RGB") and _same(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _same(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether *transform* changes next to nothing."""
    colours = np.stack(np.meshgrid(STEPS, STEPS, STEPS), -1).reshape(len(STEPS), -1, 3)
    given = np.arange(256, dtype=np.uint8)[None] if mode == "L" else colours
    got = np.asarray(ImageCms.applyTransform(_image(given, mode), transform)).astype(int)
    return bool(np.abs(got - (given[..., None] if mode == "L" else given)).max() <= ALIKE)
