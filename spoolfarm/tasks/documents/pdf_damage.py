"""The damage: what a page lacks in a PDF that was cut short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream

from spoolfarm.errors import BrokenImage

#: What content draws by name, and the fonts that it writes with.
_DRAWN = re.compile(rb"/([^\s/()<>\[\]{}%]+)\s+Do\b")
_WRITTEN = re.compile(rb"/([^\s/()<>\[\]{}%]+)\s+[-+.\d]+\s+Tf\b")
#: How deep forms within forms are searched.
DEPTH = 12


def is_rebuilt(pdf: pikepdf.Pdf) -> bool:
    """Whether the table of the objects of *pdf*, just opened, was lost, as it is when the end of a file is."""
    return any("reconstruct" in str(warning) for warning in pdf.get_warnings())


def check(page: pikepdf.Page) -> None:
    """Raise BrokenImage when *page* lacks something that it shows."""
    contents = page.obj.get(Name.Contents)
    pieces = contents.as_list() if isinstance(contents, Array) else [contents]
    streams = [each for each in pieces if isinstance(each, Stream)]
    if not streams or len(streams) < len(pieces):
        raise BrokenImage("its content is lost")
    for lost in _lost(b"\n".join(map(_data, streams)), page.resources, set()):
        raise BrokenImage(f"{lost} on it is lost")


def _lost(content: bytes, resources: Any, seen: set[tuple[int, int]]) -> Iterator[str]:
    """What of *content* is not there, in words."""
    if any(_get(_get(resources, Name.Font), name) is None for name in _names(_WRITTEN, content)):
        yield "a font"
    for name in _names(_DRAWN, content):
        found = _get(_get(resources, Name.XObject), name)
        if not isinstance(found, Stream) or not found.read_raw_bytes():
            yield "a picture"
        elif found.get(Name.Subtype) == Name.Form and found.objgen not in seen and len(seen) < DEPTH:
            seen.add(found.objgen)
            yield from _lost(_data(found), found.get(Name.Resources, resources), seen)


def _names(pattern: re.Pattern[bytes], content: bytes) -> set[str]:
    return {"/" + name.decode("latin-1") for name in pattern.findall(content) if b"#" not in name}


def _data(stream: Stream) -> bytes:
    try:
        return bytes(stream.read_bytes())
    except pikepdf.PdfError as error:
        raise BrokenImage("its content is damaged") from error


def _get(found: Any, key: Any) -> Any:
    return found.get(key) if isinstance(found, (Dictionary, Stream)) else None
