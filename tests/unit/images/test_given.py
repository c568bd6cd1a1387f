"""What a picture may be given as in Python."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spoolfarm.errors import InvalidRequest
from spoolfarm.images import decode, encoded

RANDOM = np.random.default_rng(4)
RGB = Image.fromarray(RANDOM.integers(0, 256, (20, 30, 3), np.uint8))


def shown(picture: Any) -> Any:
    return decode(encoded(picture))


def test_a_path_bytes_and_an_open_file_are_the_file_itself(tmp_path: Path) -> None:
    RGB.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for given in (
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        data,
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
    ):
        assert encoded(given) == data  # type: ignore[arg-type]
    with (tmp_path / "a.png").open("rb") as file:
        assert encoded(file) == data
    with (tmp_path / "a.png").open(encoding="latin-1") as text, pytest.raises(TypeError, match="mode 'rb'"):
        encoded(text)  # type: ignore[arg-type]


def test_arrays_of_bytes_are_bgr() -> None:
    array = RANDOM.integers(0, 256, (20, 30, 3), np.uint8)
    assert (shown(array) == array).all()
    assert (shown(array[::2, ::-1]) == array[::2, ::-1]).all()
    assert (shown(array[..., :1]) == array[..., :1]).all()
    assert (shown(array[..., 0]) == array[..., :1]).all()
    assert (shown(array.astype(np.int64)) == array).all()
    opaque = np.dstack([array, np.full((20, 30), 255, np.uint8)])
    assert (shown(opaque) == array).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_floats_from_0_to_1_are_times_255(dtype: str, shape: tuple[int, ...]) -> None:
    array = RANDOM.random(shape).astype(dtype)
    expected = np.rint(array * 255).astype(np.uint8)
    assert (shown(array) == (expected if len(shape) == 3 else expected[..., None])).all()


@pytest.mark.parametrize("dtype", ["uint16", ">u2"])
def test_16_bits_stay_16_bits(dtype: str) -> None:
    array = RANDOM.integers(0, 65536, (20, 30, 3)).astype(dtype)
    assert encoded(array)[24] == 16  # the depth in a PNG's header
    assert (shown(array) == np.rint(array / 257)).all()


def test_true_is_white() -> None:
    mask = RANDOM.random((20, 30)) > 0.5
    assert (shown(mask) == np.where(mask, 255, 0)[..., None]).all()


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((3, 20, 30), np.uint8), r"shape \(3, 20, 30\)"),
        (np.zeros((20,), np.uint8), "shape"),
        (np.zeros((0, 5, 3), np.uint8), "shape"),
        (np.full((4, 4), 255.0), "from 0 to 1, not from 255 to 255"),
        (np.full((4, 4), np.nan), "from 0 to 1"),
        (np.full((4, 4), -1, np.int16), "samples from -1 to -1 of int16"),
        (np.full((4, 4), 70_000), "give uint8 or uint16"),
        (np.full((4, 4), 1j), "complex128"),
        (np.full((4, 4), "a"), "is no picture"),
    ],
)
def test_an_array_that_cannot_be_told_is_refused(array: Any, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        encoded(array)


@pytest.mark.parametrize("given", [7, None, ["a.png"], {"image": 1}, object()])
def test_what_is_no_picture_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError, match="is no picture"):
        encoded(given)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB", "RGBX"])
def test_pillows_pictures_in_any_mode(mode: str) -> None:
    if mode == "P":
        picture = RGB.quantize(16)
    elif mode == "LAB":
        picture = Image.merge("LAB", [RGB.getchannel(0), Image.new("L", RGB.size, 128), Image.new("L", RGB.size, 128)])
    else:
        picture = RGB.convert(mode)
    expected = np.asarray(picture.convert("RGB"))[..., ::-1]
    assert np.abs(shown(picture).astype(int) - expected).max() <= (3 if mode == "LAB" else 0)


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "La", "RGBa"])
def test_pillows_pictures_with_alpha(mode: str) -> None:
    picture = RGB.convert("L").convert("LA" if mode[0] == "L" else "RGBA")
    picture.putalpha(200)
    picture = picture.convert(mode)
    over = picture.convert("LA").convert("RGBA") if mode == "La" else picture.convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", RGB.size, "white"), over)
    assert np.abs(shown(picture).astype(int) - np.asarray(white)[..., 2::-1]).max() <= 2


def test_pillows_deep_pictures_keep_their_depth() -> None:
    deep = RANDOM.integers(0, 65536, (20, 30)).astype(np.uint16)
    for picture in (Image.fromarray(deep), Image.fromarray(deep.astype(np.int32)), Image.fromarray(deep.astype(">u2"))):
        assert (shown(picture) == np.rint(deep / 257)[..., None]).all(), picture.mode
    floats = RANDOM.random((20, 30)).astype(np.float32)
    assert (shown(Image.fromarray(floats)) == np.rint(floats * 255)[..., None]).all()


def test_a_picture_that_pillow_opened_is_what_its_file_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    RGB.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as picture:
        assert (shown(picture) == shown(tmp_path / "turned.png")).all()
        assert shown(picture).shape == (30, 20, 3)


def test_giving_a_path_loads_neither_pillow_nor_numpy(tmp_path: Path) -> None:
    RGB.save(tmp_path / "a.png")
    code = "import sys; from spoolfarm.images import encoded; encoded(sys.argv[1])"
    code += "; print({'PIL', 'numpy', 'cv2'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
