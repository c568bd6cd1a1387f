"""The page's cost: what drawing a page of a PDF would take, counted before anything is drawn.

A file of a few KiB can ask for gigabytes: its streams inflate a thousandfold, twice if they were deflated twice, and a
form that draws a form ten times, which draws another ten times, is drawn a billion times.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream

from spoolfarm.errors import TooLarge

#: What a page may cost, and what a stream may inflate to, in bytes of content. The renderer takes about five bytes of
#: memory and 35 ns for each.
MOST = 2**27
#: Content of more bytes is neither searched for what it needs nor rewritten: that costs a hundred times as much.
LARGE = 2**22
#: What drawing a form costs beside its content, and how many bytes of a picture's pixels cost as much as one.
FORM, PIXELS = 512, 32
#: How deep forms are drawn within forms; the renderer stops there, too.
DEPTH = 40
#: Streams that are looked at.
MOST_STREAMS = 100_000
#: Bytes of a damaged stream that are inflated at once: what comes before the damage is not lost then.
PIECE = 2**10
#: What is said of a page that inflates to more.
INFLATES = "its content inflates to more than can be drawn"

_NAME = re.compile(rb"/([^\s\0/()<>\[\]{}%]+)")
_HEX = re.compile(rb"#([0-9A-Fa-f]{2})")


@dataclass
class Drawn:
    """A page, a form or a pattern: what it costs by itself, and how often it draws each of the others."""

    cost: int = 0
    draws: Counter[int] = field(default_factory=Counter)


class PageCost:
    """What drawing *page* costs, in `total`. Raises TooLarge above MOST bytes of content, and PdfError."""

    def __init__(self, page: pikepdf.Page) -> None:
        self._page = page.resources
        #: The page, and then all that is drawn on it.
        self._drawn = [Drawn()]
        #: The number of a form, by its object and the number of the one whose resources it has.
        self._numbers: dict[tuple[tuple[int, int], int], int] = {}
        #: Forms that are still to be looked at: number, stream, resources, and the number of the one that these are of.
        self._left: list[tuple[int, Stream, Any, int]] = []
        #: Bytes of content, and whether some of it is damaged.
        self.read = 0
        self.damaged = False
        content = b"\n".join(self._content(each) for each in _streams(page.obj.get(Name.Contents)))
        self._look(0, content, self._page, 0)
        for note in page.obj.get(Name.Annots, ()):
            for form in _appearances(note):
                self._drawn[0].draws[self._number(form, self._page, 0)] += 1
        while self._left:
            number, form, resources, owner = self._left.pop()
            self._look(number, self._content(form), resources, owner)
        self.total = self._sum()

    def _content(self, stream: Stream) -> bytes:
        """The content in *stream*, inflated."""
        try:
            data = bytes(stream.read_bytes())
        except pikepdf.DataDecodingError as error:
            if "limit" in str(error):
                raise TooLarge(INFLATES) from error
            data = _salvaged(stream)
            self.damaged = True
        self.read += len(data)
        if self.read > MOST or len(self._drawn) > MOST_STREAMS:
            raise TooLarge(INFLATES)
        return data

    def _look(self, number: int, content: bytes, resources: Any, owner: int) -> None:
        """Note what *content* draws; its *resources* are those of number *owner*."""
        drawn = self._drawn[number]
        drawn.cost = len(content)
        for name, times in Counter(map(_plain, _NAME.findall(content))).items():
            for found in self._found(name, resources):
                if found.get(Name.Subtype) == Name.Image:
                    drawn.cost += times * _pixel_bytes(found) // PIXELS
                else:
                    drawn.draws[self._number(found, resources, owner)] += times

    def _found(self, name: str, resources: Any) -> Iterator[Stream]:
        """The streams that content draws under *name*: pictures, forms, patterns, masks, letters."""
        for kind in (Name.XObject, Name.Pattern, Name.ExtGState, Name.Font):
            found = _get(_get(resources, kind), name)
            if found is None:
                found = _get(_get(self._page, kind), name)
            if isinstance(found, Stream):
                yield found
            mask = _get(_get(found, Name.SMask), Name.G)
            if isinstance(mask, Stream):
                yield mask
            yield from _values(_get(found, Name.CharProcs))

    def _number(self, form: Stream, above: Any, owner: int) -> int:
        """The number of a *form*, which without resources of its own has those *above*, of number *owner*."""
        own = form.get(Name.Resources)
        key = form.objgen, 0 if own is not None else owner
        if key not in self._numbers:
            number = self._numbers[key] = len(self._drawn)
            self._drawn.append(Drawn())
            self._left.append((number, form, above, owner) if own is None else (number, form, own, number))
        return self._numbers[key]

    def _sum(self) -> int:
        """What the page costs with all that it draws, level by level, so that forms may draw themselves."""
        before: list[int] = []
        total = [each.cost for each in self._drawn]
        for _ in range(DEPTH):
            if total == before or total[0] > MOST:
                break
            before = total
            total = [
                min(MOST + 1, each.cost + sum(times * (FORM + before[index]) for index, times in each.draws.items()))
                for each in self._drawn
            ]
        return total[0]


def check(page: pikepdf.Page) -> PageCost:
    """What *page* costs. Raises TooLarge when it is more than can be drawn, PdfError when it is damaged."""
    found = PageCost(page)
    if found.total > MOST:
        raise TooLarge("it draws more than can be drawn: forms within forms, or too many large pictures")
    return found


def _salvaged(stream: Stream) -> bytes:
    """What a renderer would find in a damaged stream: all before the damage."""
    data = bytes(stream.read_raw_bytes())
    filters = stream.get(Name.Filter, Array())
    for each in filters if isinstance(filters, Array) else (filters,):
        if each not in (Name.FlateDecode, Name.Fl):
            break
        inflater, found = zlib.decompressobj(), bytearray()
        with suppress(zlib.error):
            for begin in range(0, len(data), PIECE):
                found += inflater.decompress(data[begin : begin + PIECE], MOST)
                if len(found) >= MOST:
                    raise TooLarge(INFLATES)
        data = bytes(found)
    return data


def _plain(name: bytes) -> str:
    """A name as resources have it."""
    return "/" + _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), name).decode("latin-1")


def _streams(content: Any) -> Iterator[Stream]:
    for each in content if isinstance(content, Array) else (content,):
        if isinstance(each, Stream):
            yield each


def _values(found: Any) -> Iterator[Stream]:
    yield from _streams(Array(found.values()) if isinstance(found, Dictionary) else None)


def _appearances(note: Any) -> Iterator[Stream]:
    """What an annotation looks like: one form, or one for each of its states."""
    normal = _get(_get(note, Name.AP), Name.N)
    return _streams(normal) if isinstance(normal, Stream) else _values(normal)


def _pixel_bytes(picture: Stream) -> int:
    """The bytes of a picture's pixels, in three colours."""
    width, height, bits = (picture.get(name, 8) for name in (Name.Width, Name.Height, Name.BitsPerComponent))
    return abs(int(width) * int(height) * int(bits)) * 3 // 8


def _get(found: Any, key: Any) -> Any:
    return found.get(key) if isinstance(found, (Dictionary, Stream)) else None
