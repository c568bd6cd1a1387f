"""ALTO 4: pages as the XML of libraries and archives.

https://www.loc.gov/standards/alto/
"""

from __future__ import annotations

from itertools import pairwise

from spoolfarm.tasks.documents.page import Box, Line, Page
from spoolfarm.tasks.documents.xml import attribute, text

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-4.xsd">
 <Description>
  <MeasurementUnit>pixel</MeasurementUnit>
  <sourceImageInformation><fileName>{title}</fileName></sourceImageInformation>
  <Processing ID="ocr">
   <processingStepDescription>text recognition</processingStepDescription>
   <processingSoftware><softwareName>spoolfarm</softwareName></processingSoftware>
  </Processing>
 </Description>
 <Layout>
"""


class Alto:
    """Writes pages as ALTO: a block for each paragraph, within one for each column."""

    def begin(self, title: str) -> str:
        return HEAD.format(title=text(title))

    def page(self, page: Page) -> str:
        number, size = page.number, f'WIDTH="{page.width}" HEIGHT="{page.height}"'
        parts = [
            f'  <Page ID="page_{number}" PHYSICAL_IMG_NR="{number}" {size}>\n',
            f"   <PrintSpace {_box((0, 0, page.width, page.height))}>\n",
        ]
        for b, block in enumerate(page.blocks, 1):
            parts.append(f'    <ComposedBlock ID="block_{number}_{b}" {_box(block.box)}>\n')
            for p, paragraph in enumerate(block.paragraphs, 1):
                turn = round(-paragraph.lines[0].angle / 90) * 90 % 360  # counter-clockwise
                turned = f' ROTATION="{turn}"' if turn else ""
                parts.append(f'     <TextBlock ID="par_{number}_{b}_{p}" {_box(paragraph.box)}{turned}>\n')
                parts += [_line(f"{number}_{b}_{p}_{n}", line) for n, line in enumerate(paragraph.lines, 1)]
                parts.append("     </TextBlock>\n")
            parts.append("    </ComposedBlock>\n")
        return "".join([*parts, "   </PrintSpace>\n  </Page>\n"])

    def end(self) -> str:
        return " </Layout>\n</alto>\n"


def _line(name: str, line: Line) -> str:
    """One line, with the polygon of what it really covers."""
    outline = " ".join(f"{x:.0f},{y:.0f}" for x, y in line.corners)
    words = [
        f'<String ID="word_{name}_{w}" {_box(word.box)} WC="{line.score:.3f}" CONTENT="{attribute(word.text)}"/>'
        for w, word in enumerate(line.words, 1)
    ]
    blanks = [
        f'<SP HPOS="{before.box[2]}" VPOS="{before.box[1]}" WIDTH="{max(after.box[0] - before.box[2], 0)}"/>'
        for before, after in pairwise(line.words)
    ]
    inner = "".join(word + blank for word, blank in zip(words, [*blanks, ""], strict=True))
    shape = f'<Shape><Polygon POINTS="{outline}"/></Shape>'
    return f'      <TextLine ID="line_{name}" {_box(line.box)}>{shape}{inner}</TextLine>\n'


def _box(box: Box) -> str:
    left, top, right, bottom = box
    return f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'
