"""The files that what was read becomes: each is valid in its own way, and says the same."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from lxml import etree

from benchmarks import pages
from spoolfarm.tasks.documents import page as typed
from spoolfarm.tasks.documents.outputs import NAMES, WRITERS, Outputs
from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line, Page, Word
from spoolfarm.tasks.ocr.reader import Reader
from spoolfarm.tasks.ocr.task import Output

ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"
XHTML = "{http://www.w3.org/1999/xhtml}"
#: What of ALTO 4 the farm writes: the elements in their order, and every attribute with its type.
GRAMMAR = """<grammar xmlns="http://relaxng.org/ns/structure/1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 ns="http://www.loc.gov/standards/alto/ns-v4#"
 datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
<start><element name="alto">
 <attribute name="xsi:schemaLocation" ns="http://www.w3.org/2001/XMLSchema-instance"/>
 <element name="Description">
  <element name="MeasurementUnit"><value>pixel</value></element>
  <element name="sourceImageInformation"><element name="fileName"><text/></element></element>
  <element name="Processing"><attribute name="ID" ns=""><data type="ID"/></attribute>
   <element name="processingStepDescription"><text/></element>
   <element name="processingSoftware"><element name="softwareName"><text/></element></element>
  </element>
 </element>
 <element name="Layout"><oneOrMore><element name="Page">
  <attribute name="ID" ns=""><data type="ID"/></attribute>
  <attribute name="PHYSICAL_IMG_NR" ns=""><data type="float"/></attribute>
  <attribute name="WIDTH" ns=""><data type="float"/></attribute>
  <attribute name="HEIGHT" ns=""><data type="float"/></attribute>
  <element name="PrintSpace"><ref name="place"/>
   <zeroOrMore><element name="ComposedBlock"><attribute name="ID" ns=""><data type="ID"/></attribute><ref name="place"/>
    <oneOrMore><element name="TextBlock"><attribute name="ID" ns=""><data type="ID"/></attribute><ref name="place"/>
     <optional><attribute name="ROTATION" ns=""><data type="float"/></attribute></optional>
     <oneOrMore><element name="TextLine"><attribute name="ID" ns=""><data type="ID"/></attribute><ref name="place"/>
      <element name="Shape"><element name="Polygon"><attribute name="POINTS" ns=""/></element></element>
      <oneOrMore><element name="String"><attribute name="ID" ns=""><data type="ID"/></attribute><ref name="place"/>
       <attribute name="WC" ns=""><data type="float"><param name="minInclusive">0</param>
        <param name="maxInclusive">1</param></data></attribute>
       <attribute name="CONTENT" ns=""/>
      </element>
      <optional><element name="SP"><attribute name="HPOS" ns=""><data type="float"/></attribute>
       <attribute name="VPOS" ns=""><data type="float"/></attribute>
       <attribute name="WIDTH" ns=""><data type="float"/></attribute></element></optional></oneOrMore>
     </element></oneOrMore>
    </element></oneOrMore>
   </element></zeroOrMore>
  </element>
 </element></oneOrMore></element>
</element></start>
<define name="place"><attribute name="HPOS" ns=""><data type="float"/></attribute>
 <attribute name="VPOS" ns=""><data type="float"/></attribute>
 <attribute name="WIDTH" ns=""><data type="float"/></attribute>
 <attribute name="HEIGHT" ns=""><data type="float"/></attribute></define>
</grammar>"""
#: What stands in what, in hOCR.
INSIDE = {"ocr_page": None, "ocr_carea": "ocr_page", "ocr_par": "ocr_carea", "ocr_line": "ocr_par"}
INSIDE |= {"ocrx_word": "ocr_line"}


def line(text: str, box: Box, *words: str) -> Line:
    parts = words or text.split(" ")
    share = 1 / len(parts)
    found = tuple(Word(part, number * share, (number + 0.9) * share) for number, part in enumerate(parts))
    return Line(box, text, 0.987, 0.8, words=found)


def record(*lines: Line, width: int = 600, height: int = 400, rotation: int = 0) -> dict[str, Any]:
    placed, text = layout.arrange(lines, rotation, "auto")
    return Page(width, height, rotation, placed, text, {}).record()


NASTY = record(
    line('Tom & "Jerry" <b>', Box(150, 50, 240, 30, 0)),
    line("第二行 with\ttab", Box(150, 90, 240, 30, 0), "第二行", "with", "tab"),
    line("control\x01 and half \ud800", Box(150, 130, 240, 30, 0.8)),
    line("off the page", Box(590, 395, 200, 30, -2)),
    line("downwards", Box(550, 220, 60, 30, 90)),
    line("over", Box(300, 300, 90, 30, 180)),
)
UNREAD = {"error": "damaged", "code": "broken_image"}
EMPTY = record()


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    """Every text output of a document of four pages."""
    with Outputs(tmp_path, WRITERS, "a <book> & more") as outputs:
        for number, each in enumerate((NASTY, UNREAD, EMPTY, NASTY), start=1):
            outputs.add(typed.Page.of(number, each))
    return {name: path.read_bytes().decode() for name, path in outputs.paths.items()}


def test_the_task_takes_the_outputs_there_are() -> None:
    assert get_args(Output) == tuple(NAMES)
    assert set(WRITERS) == set(NAMES) - {"pdf", "xlsx"}


def test_the_text_has_a_form_feed_behind_each_page(written: dict[str, str]) -> None:
    found = written["document.txt"].split("\f")
    assert len(found) == 5
    assert found[0].startswith('Tom & "Jerry" <b>\n')
    assert found[1:3] == ["", ""]
    assert found[0] == found[3]


def test_the_json_is_every_record(written: dict[str, str]) -> None:
    said = json.loads(written["document.json"])
    assert said["title"] == "a <book> & more"
    assert [page["page"] for page in said["pages"]] == [1, 2, 3, 4]
    assert said["pages"][1] == {"page": 2, **UNREAD}
    assert {"page": 4, **json.loads(json.dumps(NASTY).replace("\\ud800", "?"))} == said["pages"][3]


def test_the_tsv_has_its_columns_in_every_row(written: dict[str, str]) -> None:
    rows = [row.split("\t") for row in written["document.tsv"].splitlines()]
    assert {len(row) for row in rows} == {12}
    assert [row[1] for row in rows[1:] if row[0] == "1"] == ["1", "2", "3", "4"]
    words = [row for row in rows if row[0] == "5" and row[1] == "1"]
    assert "第二行" in [row[11] for row in words]
    assert all(int(row[6]) >= 0 and int(row[6]) + int(row[8]) <= 600 for row in words)
    assert {row[10] for row in words} == {"98.70"}


def boxes(tree: etree._Element) -> list[tuple[str, list[int]]]:
    return [
        (node.get("class"), [int(part) for part in re.findall(r"bbox (\d+) (\d+) (\d+) (\d+)", node.get("title"))[0]])
        for node in tree.iter()
        if isinstance(node.tag, str) and node.get("title")
    ]


def test_hocr_is_xhtml_whose_boxes_lie_in_each_other(written: dict[str, str]) -> None:
    tree = etree.fromstring(written["document.hocr.html"].encode())
    told = {node.get("name"): node.get("content") for node in tree.iter(f"{XHTML}meta")}
    assert told["ocr-capabilities"].split() == list(INSIDE)
    ids = [node.get("id") for node in tree.iter() if isinstance(node.tag, str) and node.get("id")]
    assert len(ids) == len(set(ids))
    for node in tree.iter(f"{XHTML}div", f"{XHTML}p", f"{XHTML}span"):
        parent = node.getparent()
        assert parent is not None
        assert parent.get("class") == INSIDE[node.get("class")]
        [(_, (left, top, right, bottom))] = boxes(node)[:1]
        if node.get("class") != "ocr_page":
            assert left < right
            assert top < bottom
            [(_, around)] = boxes(parent)[:1]
            assert around[0] <= left
            assert around[1] <= top
            assert right <= around[2]
            assert bottom <= around[3]
    titles = [node.get("title") for node in tree.iter(f"{XHTML}span") if node.get("class") == "ocr_line"]
    assert any("textangle 270" in title for title in titles), "text that runs down"
    assert any("textangle 180" in title for title in titles)
    assert any(re.search(r"baseline 0\.014 -\d+$", title) for title in titles)
    assert [node.get("title") for node in tree.iter(f"{XHTML}div") if node.get("id") == "page_2"] == [
        "bbox 0 0 0 0; ppageno 1"
    ]


def test_alto_keeps_to_its_schema(written: dict[str, str]) -> None:
    tree = etree.fromstring(written["document.alto.xml"].encode())
    grammar = etree.RelaxNG(etree.fromstring(GRAMMAR.encode()))
    grammar.assertValid(tree)
    content = [node.get("CONTENT") for node in tree.iter(f"{ALTO}String")]
    assert '"Jerry"' in content
    assert "第二行" in content
    for text_line in tree.iter(f"{ALTO}TextLine"):
        kinds = [node.tag.removeprefix(ALTO) for node in text_line[1:]]
        assert kinds[::2] == ["String"] * len(kinds[::2])
        assert kinds[1::2] == ["SP"] * len(kinds[1::2])
    assert {node.get("ROTATION") for node in tree.iter(f"{ALTO}TextBlock")} == {None, "270", "180"}


def test_hocr_and_alto_say_the_same(written: dict[str, str]) -> None:
    hocr = etree.fromstring(written["document.hocr.html"].encode())
    alto = etree.fromstring(written["document.alto.xml"].encode())
    words = [node.text for node in hocr.iter(f"{XHTML}span") if node.get("class") == "ocrx_word"]
    assert words == [node.get("CONTENT") for node in alto.iter(f"{ALTO}String")]


# Words and paragraphs, as they are read.


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def test_words_lie_one_behind_the_other_and_where_they_are_seen(reader: Reader) -> None:
    sheet = pages.Sheet(900, 200)
    face = pages.font("DejaVu Sans", 32)
    text = "a narrow gap and WIDE   words (too)"
    sheet.write(40, 60, text, face)
    [found] = reader.read(sheet.page("words").picture).lines
    assert [word.text for word in found.words] == text.split()
    left = found.box.corners()[0][0]
    for word in found.words:
        seen = 40 + face.getlength(text[: text.index(word.text)])
        assert abs(left + word.start * found.box.w - seen) < 24, word
    for before, after in pairwise(found.words):
        assert before.start < before.end < after.start


@pytest.mark.parametrize("gap", ["indent", "blank", "short"])
def test_paragraphs_are_told_apart(reader: Reader, gap: str) -> None:
    sheet = pages.Sheet(1000, 700)
    face = pages.font("DejaVu Serif", 26)
    y = 60.0
    for number in range(3):
        sentences = " ".join(pages.ENGLISH[number * 3 : number * 3 + 3])
        indent = 60 if gap == "indent" else 0
        first = pages.wrapped(sentences, 800 - indent, face)[0]
        rows = [first, *pages.wrapped(sentences.removeprefix(first).strip(), 800, face)]
        for index, row in enumerate(rows):
            sheet.write(80 if index else 80 + indent, y, row, face)
            y += 39
        y += 30 if gap == "blank" else 0
    record = reader.read(sheet.page("paragraphs").picture).record()
    said = [" ".join(record["lines"][index]["text"] for index in group) for group in record["paragraphs"]]
    assert [part.replace(" ", "") for part in said] == [
        "".join(pages.ENGLISH[number * 3 : number * 3 + 3]).replace(" ", "") for number in range(3)
    ]
