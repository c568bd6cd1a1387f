"""The reader: from a picture to a page, the detector, the recogniser and the layout in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from spoolfarm.errors import JobFailed, NotInstalled
from spoolfarm.tasks import areas
from spoolfarm.tasks.ocr import layout, legible, light, models, script, turn
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import Detector, TextBox
from spoolfarm.tasks.ocr.finder import THICK, Finder, Found
from spoolfarm.tasks.ocr.page import Line, Page
from spoolfarm.tasks.ocr.pair import Pair, pays
from spoolfarm.tasks.ocr.readings import Readings
from spoolfarm.tasks.ocr.recogniser import Recogniser, cut
from spoolfarm.tasks.ocr.sheet import BENT, Sheet
from spoolfarm.tasks.ocr.tables import find as find_tables
from spoolfarm.tasks.ocr.tesseract import LATIN, Tesseract, WithLatin, installed, known

Picture = np.ndarray[Any, np.dtype[np.uint8]]
Polygon = Sequence[Sequence[float]]
Quality = Literal["fast", "normal", "best"]


class Reader:
    """Reads pages, one at a time, keeping at most *threads* threads busy."""

    def __init__(self, threads: int = 1) -> None:
        self._finder = Finder(Detector(threads))
        self._quick_finder = Finder(Detector(threads, models.QUICK_DETECTOR))
        self._recogniser = Recogniser(threads)
        self._quick_recogniser = Recogniser(threads, models.QUICK_RECOGNISER)
        self._threads = threads

    def read(
        self,
        picture: Picture,
        *,
        rotate: bool = True,
        side: int | None = None,
        min_score: float = 0.5,
        order: str = "auto",
        join: bool = False,
        tables: bool = False,
        lang: str = "",
        quality: Quality = "normal",
        regions: Sequence[Polygon] = (),
        ignore: Sequence[Polygon] = (),
    ) -> Page:
        """Read *picture*, (height, width, 3) uint8 in BGR order.

        Without *rotate* all text is taken to be upright. *side* is what the longer side is shrunk to for finding
        lines; without it, what suits the letters. Lines below *min_score* are dropped, as are those whose centre lies
        in none of *regions* or in one of *ignore*, polygons in the picture's pixels. *order* and *join* are explained
        at `layout.arrange`. With *tables*, these are told too. Text in *lang*, Tesseract's codes joined by +, is read
        by Tesseract where the recogniser inside does not know them. Raises NotInstalled when that is not there.
        Without *lang*, a page in a script that is not known is read in the languages of it that are there. In *quality*
        "best" the large networks read all; in "normal" a small one reads what it is sure of; in "fast" a small one
        finds lines too.
        """
        finder = self._quick_finder if quality == "fast" else self._finder
        start = time.perf_counter()
        seen = finder.find(picture, side)
        bright = light.brightened(picture, seen.boxes)
        if bright is not None:
            picture, seen = bright, finder.find(bright, side)
        sheet = None
        if seen.slopes.bend > BENT:
            sheet, seen = flattened(picture, seen, side, finder)
        flat = sheet.picture if sheet else picture

        def is_wanted(box: Box) -> bool:
            return wanted(sheet.bent(box) if sheet else box, regions, ignore)

        middle = time.perf_counter()
        readings = Readings(flat, self._knowing(lang, quality, seen.boxes))
        lines, rotation = read_lines(readings, seen, rotate, is_wanted, finder)
        if side is None and seen.scale < 1 and (scale := legible.nearer(lines, seen.scale)):
            closer = finder.at(flat, scale)
            more, turned = read_lines(readings, closer, rotate, is_wanted, finder)
            if legible.surety(more) > legible.surety(lines):
                seen, lines, rotation = closer, more, turned
        warnings, found = legible.warnings(lines, seen.scale), ""
        if not lang and script.is_strange(lines):
            warnings = (script.advice(lines),)
            other = self._in_other_script(
                readings, lines, lambda them: read_lines(them, seen, rotate, is_wanted, finder)
            )
            if other:
                lines, rotation, found = other
                warnings = legible.warnings(lines, seen.scale)
        kept = [line for line in lines if line.text.strip() and line.score >= min_score]
        end = time.perf_counter()
        placed, text = layout.arrange(kept, rotation, order, join, flat)
        height, width = picture.shape[:2]
        ms = {"detect": (middle - start) * 1000, "recognise": (end - middle) * 1000}
        told = tuple(find_tables(flat, placed, rotation)) if tables else None
        page = Page(width, height, rotation, placed, text, ms, warnings, told, found)
        return page.moved(sheet.bent, sheet.point) if sheet else page

    @staticmethod
    def place(
        lines: Sequence[Line],
        size: tuple[int, int],
        rotation: int,
        *,
        order: str = "auto",
        join: bool = False,
        regions: Sequence[Polygon] = (),
        ignore: Sequence[Polygon] = (),
        tables_of: Picture | None = None,
    ) -> Page:
        """The page of *size*, width and height, with *lines* in order; `read` explains the rest.

        *rotation* is the clockwise turn in degrees that most of its text has. With *tables_of*, a picture of the page,
        its tables are told.
        """
        kept = [line for line in lines if wanted(line.box, regions, ignore)]
        placed, text = layout.arrange(kept, rotation, order, join)
        tables = None if tables_of is None else tuple(find_tables(tables_of, placed, rotation))
        return Page(*size, rotation, placed, text, {}, tables=tables)

    def line(self, picture: Picture, box: Box) -> tuple[str, float]:
        """What the line in *box* says, and how sure that is, 0 to 1."""
        text, score, _ = self._recogniser.read(cut(picture, box))
        return text, score

    def knows(self, text: str) -> bool:
        """Whether all letters of *text* are among those that can be read."""
        return self._recogniser.knows(text)

    def _in_other_script(
        self, readings: Readings, inside: Sequence[Line], read: Callable[[Readings], tuple[list[Line], int]]
    ) -> tuple[list[Line], int, str] | None:
        """*read* a page anew in the script that a sample of it tells; None when there is none that Tesseract can read.

        Returns the lines, the page's turn, and the languages, codes joined by +. *inside* is what was read before.
        """
        there = installed()
        if not (all_scripts := script.samples(there)):
            return None
        lines = [readings.cut(line)[:, : script.SAMPLE_LENGTH] for line in script.sample(inside)]
        upside_down = [np.ascontiguousarray(line[::-1, ::-1]) for line in lines]
        try:
            said = Tesseract(all_scripts, self._threads).read_all([*lines, *upside_down])
            name = script.told((said[: len(lines)], said[len(lines) :]))
            if name is None:
                return None
            kind = WithLatin if LATIN in there and script.has_latin(inside) else Tesseract
            tesseract = kind(script.languages(name, there), self._threads)
            again, rotation = read(Readings(readings.picture, tesseract, readings))
        except (JobFailed, NotInstalled):
            return None  # nobody asked for Tesseract
        return (again, rotation, tesseract.languages) if script.is_right(name, again, inside) else None

    def _knowing(self, lang: str, quality: Quality, found: Sequence[TextBox]) -> Recogniser | Pair | Tesseract:
        """What reads a page in *lang* on which so much was *found*."""
        if lang and not known(lang):
            return Tesseract(lang, self._threads)
        if quality == "best" or (quality == "normal" and not pays(one.box for one in found)):
            return self._recogniser
        return Pair(self._quick_recogniser, self._recogniser, haste=quality == "fast")


def flattened(picture: Picture, seen: Found, side: int | None, finder: Finder) -> tuple[Sheet, Found]:
    """Lay a bent page flat, and find its lines anew."""
    scale = seen.scale if side else max(seen.scale, THICK / seen.slopes.thickness)
    closer = finder.at(picture, scale) if scale > seen.scale else seen
    sheet = Sheet.of(picture, closer.slopes)
    flat = finder.at(sheet.picture, scale)
    if flat.slopes.bend > BENT and flat.slopes.standing == sheet.standing:
        sheet = Sheet.of(picture, flat.slopes, sheet)
        flat = finder.at(sheet.picture, scale)
    return sheet, flat


def read_lines(
    readings: Readings, seen: Found, rotate: bool, is_wanted: Callable[[Box], bool], finder: Finder
) -> tuple[list[Line], int]:
    """Read what was *seen*: the lines, and the clockwise turn of the page in degrees."""
    found = [one for one in seen.boxes if is_wanted(one.box)]
    readings.ahead(found)
    if not rotate:
        return readings.surer([readings.line(one, 0) for one in found]), 0
    page = turn.of_page(found, readings.line)
    if page and not turn.is_sure(found, page):
        found = [one for one in find_upright(readings.picture, seen.scale, page, finder) if is_wanted(one.box)]
    return readings.surer(turn.lines(found, page, readings.line)), 90 * page


def find_upright(picture: Picture, scale: float, page: int, finder: Finder) -> list[TextBox]:
    """Find boxes as they are found when the picture, turned by *page* quarters, is turned back."""
    upright = np.ascontiguousarray(np.rot90(picture, page))
    height, width = upright.shape[:2]
    found = finder.at(upright, scale).boxes
    return [
        replace(
            one, box=one.box.with_page(page, width, height).turned(-page), curve=one.curve and one.curve.turned(page)
        )
        for one in found
    ]


def wanted(box: Box, regions: Sequence[Polygon], ignore: Sequence[Polygon]) -> bool:
    """Whether the centre of *box* lies in one of *regions*, when there are any, and in none of *ignore*."""
    return areas.place(box.cx, box.cy, regions, ignore) is not None
