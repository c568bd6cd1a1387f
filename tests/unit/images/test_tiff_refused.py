"""TIFF that is not read, or that does not say the truth of itself."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from spoolfarm.errors import BrokenImage, UnsupportedMedia
from spoolfarm.images import check, decode, several_pages
from tests.unit.images.test_tiff import LIMIT, SHAPE, assert_same, bgr, drawn, tiff, written


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({339: [6], 258: [64]}, "64-bit complex samples; send 8 or 16 bits"),
        ({258: [64]}, "64-bit whole samples"),
        ({258: [24]}, "24-bit whole samples"),
        ({258: [5, 6, 5], 277: [3], 262: [2]}, "different depths"),
        ({259: [34712]}, "compression JPEG 2000; send LZW"),
        ({259: [60000]}, "compression 60000; send LZW"),
        ({262: [32803]}, "a camera's raw samples"),
        ({262: [34892]}, "a camera's raw samples"),
        ({262: [9]}, "ICC L"),
        ({277: [5], 258: [8] * 5}, "5 channels that are no colours"),
        ({262: [3], 258: [16]}, "16-bit samples in this colour model"),
        ({277: [5], 258: [64] * 5, 339: [3] * 5, 262: [2]}, "320 bits a pixel"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(tags: dict[int, list[int]], why: str) -> None:
    data = tiff({256: [8], 257: [8], 258: [8], 262: [1], 278: [8], **tags}, [bytes(4096)])
    with pytest.raises(UnsupportedMedia, match=f"image: is a TIFF .*{why}"):
        check(data, "image", LIMIT)
    with pytest.raises(BrokenImage, match=why):
        decode(data)


def test_a_wrong_length_of_what_is_not_packed_is_no_matter() -> None:
    array = drawn(*SHAPE)
    for length in (0, 5, 1 << 30):
        data = bytearray(tiff({256: [SHAPE[1]], 257: [SHAPE[0]], 258: [8], 262: [1]}, [array.tobytes()]))
        struct.pack_into("<I", data, data.index(struct.pack("<HHI", 279, 4, 1)) + 8, length)
        assert_same(decode(bytes(data)), bgr(array), length)


def test_a_packed_piece_named_many_times_is_damaged() -> None:
    piece = zlib.compress(np.random.default_rng(1).bytes(64 * 1000))
    data = bytearray(
        tiff({256: [64], 257: [1000 * 900], 258: [8], 259: [8], 262: [1], 278: [1000]}, [piece] + [b""] * 899)
    )
    starts, sizes = (data.index(struct.pack("<HHI", tag, 4, 900)) + 8 for tag in (273, 279))
    for place, value in ((starts, 8), (sizes, len(piece))):
        [at] = struct.unpack_from("<I", data, place)
        struct.pack_into("<900I", data, at, *[value] * 900)
    with pytest.raises(BrokenImage, match="larger than its file"):
        decode(bytes(data))


def test_a_chain_of_pages_that_bites_its_tail_or_leads_nowhere_ends() -> None:
    data = bytearray(written(drawn(*SHAPE), photometric="minisblack"))
    [first] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, first)
    for after in (first, 0xFFFFFFF0, 3):
        struct.pack_into("<I", data, first + 2 + 12 * count, after)
        assert not several_pages(bytes(data))
    with pytest.raises(BrokenImage):
        several_pages(b"II*\0\xff\xff\xff\xff")


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_tiff_is_an_error_of_ours_or_a_picture(seed: int) -> None:
    random = np.random.default_rng(seed)
    for storage in ({}, {"tile": (16, 16)}, {"compression": "zlib", "predictor": True}, {"bigtiff": True}):
        data = np.frombuffer(written(drawn(*SHAPE, 3, dtype="uint16"), photometric="rgb", **storage), np.uint8).copy()
        places = np.concatenate([random.integers(0, 16, 2), random.integers(0, len(data), 4)])
        data[places] = random.integers(0, 256, len(places))
        try:
            check(data.tobytes(), "image", LIMIT)
            decode(data[: len(data) - seed].tobytes())
        except (BrokenImage, UnsupportedMedia):
            pass


def test_a_tile_or_a_count_beyond_all_sense_is_refused_before_anything_is_made() -> None:
    tags = {256: [8], 257: [8], 258: [8], 262: [1]}
    for more in ({322: [1 << 30], 323: [1 << 30]}, {322: [1], 323: [(1 << 32) - 1]}):
        with pytest.raises(BrokenImage):
            decode(tiff({**tags, **more}, [bytes(64)]))
    data = bytearray(tiff({**tags, 278: [1]}, [bytes(8)] * 8))
    at = data.index(struct.pack("<HHI", 273, 4, 8))
    struct.pack_into("<I", data, at + 4, (1 << 32) - 1)
    with pytest.raises(BrokenImage):
        decode(bytes(data))
