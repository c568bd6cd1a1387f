"""Text that is not seen: what an earlier reader left on a page, taken away, and letters that are not what they say."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Matrix, Name, Operator

from spoolfarm.errors import TooLarge
from spoolfarm.tasks.documents import page_cost

#: The rendering mode of text that is not seen.
INVISIBLE = 3
#: Operators that show text; the last two also move to the next line.
SHOWS = {Operator(each) for each in ("Tj", "TJ", "'", '"')}
NEXT_LINE = Operator("T*")
MOVING = {Operator("'"), Operator('"')}
#: Operators that are followed in all the forms of a page, at most.
MOST = 500_000
#: How deep forms within forms are followed.
DEPTH = 12
#: Points by which a picture may be smaller than the text below it.
SLACK = 2.0

#: What stands before the name of a font of which the file has only some letters.
_SUBSET = re.compile(r"^[A-Z]{6}\+")

#: A form's object and generation, (0, 0) for the page itself, and the number of an operator in it.
Place = tuple[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class State:
    """What an operator finds: the coordinates, and those of the line of text with its leading."""

    matrix: Matrix = field(default_factory=Matrix)
    mode: int = 0
    line: Matrix = field(default_factory=Matrix)
    leading: float = 0.0

    def moved(self, across: float, down: float) -> State:
        return replace(self, line=Matrix(1, 0, 0, 1, across, down) @ self.line)


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of text: where in the file, and where on the page."""

    place: Place
    invisible: bool
    point: tuple[float, float]


class Following:
    """A page's content in the order in which it is drawn, into the forms. Raises PdfError and TooLarge."""

    def __init__(self, page: pikepdf.Page) -> None:
        self._left = MOST
        self._parsed: dict[tuple[int, int], list[Any]] = {(0, 0): list(pikepdf.parse_content_stream(page))}
        self.forms: dict[tuple[int, int], pikepdf.Stream] = {}
        self._texts: list[Shown] = []
        self._hidden: list[bool] = []
        self._follow((0, 0), page.resources, State(), 0)

    def unseen(self) -> set[Place]:
        """Where text is drawn of which nothing is seen, however often it is drawn."""
        told = list(zip(self._texts, self._hidden, strict=True))
        return {text.place for text, _ in told} - {text.place for text, hidden in told if not hidden}

    def content(self, form: tuple[int, int], without: Collection[Place]) -> bytes:
        """What to draw in place of *form*."""
        kept = []
        for number, instruction in enumerate(self._parsed[form]):
            if (form, number) not in without:
                kept.append(instruction)
            elif instruction.operator in MOVING:
                kept.append(pikepdf.ContentStreamInstruction([], NEXT_LINE))
        return pikepdf.unparse_content_stream(kept)

    def _follow(self, form: tuple[int, int], resources: Any, state: State, depth: int) -> None:
        stack: list[State] = []
        for number, instruction in enumerate(self._parsed[form]):
            self._left -= 1
            if self._left < 0:
                raise TooLarge("the page draws too much")
            operands, operator = list(instruction.operands), str(instruction.operator)
            if operator == "q":
                stack.append(state)
            elif operator == "Q" and stack:
                state = stack.pop()
            elif operator == "Do" and operands:
                self._draw(_get(_get(resources, Name.XObject), operands[0]), resources, state, depth)
            else:
                state = _after(operator, operands, state)
                if instruction.operator in SHOWS:
                    at = state.line @ state.matrix
                    self._texts.append(Shown((form, number), state.mode == INVISIBLE, (at.e, at.f)))
                    self._hidden.append(state.mode == INVISIBLE)

    def _draw(self, found: Any, resources: Any, state: State, depth: int) -> None:
        if not isinstance(found, pikepdf.Stream):
            return
        if found.get(Name.Subtype) == Name.Image:
            self._cover(found, state.matrix)
        elif found.get(Name.Subtype) == Name.Form and depth < DEPTH:
            key = found.objgen
            if key not in self._parsed:
                self.forms[key] = found
                self._parsed[key] = list(pikepdf.parse_content_stream(found))
            inner = replace(state, matrix=Matrix(found.get(Name.Matrix, Array([1, 0, 0, 1, 0, 0]))) @ state.matrix)
            self._follow(key, found.get(Name.Resources, resources), inner, depth + 1)

    def _cover(self, image: pikepdf.Stream, matrix: Matrix) -> None:
        """Note that all text before an opaque *image* is not seen where that lies."""
        if image.get(Name.ImageMask, False) or Name.SMask in image or Name.Mask in image:
            return
        corners = [matrix.transform(corner) for corner in ((0, 0), (1, 0), (0, 1), (1, 1))]
        xs, ys = zip(*corners, strict=True)
        for index, text in enumerate(self._texts):
            x, y = text.point
            if min(xs) - SLACK <= x <= max(xs) + SLACK and min(ys) - SLACK <= y <= max(ys) + SLACK:
                self._hidden[index] = True


def remove(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    """Leave text that is not seen out of the page's content, and of its forms: what is invisible or below a picture.

    A page that is large or cannot be parsed stays as it is.
    """
    try:
        if page_cost.check(page).read > page_cost.LARGE:
            return
        found = Following(page)
    except (pikepdf.PdfError, TooLarge, ValueError, TypeError):
        return
    unseen = found.unseen()
    for form in {form for form, _ in unseen}:
        content = found.content(form, unseen)
        if form in found.forms:
            found.forms[form].write(content)
        else:
            page.obj[Name.Contents] = Array([pdf.make_stream(content)])


def mute(pdf: pikepdf.Pdf, page: pikepdf.Page, names: Collection[str]) -> None:
    """Let the letters of the fonts of *names* stand for blanks: they look as before, and say nothing wrong."""
    for font in _fonts(page.resources, set()):
        if _SUBSET.sub("", str(font.get(Name.BaseFont, "/"))[1:]) in names:
            wide = font.get(Name.Subtype) == Name.Type0
            font[Name.ToUnicode] = pdf.make_stream(zlib.compress(_blanks(wide)), Filter=Name.FlateDecode)


def _after(operator: str, operands: list[Any], state: State) -> State:
    """The state after an operator that moves text or what is drawn."""
    numbers = [float(each) for each in operands if not isinstance(each, (pikepdf.Object, list))]
    match operator, numbers:
        case "cm", [_, _, _, _, _, _]:
            return replace(state, matrix=Matrix(*numbers) @ state.matrix)
        case "Tr", [mode]:
            return replace(state, mode=int(mode))
        case "BT", _:
            return replace(state, line=Matrix())
        case "Tm", [_, _, _, _, _, _]:
            return replace(state, line=Matrix(*numbers))
        case "Td", [across, down]:
            return state.moved(across, down)
        case "TD", [across, down]:
            return replace(state, leading=-down).moved(across, down)
        case "TL", [leading]:
            return replace(state, leading=leading)
        case (("T*" | "'" | '"'), _):
            return state.moved(0, -state.leading)
        case _:
            return state


def _fonts(resources: Any, seen: set[tuple[int, int]]) -> Iterator[Any]:
    """The fonts of a page and of its forms."""
    yield from (font for font in _values(_get(resources, Name.Font)) if isinstance(font, Dictionary))
    for found in _values(_get(resources, Name.XObject)):
        if isinstance(found, pikepdf.Stream) and found.objgen not in seen:
            seen.add(found.objgen)
            yield from _fonts(found.get(Name.Resources), seen)


def _blanks(wide: bool) -> bytes:
    """A map from all codes, of two bytes when *wide*, to a blank."""
    digits, blanks = (4, 256) if wide else (2, 1)
    codes = f"<{0:0{digits}x}> <{256**2 - 1 if wide else 255:0{digits}x}>"
    parts = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def /CMapName /Blank def",
        f"1 begincodespacerange {codes} endcodespacerange",
    ]
    for high in range(blanks):
        first, last = (f"{256 * high + low:0{digits}x}" for low in (0, 255))
        parts.append(f"1 beginbfrange <{first}> <{last}> [{'<0020>' * 256}] endbfrange")
    return "\n".join([*parts, "endcmap end end"]).encode()


def _get(found: Any, key: Any) -> Any:
    return found.get(key) if isinstance(found, (Dictionary, pikepdf.Stream)) else None


def _values(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, Dictionary) else []
