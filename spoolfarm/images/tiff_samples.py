"""The samples of a TIFF's first page, of any depth, in strips or tiles, side by side or one plane a colour."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import TiffImagePlugin

from spoolfarm.errors import BrokenImage
from spoolfarm.images import tiff
from spoolfarm.images.raster import Array, Bytes, Raster
from spoolfarm.images.tiff import FLOAT, GREY_OF_INK, PALETTE, SIGNED, UNSIGNED, Page, Tag

NONE, DEFLATE = 1, 8
#: Bytes of pieces that are unpacked at a time.
AT_A_TIME = 4 << 20
#: Pieces of one page, at most.
MOST_PIECES = 1_000_000
#: Samples of one piece, at most, unless the picture has more itself.
LARGEST_PIECE = 16 << 20
#: numpy's letter for the samples of a format.
LETTERS = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}
#: The types whose channels OpenCV swaps, which it does much faster.
SWAPPED = ("uint8", "uint16", "float32")
#: Tags that say what the bytes of a piece mean to libtiff's own conversion of YCbCr.
OF_YCBCR = (Tag.BITS, Tag.PHOTOMETRIC, Tag.SAMPLES, Tag.PLANAR, Tag.FILL_ORDER, Tag.SUBSAMPLING, Tag.PREDICTOR)

_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def raster(data: bytes, page: Page) -> Raster:
    """The samples of *page* of the TIFF *data*. Raises BrokenImage."""
    samples = _Pieces(data, page).samples()
    channels, alpha = tiff.CHANNELS[page.model], None
    extra = page.tags.get(Tag.EXTRA, ())
    opaque = next((number for number, meaning in enumerate(extra) if meaning in (1, 2)), None)
    if opaque is not None and channels + opaque < page.samples:
        alpha = _alpha(samples[..., channels + opaque], page)
    colours = samples[..., 0] if channels == 1 else samples[..., :channels]
    full = 0 if page.format != UNSIGNED or page.bits > 16 else 2**page.bits - 1
    if page.model == PALETTE:
        colours, full = _palette(page)[colours], 255
    elif page.bits < 8:
        colours, full = colours * np.uint8(255 // full), 255
    if page.model == tiff.RGB:
        swaps = colours.dtype in SWAPPED
        colours = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2BGR) if swaps else colours[..., ::-1]
    return Raster(
        np.ascontiguousarray(colours),
        {PALETTE: "BGR", tiff.RGB: "BGR", tiff.CMYK: "CMYK", tiff.LAB: "LAB"}.get(page.model, "L"),  # type: ignore[arg-type]
        alpha,
        full,
        negative=page.model == GREY_OF_INK,
        premultiplied=alpha is not None and opaque is not None and extra[opaque] == 1,
        profile=bytes(page.tags.get(Tag.PROFILE, ())),
        orientation=page.one(Tag.ORIENTATION, 1),
    )


def _alpha(samples: Array, page: Page) -> Bytes:
    full = 1 if page.format == FLOAT else 2 ** (page.bits - (page.format == SIGNED)) - 1
    return np.rint(np.nan_to_num(samples.astype(np.float64)).clip(0, full) * (255 / full)).astype(np.uint8)


def _palette(page: Page) -> Bytes:
    values = np.array(page.tags.get(Tag.PALETTE, ()), np.uint32)
    if values.size != 3 << page.bits:
        raise BrokenImage("the TIFF has no palette, or one of another size")
    if values.max() > 255:  # else written by those who thought of 8 bits
        values >>= 8
    return np.ascontiguousarray(values.reshape(3, -1)[::-1].T.astype(np.uint8))


@dataclass(frozen=True, slots=True)
class _Grid:
    """How a page is cut: pieces of *wide* x *high* pixels of *channels* samples, row by row, plane by plane."""

    wide: int
    high: int
    across: int
    down: int
    channels: int
    planes: int
    starts: Sequence[int]
    sizes: Sequence[int]


def _grid(page: Page, length: int) -> _Grid:
    """How *page* of a file of *length* bytes is cut. Raises BrokenImage."""
    width, height = page.size()
    planes = page.samples if page.one(Tag.PLANAR, 1) == 2 else 1
    tiled = Tag.TILES in page.tags
    if tiled:
        wide, high = page.one(Tag.TILE_WIDTH, 0), page.one(Tag.TILE_HEIGHT, 0)
    else:
        wide, high = width, min(page.one(Tag.ROWS_PER_STRIP, height) or height, height)
    if not wide or not high or wide * high > max(LARGEST_PIECE, 2 * width * height):
        raise BrokenImage("the TIFF is damaged: its tiles have no sensible size")
    across, down = -(-width // wide), -(-height // high)
    starts = page.tags.get(Tag.TILES if tiled else Tag.STRIPS, ())
    if len(starts) < across * down * planes:
        raise BrokenImage("the TIFF lacks a part of itself")
    sizes = page.tags.get(Tag.TILE_SIZES if tiled else Tag.STRIP_SIZES) or [length - start for start in starts]
    if len(sizes) < len(starts) or len(starts) > MOST_PIECES:
        raise BrokenImage("the picture is damaged or cut short")
    return _Grid(wide, high, across, down, page.samples // planes, planes, starts, sizes)


class _Pieces:
    """The strips or tiles of a page."""

    def __init__(self, data: bytes, page: Page) -> None:
        self._data, self._page, self._grid = memoryview(data), page, _grid(page, len(data))
        #: Packed bytes that it may still name.
        self._left = 2 * len(data) + MOST_PIECES
        self._row = -(-self._grid.wide * self._grid.channels * page.bits // 8)

    def samples(self) -> Array:
        """All samples of the page, (height, width, samples)."""
        page, grid = self._page, self._grid
        width, height = page.size()
        out: Array | None = None
        for number, block in enumerate(self._blocks()):
            plane, place = divmod(number, grid.across * grid.down)
            top, left = place // grid.across * grid.high, place % grid.across * grid.wide
            if out is None:
                whole = block.shape == (height, width, page.samples)
                out = block if whole else np.zeros((height, width, page.samples), block.dtype)
            if out is not block:
                there = out[top : top + grid.high, left : left + grid.wide]
                first = plane * grid.channels
                there[..., first : first + grid.channels] = block[: there.shape[0], : there.shape[1]]
        if out is None:
            raise BrokenImage("the TIFF has no pixels")
        return out

    def _blocks(self) -> Iterator[Array]:
        """Each piece as (rows, width, channels)."""
        grid, height = self._grid, self._page.size()[1]
        tiled = Tag.TILES in self._page.tags
        each = max(1, AT_A_TIME // (self._row * grid.high))
        for plane in range(grid.planes):
            first, count = plane * grid.across * grid.down, grid.across * grid.down
            for at in range(0, count, each):
                some = range(first + at, first + min(at + each, count))
                last = some[-1] == first + count - 1 and not tiled
                rows = [grid.high] * len(some)
                if last:
                    rows[-1] = height - (grid.down - 1) * grid.high
                block = self._numbers(self._unpacked(some, rows))
                yield from np.split(block, np.cumsum(rows)[:-1])

    def _unpacked(self, some: range, rows: Sequence[int]) -> Bytes:
        """The bytes of the pieces *some*, which have so many *rows* each: (all rows, bytes of a row)."""
        if self._page.compression != NONE:
            return self._by_libtiff([self._piece(number) for number in some], sum(rows))
        parts = [self._plain(number, high * self._row) for number, high in zip(some, rows, strict=True)]
        found = np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), np.uint8).reshape(-1, self._row)
        return _REVERSED[found] if self._page.one(Tag.FILL_ORDER, 1) == 2 else found

    def _plain(self, number: int, need: int) -> memoryview | bytes:
        """The bytes of a piece that is not packed, so many as it needs: what the file says of that is often wrong."""
        start = self._grid.starts[number]
        if not start and not self._grid.sizes[number]:
            return bytes(need)  # nothing was ever written there
        piece = self._data[start : start + need]
        if len(piece) < need:
            raise BrokenImage("the picture is damaged or cut short")
        return piece

    def _piece(self, number: int) -> memoryview:
        start, size = self._grid.starts[number], self._grid.sizes[number]
        self._left -= min(size, len(self._data))
        if self._left < 0:
            raise BrokenImage("the TIFF says that it is larger than its file")  # one piece many times
        return self._data[start : start + size]

    def _by_libtiff(self, pieces: Sequence[memoryview], rows: int) -> Bytes:
        """Unpack *pieces* as strips of grey bytes, which is what libtiff's unpackers see in all samples."""
        tags = {Tag.WIDTH: [self._row], Tag.HEIGHT: [rows], Tag.BITS: [8], Tag.PHOTOMETRIC: [1]}
        tags |= {Tag.COMPRESSION: [self._page.compression], Tag.ROWS_PER_STRIP: [self._grid.high]}
        tags |= {Tag.FILL_ORDER: [self._page.one(Tag.FILL_ORDER, 1)]}
        with TiffImagePlugin.TiffImageFile(io.BytesIO(_file(tags, pieces))) as picture:
            return np.asarray(picture)

    def _numbers(self, data: Bytes) -> Array:
        """The samples in *data*, (rows, bytes of a row), as (rows, width, channels)."""
        bits, channels, predictor = self._page.bits, self._grid.channels, self._page.one(Tag.PREDICTOR, 1)
        packed = self._page.compression != NONE
        if packed and predictor == 3:
            data = _float_predicted(data, channels, bits // 8)
        if bits % 8:
            return _small_numbers(data, bits)[:, : self._grid.wide * channels].reshape(len(data), -1, channels)
        order = ">" if packed and predictor == 3 else self._page.order
        kind = np.dtype(f"{order}{LETTERS[self._page.format]}{bits // 8}")
        found = np.ascontiguousarray(data).view(kind).reshape(len(data), -1, channels)
        found = found.astype(kind.newbyteorder("="), copy=False)
        if packed and predictor == 2:
            whole = found.view(f"u{bits // 8}")
            found = np.cumsum(whole, axis=1, dtype=whole.dtype).view(found.dtype)
        return found


def _small_numbers(data: Bytes, bits: int) -> Array:
    """Samples of *bits* that fill no byte or two, each row beginning at a byte."""
    count = data.shape[1] * 8 // bits
    flags = np.unpackbits(data, axis=1)[:, : count * bits]
    if bits == 1:
        return flags
    if bits < 8:
        weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint8)
        return flags.reshape(len(data), count, bits) @ weights
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    return flags.reshape(len(data), count, bits).astype(np.uint16) @ weights


def _float_predicted(data: Bytes, channels: int, size: int) -> Bytes:
    """Undo the predictor of floating-point samples, to big-endian ones: Adobe Photoshop TIFF technical note 3."""
    rows, wide = data.shape
    steps = np.cumsum(data.reshape(rows, -1, channels), axis=1, dtype=np.uint8).reshape(rows, size, wide // size)
    return np.ascontiguousarray(steps.transpose(0, 2, 1)).reshape(rows, wide)


def ycbcr(data: bytes, page: Page) -> bytes:
    """The TIFF *data* of YCbCr samples as a file that Pillow has libtiff read, which knows how to convert them."""
    grid = _grid(page, len(data))
    pieces = [memoryview(data)[at : at + size] for at, size in zip(grid.starts, grid.sizes, strict=False)]
    kept = {tag: page.tags[tag] for tag in (Tag.WIDTH, Tag.HEIGHT, *OF_YCBCR) if tag in page.tags}
    tags = {**kept, Tag.COMPRESSION: [page.compression]}
    if page.compression == NONE:
        pieces = [memoryview(zlib.compress(piece, 1)) for piece in pieces]
        tags[Tag.COMPRESSION] = [DEFLATE]
    if Tag.TILES in page.tags:
        tags |= {Tag.TILE_WIDTH: [grid.wide], Tag.TILE_HEIGHT: [grid.high]}
    else:
        tags[Tag.ROWS_PER_STRIP] = [grid.high]
    return _file(tags, pieces)


def _file(tags: Mapping[Tag, Sequence[int]], pieces: Sequence[memoryview | bytes]) -> bytes:
    """A TIFF of one page with *tags* and *pieces*, which are tiles when the tags say how large those are."""
    sizes = [len(piece) for piece in pieces]
    starts = list(itertools.accumulate(sizes[:-1], initial=8))
    if Tag.TILE_WIDTH in tags:
        tags = {**tags, Tag.TILES: starts, Tag.TILE_SIZES: sizes}
    else:
        tags = {**tags, Tag.STRIPS: starts, Tag.STRIP_SIZES: sizes}
    at = 8 + sum(sizes) + 2 + 12 * len(tags) + 4
    table, values = [], []
    for tag, numbers in sorted(tags.items()):
        wide = max(numbers) > 0xFFFF or tag in tiff.LONG
        raw = struct.pack(f"<{len(numbers)}{'I' if wide else 'H'}", *numbers)
        table.append(struct.pack("<HHI", tag, 4 if wide else 3, len(numbers)))
        if len(raw) <= 4:
            table.append(raw.ljust(4, b"\0"))
        else:
            table.append(struct.pack("<I", at))
            values.append(raw)
            at += len(raw)
    head = struct.pack("<2sHI", b"II", 42, 8 + sum(sizes))
    return b"".join([head, *pieces, struct.pack("<H", len(tags)), *table, bytes(4), *values])
