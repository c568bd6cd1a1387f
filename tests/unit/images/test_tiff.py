"""TIFF: every way that samples are stored comes out as the picture that was drawn."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from spoolfarm.errors import BrokenImage
from spoolfarm.images import check, decode, read, several_pages
from spoolfarm.images.tiff import pages

LIMIT = 50_000_000
#: Height and width: no multiples of a tile, a byte or a strip.
SHAPE = (37, 53)
Array = np.ndarray[Any, Any]


def drawn(*shape: int, dtype: str = "uint8", top: float | None = None) -> Array:
    """Grain, darker to the left, that uses the whole range from 0 to *top*, which is the greatest of the type."""
    kind = np.dtype(dtype)
    top = top or (1 if kind.kind == "f" else np.iinfo(kind).max)
    grain = np.random.default_rng(3).random(shape)
    grain = grain * np.linspace(0.3, 1, shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
    grain.flat[0], grain.flat[-1] = 0, 1
    values = (grain - grain.min()) / np.ptp(grain) * top
    return values.astype(kind) if kind.kind == "f" else np.rint(values).astype(kind)


def written(array: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, software=False, **options)
    return file.getvalue()


def bgr(eight: Array) -> Array:
    """What is expected of 8-bit samples, grey or RGB."""
    return np.repeat(eight[..., None], 3, 2) if eight.ndim == 2 else eight[..., 2::-1]


def eight(array: Array) -> Array:
    """The contract's 8 bits: 16 are divided by 257, floating point is multiplied by 255."""
    scale = {"uint8": 1, "uint16": 1 / 257}.get(str(array.dtype), 255)
    return np.rint(array.astype(np.float64) * scale).astype(np.uint8)


def turned(array: Array, orientation: int) -> Array:
    """*array* upright, as EXIF's orientation says that it lies."""
    steps = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (1, 1), 6: (3, 0), 7: (3, 1), 8: (1, 0)}
    turns, mirrored = steps[orientation]
    array = np.rot90(array, turns)
    return array[:, ::-1] if mirrored and orientation in (2, 4) else array[::-1] if mirrored else array


def storages() -> Iterator[dict[str, Any]]:
    for compression, predictor in ((None, None), ("zlib", None), ("zlib", True), ("lzma", None)):
        for tile in (None, (16, 32)):
            for bigtiff, byteorder in itertools.product((False, True), "<>"):
                yield {
                    "compression": compression,
                    "predictor": predictor,
                    "tile": tile,
                    "bigtiff": bigtiff,
                    "byteorder": byteorder,
                }


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_grey_and_colours_of_every_depth_in_every_storage(dtype: str) -> None:
    for storage in storages():
        if dtype.startswith("float") and storage["predictor"]:
            continue  # tifffile does not write it; see below
        rows = {} if storage["tile"] else {"rowsperstrip": 10}
        grey, rgb = drawn(*SHAPE, dtype=dtype), drawn(*SHAPE, 3, dtype=dtype)
        for photometric in ("minisblack", "miniswhite"):
            expected = eight(grey) if photometric == "minisblack" else 255 - eight(grey)
            assert_same(decode(written(grey, photometric=photometric, **rows, **storage)), bgr(expected), storage)
        assert_same(decode(written(rgb, photometric="rgb", **rows, **storage)), bgr(eight(rgb)), storage)
        planes = np.moveaxis(rgb, 2, 0)
        data = written(planes, photometric="rgb", planarconfig="separate", **rows, **storage)
        assert_same(decode(data), bgr(eight(rgb)), storage)


def assert_same(picture: Array, expected: Array, what: object, tolerance: int = 0) -> None:
    assert picture.shape == expected.shape, what
    assert np.abs(picture.astype(int) - expected).max() <= tolerance, what


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_tag_turns_strips_and_tiles(orientation: int) -> None:
    for dtype, tile, compression in itertools.product(("uint8", "uint16", "float32"), (None, (16, 16)), (None, "zlib")):
        rgb = drawn(*SHAPE, 3, dtype=dtype)
        data = written(
            rgb,
            photometric="rgb",
            tile=tile,
            compression=compression,
            extratags=[(274, "H", 1, orientation, True)],
        )
        expected = turned(bgr(eight(rgb)), orientation)
        assert_same(decode(data), expected, (dtype, tile, compression))
        assert check(data, "image", LIMIT).upright == expected.shape[1::-1]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("colours", [1, 3])
def test_alpha_is_white_paper_below_also_when_it_was_multiplied_in(dtype: str, planar: str, colours: int) -> None:
    whole = drawn(*SHAPE, colours + 1, dtype=dtype)
    opacity = (whole[..., -1] / np.iinfo(dtype).max)[..., None]
    plain = eight(whole)[..., :colours].astype(float)
    for kind in ("unassalpha", "assocalpha"):
        array = whole.copy()
        if kind == "assocalpha":
            array[..., :colours] = np.rint(whole[..., :colours] * opacity)
        given = np.moveaxis(array, 2, 0) if planar == "separate" else array
        photometric = "rgb" if colours == 3 else "minisblack"
        data = written(given, photometric=photometric, planarconfig=planar, extrasamples=[kind])
        expected = plain * opacity + 255 * (1 - opacity)
        assert_same(decode(data), bgr(expected if colours == 3 else expected[..., 0]), kind, 2)


def test_a_channel_of_no_stated_meaning_is_left_out() -> None:
    whole = drawn(*SHAPE, 4)
    data = written(whole, photometric="rgb", extrasamples=["unspecified"])
    assert_same(decode(data), bgr(whole[..., :3]), "RGBX")


def tiff(tags: dict[int, Sequence[int]], pieces: Sequence[bytes]) -> bytes:
    """A TIFF with *tags* and *pieces*, for what tifffile does not write."""
    starts = list(itertools.accumulate(map(len, pieces[:-1]), initial=8))
    tags = {**tags, 324 if 322 in tags else 273: starts, 325 if 322 in tags else 279: list(map(len, pieces))}
    at = 8 + sum(map(len, pieces))
    head, more = struct.pack("<2sHI", b"II", 42, at), b""
    at += 2 + 12 * len(tags) + 4
    table = struct.pack("<H", len(tags))
    for tag, values in sorted(tags.items()):
        kind, letter = (4, "I") if max(values) > 65535 or tag in (273, 279, 324, 325) else (3, "H")
        raw = struct.pack(f"<{len(values)}{letter}", *values)
        table += struct.pack("<HHI", tag, kind, len(values))
        table += raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", at + len(more))
        more += raw if len(raw) > 4 else b""
    return head + b"".join(pieces) + table + bytes(4) + more


def packed(array: Array, bits: int) -> Array:
    """The rows of *array*, (height, width, samples), each sample in *bits*, as bytes."""
    flags = (array.reshape(len(array), -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(flags.reshape(len(array), -1).astype(np.uint8), axis=1)


def squeezed(rows: Array, compression: str) -> bytes:
    """*rows* of bytes as libtiff packs them."""
    file = io.BytesIO()
    Image.fromarray(rows).save(file, "TIFF", compression=compression, strip_size=1 << 30)
    file.seek(0)
    with tifffile.TiffFile(file) as found:
        [start], [size] = found.pages[0].dataoffsets, found.pages[0].databytecounts
    return file.getvalue()[start : start + size]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("tiled", [False, True])
def test_samples_that_fill_no_byte(bits: int, channels: int, planar: int, tiled: bool) -> None:
    top = 2**bits - 1
    array = drawn(*SHAPE, channels, dtype="uint16", top=top)
    expected = np.rint(array * (255 / top)).astype(np.uint8)
    size = (16, 32) if tiled else (10, SHAPE[1])
    for (code, compression), order in itertools.product(
        ((1, ""), (5, "tiff_lzw"), (8, "tiff_adobe_deflate"), (32773, "packbits")), (1, 2)
    ):
        if order == 2 and code != 1:
            continue  # libtiff would turn the packed bits
        pieces = []
        for plane in np.moveaxis(array[..., None], 2, 0) if planar == 2 else [array]:
            for top_row, left in itertools.product(range(0, SHAPE[0], size[0]), range(0, SHAPE[1], size[1])):
                piece = plane[top_row : top_row + size[0], left : left + size[1]]
                if tiled:
                    gaps = [(0, full - part) for full, part in zip(size, piece.shape, strict=False)]
                    piece = np.pad(piece, [*gaps, (0, 0)])
                rows = piece.astype("<u2").view(np.uint8).reshape(len(piece), -1) if bits == 16 else packed(piece, bits)
                if order == 2:
                    rows = np.packbits(np.unpackbits(rows[..., None], axis=2)[..., ::-1], axis=2)[..., 0]
                pieces.append(squeezed(rows, compression) if compression else rows.tobytes())
        tags = {256: [SHAPE[1]], 257: [SHAPE[0]], 258: [bits] * channels, 259: [code], 277: [channels]}
        tags |= {262: [2 if channels == 3 else 1], 266: [order], 284: [planar]}
        tags |= {322: [size[1]], 323: [size[0]]} if tiled else {278: [size[0]]}
        picture = decode(tiff(tags, pieces))
        assert_same(picture, bgr(expected if channels == 3 else expected[..., 0]), (code, order))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_with_its_predictor(dtype: str, channels: int) -> None:
    array = drawn(*SHAPE, channels, dtype=dtype)
    size = array.itemsize
    whole = array.astype(array.dtype.newbyteorder(">")).view(np.uint8).reshape(SHAPE[0], -1, size)
    planes = np.ascontiguousarray(whole.transpose(0, 2, 1)).reshape(SHAPE[0], -1, channels)
    steps = np.diff(planes, axis=1, prepend=np.zeros((SHAPE[0], 1, channels), np.uint8)).astype(np.uint8)
    tags = {256: [SHAPE[1]], 257: [SHAPE[0]], 258: [8 * size] * channels, 259: [8], 262: [2 if channels == 3 else 1]}
    tags |= {277: [channels], 278: [SHAPE[0]], 317: [3], 339: [3] * channels}
    expected = eight(array if channels == 3 else array[..., 0])
    assert_same(decode(tiff(tags, [zlib.compress(steps.tobytes())])), bgr(expected), dtype)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_of_any_depth(bits: int) -> None:
    palette = drawn(3, 2**bits, dtype="uint16")
    array = drawn(*SHAPE, 1, dtype="uint16", top=2**bits - 1)
    tags = {256: [SHAPE[1]], 257: [SHAPE[0]], 258: [bits], 262: [3], 278: [SHAPE[0]], 320: palette.ravel().tolist()}
    expected = (palette >> 8).astype(np.uint8).T[array[..., 0]]
    assert_same(decode(tiff(tags, [packed(array, bits).tobytes()])), bgr(expected), bits)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_inks_become_colours(compression: str | None, dtype: str, planar: str) -> None:
    inks = drawn(*SHAPE, 4, dtype=dtype)
    given = np.moveaxis(inks, 2, 0) if planar == "separate" else inks
    data = written(given, photometric="separated", planarconfig=planar, compression=compression)
    expected = np.asarray(Image.fromarray(eight(inks), "CMYK").convert("RGB"))
    assert_same(decode(data), bgr(expected), dtype)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_luma_and_chroma_become_colours(subsampling: tuple[int, int], compression: str) -> None:
    across, down = subsampling
    blocks = np.random.default_rng(5).integers(0, 256, (10, 12, 3), np.uint8)  # one colour each
    luma = np.kron(blocks[..., 0], np.ones((down, across), np.uint8))
    units = [
        [*luma[y * down : (y + 1) * down, x * across : (x + 1) * across].ravel(), *blocks[y, x, 1:]]
        for y, x in np.ndindex(10, 12)
    ]
    rows = np.array(units, np.uint8).reshape(10, -1)
    piece = rows.tobytes() if compression == "raw" else squeezed(rows, compression)
    tags = {256: [12 * across], 257: [10 * down], 258: [8] * 3, 259: [1 if compression == "raw" else 5], 262: [6]}
    tags |= {277: [3], 278: [10 * down], 530: [across, down]}
    expected = np.asarray(Image.fromarray(blocks, "YCbCr").convert("RGB"))
    expected = np.kron(expected, np.ones((down, across, 1), np.uint8))
    assert_same(decode(tiff(tags, [piece])), bgr(expected), subsampling, 3)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_jpeg_in_a_tiff_is_a_photograph_as_elsewhere(subsampling: tuple[int, int]) -> None:
    file = io.BytesIO()
    picture = Image.fromarray(drawn(6, 8, 3)).resize((64, 48), Image.Resampling.BICUBIC)
    picture.save(file, "JPEG", quality=95, subsampling=0 if subsampling == (1, 1) else 2)
    tags = {256: [64], 257: [48], 258: [8] * 3, 259: [7], 262: [6], 277: [3], 278: [48], 530: subsampling}
    assert_same(decode(tiff(tags, [file.getvalue()])), decode(file.getvalue()), subsampling, 3)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_lightness_and_two_opponents_become_colours(compression: str) -> None:
    picture = Image.fromarray(drawn(*SHAPE, 3), "LAB")
    file = io.BytesIO()
    picture.save(file, "TIFF", compression=compression)
    to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    expected = ImageCms.applyTransform(picture, to_rgb)
    assert expected is not None
    assert_same(decode(file.getvalue()), bgr(np.asarray(expected)), compression, 1)


@pytest.mark.parametrize("compression", ["jpeg", "group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_photographs_and_faxes_come_out_as_pillow_sees_them(compression: str, orientation: int) -> None:
    mode = "RGB" if compression == "jpeg" else "1"
    picture = Image.fromarray(drawn(64, 96, 3)).convert(mode)
    file = io.BytesIO()
    picture.save(file, "TIFF", compression=compression, tiffinfo={274: orientation})
    with Image.open(file) as found:
        expected = np.asarray(found.convert("RGB"))
    assert_same(decode(file.getvalue()), bgr(expected), compression, 1)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float32"])
def test_samples_without_a_range_are_stretched_by_what_they_use(dtype: str) -> None:
    array = (np.arange(20 * 30).reshape(20, 30) % 101 - (0 if dtype[0] == "u" else 50)).astype(dtype)
    found = read(written(array, photometric="minisblack"))
    assert found.scaled == (array.min(), array.max())
    assert_same(found.pixels, bgr(np.rint((array - float(array.min())) * 2.55).astype(np.uint8)), dtype, 1)


@pytest.mark.parametrize(("dtype", "top"), [("uint16", 235), ("uint16", 16000), ("float32", 0.2)])
def test_a_small_part_of_the_range_is_stretched_on_request_only(dtype: str, top: float) -> None:
    array = drawn(64, 64, dtype=dtype, top=top)
    data = written(array, photometric="minisblack")
    assert read(data).scaled is None
    assert_same(decode(data), bgr(eight(array)), top)
    found = read(data, stretch=True)
    assert found.scaled == pytest.approx((0, top))
    assert_same(found.pixels, bgr(np.rint(array / np.float64(array.max()) * 255).astype(np.uint8)), top, 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_uses_its_range_or_has_8_bits_is_never_stretched(dtype: str) -> None:
    for top in (1.0, 0.4) if dtype != "uint8" else (1.0, 0.1):
        full = 1 if dtype == "float32" else np.iinfo(dtype).max
        found = read(written(drawn(64, 64, dtype=dtype, top=top * full), photometric="minisblack"), stretch=True)
        assert found.scaled is None


def test_a_few_hot_pixels_do_not_hide_the_others() -> None:
    array = drawn(300, 400, dtype="uint16", top=235)
    array[7, 9] = 65535
    found = read(written(array, photometric="minisblack"), stretch=True)
    assert found.scaled is not None
    assert found.scaled[1] <= 235
    assert found.pixels.mean() == pytest.approx(array.clip(0, 235).mean() / 235 * 255, abs=3)


def test_what_is_not_finite_is_dark() -> None:
    array = drawn(*SHAPE, dtype="float32")
    array[3, 4], array[5, 6] = np.nan, np.inf
    picture = decode(written(array, photometric="minisblack"))
    assert picture[3, 4].tolist() == picture[5, 6].tolist() == [0, 0, 0]
    with pytest.raises(BrokenImage, match="number"):
        decode(written(np.full(SHAPE, np.nan, np.float32), photometric="minisblack"))


def test_pages_are_counted_without_decoding() -> None:
    for bigtiff in (False, True):
        file = io.BytesIO()
        with tifffile.TiffWriter(file, bigtiff=bigtiff) as writer:
            for _ in range(7):
                writer.write(drawn(*SHAPE), photometric="minisblack", metadata=None)
        assert len(list(pages(file))) == 7
        assert several_pages(file.getvalue())
        assert_same(decode(file.getvalue()), bgr(drawn(*SHAPE)), "the first page")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    assert not several_pages(file.getvalue())
