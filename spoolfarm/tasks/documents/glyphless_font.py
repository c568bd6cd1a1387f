"""The font of invisible text: every character there is, and nothing to be seen of any.

A character's number in the font is its UTF-16 unit; characters beyond the first plane, which have two units, get a
number from among the units that stand for nothing by themselves. ISO 32000-1, 9.7 and 9.10.
"""

from __future__ import annotations

import struct

import pikepdf
from pikepdf import Array, Dictionary, Name

#: Widths in thousandths of the font's size: of what comes before CJK in Unicode, and of the rest.
NARROW, WIDE = 500, 1000
#: Where the wide characters begin.
FIRST_WIDE = 0x2E80
#: Units that are only halves of characters.
HALVES = range(0xD800, 0xE000)
#: A glyph's units to the em, and how far letters reach above and below the baseline.
EM, ASCENT, DESCENT = 1000, 800, -200


class Font:
    """The font of one PDF."""

    def __init__(self) -> None:
        #: The numbers of characters beyond the first plane.
        self._beyond: dict[str, int] = {}

    def encode(self, text: str) -> bytes:
        """*text* as the numbers of its characters, two bytes each; what cannot be numbered is left out."""
        return b"".join(struct.pack(">H", number) for number in map(self._number, text) if number is not None)

    @staticmethod
    def width(text: str) -> float:
        """The length of *text* in a font of size 1."""
        return sum(WIDE if ord(each) >= FIRST_WIDE else NARROW for each in text) / 1000

    def build(self, pdf: pikepdf.Pdf) -> pikepdf.Object:
        """Add the font to *pdf*. Call this when all text has been encoded."""
        file = pdf.make_stream(program(), Length1=len(program()))
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=Name.GlyphlessFont,
            Flags=5,
            FontBBox=Array([0, DESCENT, EM, ASCENT]),
            ItalicAngle=0,
            Ascent=ASCENT,
            Descent=DESCENT,
            CapHeight=ASCENT,
            StemV=80,
            FontFile2=file,
        )
        glyphs = b"".join(struct.pack(">H", 1 + (number >= FIRST_WIDE)) for number in range(0x10000))
        inner = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=Name.GlyphlessFont,
            CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
            FontDescriptor=pdf.make_indirect(descriptor),
            DW=WIDE,
            W=Array([0, FIRST_WIDE - 1, NARROW]),
            CIDToGIDMap=pdf.make_stream(glyphs),
        )
        outer = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name.GlyphlessFont,
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(inner)]),
            ToUnicode=pdf.make_stream(self._to_unicode()),
        )
        return pdf.make_indirect(outer)

    def _number(self, character: str) -> int | None:
        if (code := ord(character)) < 0x10000:
            return None if code in HALVES else code
        if character not in self._beyond and len(self._beyond) < len(HALVES):
            self._beyond[character] = HALVES[len(self._beyond)]
        return self._beyond.get(character)

    def _to_unicode(self) -> bytes:
        """The map from numbers to text: a range for each high byte, as none may go beyond it."""
        ranges = [f"<{high:02X}00> <{high:02X}FF> <{high:02X}00>" for high in range(256) if high << 8 not in HALVES]
        single = [f"<{number:04X}> <{each.encode('utf-16-be').hex()}>" for each, number in self._beyond.items()]
        lines = [*_sections("bfrange", ranges), *_sections("bfchar", single)]
        return _TO_UNICODE % "\n".join(lines).encode()


def _sections(kind: str, lines: list[str]) -> list[str]:
    """*lines* in sections of at most 100, as a CMap wants them."""
    found = []
    for start in range(0, len(lines), 100):
        part = lines[start : start + 100]
        found += [f"{len(part)} begin{kind}", *part, f"end{kind}"]
    return found


_TO_UNICODE = b"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
%s
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


def program() -> bytes:
    """A TrueType font of three glyphs: for nothing, for narrow and for wide characters.

    It has the tables that ISO 32000-1, 9.9 asks for. The glyphs are strokes without breadth from corner to corner:
    there is nothing to see, but a viewer that measures letters by their outlines finds how large they are.
    """
    widths = (WIDE, NARROW, WIDE)
    glyphs = [b"", *map(_stroke, widths[1:])]
    ends = [sum(map(len, glyphs[:count])) // 2 for count in range(len(glyphs) + 1)]
    box = (0, DESCENT, EM, ASCENT)
    tables = {
        b"glyf": b"".join(glyphs),
        b"head": struct.pack(">IIIIHHqqhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, EM, 0, 0, *box, 0, 8, 2, 0, 0),
        b"hhea": struct.pack(">I3hH11hH", 0x10000, ASCENT, DESCENT, 0, WIDE, 0, 0, EM, 1, *bytes(7), len(widths)),
        b"hmtx": b"".join(struct.pack(">Hh", width, 0) for width in widths),
        b"loca": struct.pack(f">{len(ends)}H", *ends),
        b"maxp": struct.pack(">IH13H", 0x10000, len(widths), 2, 1, 0, 0, 1, *bytes(8)),
    }
    directory, body = [], b""
    start = 12 + 16 * len(tables)
    for tag, data in sorted(tables.items()):
        padded = data.ljust(-(-len(data) // 4) * 4, b"\0")
        directory.append(tag + struct.pack(">III", _checksum(padded), start + len(body), len(data)))
        body += padded
    font = struct.pack(">IHHHH", 0x10000, len(tables), 64, 2, 32) + b"".join(directory) + body
    adjusted = (0xB1B0AFBA - _checksum(font)) % 2**32
    head = start + body.index(tables[b"head"]) + 8
    return font[:head] + struct.pack(">I", adjusted) + font[head + 4 :]


def _stroke(width: int) -> bytes:
    """A glyph of one contour that goes from the lower left corner to the upper right one and back."""
    height = ASCENT - DESCENT
    return struct.pack(">5hHH2B4h", 1, 0, DESCENT, width, ASCENT, 1, 0, 1, 1, 0, width, DESCENT, height)


def _checksum(data: bytes) -> int:
    return int(sum(struct.unpack(f">{len(data) // 4}I", data)) % 2**32)
