"""What a picture may be given as in Python, and the file that is made of it."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from spoolfarm.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    #: A path, encoded bytes, a file opened in binary mode, a picture of Pillow, or an array (height, width[, 1, 3 or
    #: 4]) in BGR order: bool, uint8, uint16, or floating point from 0 to 1.
    Picture: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray[Any, Any]

#: PNG's effort, 0 to 9: more takes much longer for little.
EFFORT = 1
#: Pillow's modes that a PNG holds as they are.
AS_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
#: Modes that become another one without loss of what is seen; those that are in no table become RGB.
BECOMES = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}


def given(picture: Picture | None) -> tuple[list[bytes], str]:
    """The encoded bytes of a picture, if there is one, and the name of its file. Raises what `encoded` does."""
    name = os.path.basename(os.fspath(picture)) if isinstance(picture, (str, os.PathLike)) else ""
    return [] if picture is None else [encoded(picture)], name


def encoded(picture: Picture) -> bytes:
    """The encoded bytes of a picture. Raises OSError, TypeError for no picture, InvalidRequest for odd samples."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture).read_bytes()
    if "PIL.Image" in sys.modules:  # else nobody has one
        from PIL import Image

        if isinstance(picture, Image.Image):
            return _of_pillow(picture)
    if hasattr(picture, "__array__"):
        return _of_array(picture)
    if hasattr(picture, "read"):
        data = picture.read()
        if isinstance(data, bytes):
            return data
        raise TypeError("image: the file is opened as text; open it with mode 'rb'")
    raise TypeError(
        f"image: a {type(picture).__name__} is no picture; give a path, bytes, an open file, an array or a PIL picture"
    )


def _of_pillow(picture: Image.Image) -> bytes:
    """A file of what Pillow holds, as deep as it is, with its profile and the EXIF that turns it."""
    mode = BECOMES.get(picture.mode, picture.mode)
    kind = "PNG" if mode in AS_PNG else "TIFF"
    if mode.startswith("I") and mode != "I;16":
        numbers = _numbers(picture)
        if numbers.size and numbers.min() >= 0 and numbers.max() <= 0xFFFF:
            return _of_array(numbers.astype("uint16"))  # Pillow calculates with 16 bits in this mode
    if mode not in (*AS_PNG, "CMYK", "F", "I"):
        mode, kind = "RGB", "PNG"
    options: dict[str, Any] = {"compress_level": EFFORT} if kind == "PNG" else {}
    if profile := picture.info.get("icc_profile"):
        options["icc_profile"] = profile
    file = io.BytesIO()
    shown = picture if mode == picture.mode else picture.convert(mode)
    if (turn := picture.getexif().get(0x0112, 1)) != 1:
        from PIL import Image

        options["exif"] = exif = Image.Exif()
        exif[0x0112] = turn
    try:
        shown.save(file, kind, **options)
    except (OSError, ValueError, SystemError) as error:
        raise InvalidRequest(f"image: the {picture.mode} picture cannot be written: {error}") from error
    return file.getvalue()


def _numbers(picture: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.asarray(picture)


def _of_array(picture: Any) -> bytes:
    import cv2
    import numpy as np

    array = _numbers(picture)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InvalidRequest(
            f"image: an array of shape {array.shape} is no picture; give (height, width), or (height, width, 3) in BGR"
        )
    kind = array.dtype.kind
    if kind == "f":
        low, high = float(array.min()), float(array.max())
        if not 0 <= low <= high <= 1:  # also when one of them is not a number
            raise InvalidRequest(f"image: floating-point samples go from 0 to 1, not from {low:g} to {high:g}")
        array = np.rint(array * 255).astype(np.uint8)
    elif kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    elif kind in "iu" and array.dtype not in (np.uint8, np.uint16):
        low, high = int(array.min()), int(array.max())
        if not 0 <= low <= high <= 255:
            raise InvalidRequest(f"image: samples from {low} to {high} of {array.dtype}; give uint8 or uint16")
        array = array.astype(np.uint8)
    elif kind not in "iu":
        raise InvalidRequest(
            f"image: an array of {array.dtype} is no picture; give uint8, uint16, bool or floats 0 to 1"
        )
    return cv2.imencode(".png", np.ascontiguousarray(array))[1].tobytes()
