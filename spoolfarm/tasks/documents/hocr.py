"""hOCR: pages as XHTML with the places of words in its `title` attributes.

http://kba.github.io/hocr-spec/1.2/
"""

from __future__ import annotations

import math

from spoolfarm.tasks.documents.page import Box, Line, Page
from spoolfarm.tasks.documents.xml import text

#: How much of a line's height lies below its baseline.
DESCENT = 0.2
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <title>{title}</title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name="ocr-system" content="spoolfarm"/>
  <meta name="ocr-langs" content="zh en"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word"/>
 </head>
 <body>
"""


class Hocr:
    """Writes pages as hOCR."""

    def begin(self, title: str) -> str:
        return HEAD.format(title=text(title))

    def page(self, page: Page) -> str:
        number, box, dpi = page.number, (0, 0, page.width, page.height), round(page.dpi)
        size = f"; scan_res {dpi} {dpi}" if dpi else ""
        parts = [f'  <div class="ocr_page" id="page_{number}" title="{_box(box)}; ppageno {number - 1}{size}">\n']
        for b, block in enumerate(page.blocks, 1):
            parts.append(f'   <div class="ocr_carea" id="block_{number}_{b}" title="{_box(block.box)}">\n')
            for p, paragraph in enumerate(block.paragraphs, 1):
                parts.append(f'    <p class="ocr_par" id="par_{number}_{b}_{p}" title="{_box(paragraph.box)}">\n')
                parts += [_line(f"{number}_{b}_{p}_{n}", line) for n, line in enumerate(paragraph.lines, 1)]
                parts.append("    </p>\n")
            parts.append("   </div>\n")
        return "".join([*parts, "  </div>\n"])

    def end(self) -> str:
        return " </body>\n</html>\n"


def _line(name: str, line: Line) -> str:
    words = [
        f'<span class="ocrx_word" id="word_{name}_{w}" title="{_box(word.box)}; x_wconf {100 * line.score:.0f}">'
        f"{text(word.text)}</span>"
        for w, word in enumerate(line.words, 1)
    ]
    head = f'     <span class="ocr_line" id="line_{name}" title="{_box(line.box)}; {_direction(line)}">'
    return f"{head}{' '.join(words)}</span>\n"


def _direction(line: Line) -> str:
    """`textangle`, counter-clockwise, of a line that is turned; else `baseline`, its slope and how far the bottom of
    the box is below it at the left."""
    angle = -line.angle % 360
    if 45 <= angle <= 315:
        return f"textangle {angle:.0f}"
    (_, top), _, _, (_, bottom) = line.corners
    below = bottom - DESCENT * (bottom - top) - line.box[3]
    return f"baseline {math.tan(math.radians(line.angle)) + 0.0:.3f} {below:.0f}".replace(" -0.000", " 0.000")


def _box(box: Box) -> str:
    return "bbox {} {} {} {}".format(*box)
