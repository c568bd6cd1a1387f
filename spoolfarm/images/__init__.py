"""Pictures: base64 in the client's own way to bytes, a size check that reads only the header, and the one decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spoolfarm.images.base64_text import from_base64
from spoolfarm.images.formats import MAGIC, is_pdf, media_type, sniff
from spoolfarm.images.given import encoded, given
from spoolfarm.images.header import MAX_SIDE, Header, look, opened
from spoolfarm.images.orientation import ORIENTATION, UNREADABLE
from spoolfarm.images.reading import Decoded, check, decode, read, several_pages

if TYPE_CHECKING:
    from spoolfarm.images.given import Picture as Picture
    from spoolfarm.images.raster import Array as Array

__all__ = [
    "MAGIC",
    "MAX_SIDE",
    "ORIENTATION",
    "UNREADABLE",
    "Decoded",
    "Header",
    "check",
    "decode",
    "encoded",
    "from_base64",
    "given",
    "is_pdf",
    "look",
    "media_type",
    "opened",
    "read",
    "several_pages",
    "sniff",
]
