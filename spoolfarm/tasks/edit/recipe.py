"""A recipe: the operations of a request, in order; what they come to is known before anything runs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spoolfarm.errors import InvalidParams
from spoolfarm.images import MAX_SIDE
from spoolfarm.tasks.edit.formats import Format
from spoolfarm.tasks.edit.operations import OPERATIONS, Denoise, Operation, Quality, Size

if TYPE_CHECKING:
    from spoolfarm.images import Array

#: The most operations of one request, and the most pictures they may make of one.
MAX_OPERATIONS, MAX_OUTPUTS = 100, 256
#: How many times FARM_MAX_PIXELS the pictures that come out of one may have together, and those that each operation
#: makes on the way, all added up.
MAX_TOTAL, MAX_ON_THE_WAY = 4, 10
#: The same for what is put through `denoise`, which takes far longer than any other operation.
MAX_DENOISED = 0.5
#: The quality of JPEG and WebP files when none is asked for.
QUALITY = 95


@dataclass(frozen=True)
class Recipe:
    """Steps, without those whose values were out of bounds."""

    steps: tuple[Operation, ...]
    quality: int = QUALITY

    @classmethod
    def parse(cls, operations: Sequence[str], field: str = "operations") -> Recipe:
        """Read `name=value` texts. Raises InvalidParams that names what is unknown or malformed."""
        if len(operations) > MAX_OPERATIONS:
            raise InvalidParams(f"{field}: at most {MAX_OPERATIONS}, not {len(operations)}")
        found = [_parse(text, f"{field}[{index}]") for index, text in enumerate(operations)]
        steps = [step for step in found if step is not None]
        quality = next((step.percent for step in reversed(steps) if isinstance(step, Quality)), QUALITY)
        return cls(tuple(step for step in steps if not isinstance(step, Quality)), quality)

    def outputs(self, size: Size, form: Format, max_pixels: int) -> list[Size]:
        """The sizes of the pictures that one of *size* becomes. Raises InvalidParams when that is over a limit."""
        sizes = [size]
        on_the_way = denoised = 0
        for step in self.steps:
            denoised += _pixels(sizes) if isinstance(step, Denoise) else 0
            sizes = [made for each in sizes for made in step.sizes(each)]
            on_the_way += _pixels(sizes)
            if len(sizes) > MAX_OUTPUTS:
                raise InvalidParams(f"operations: they make more than {MAX_OUTPUTS} pictures of one")
            for width, height in sizes:
                if width * height > max_pixels or max(width, height) > MAX_SIDE:
                    raise InvalidParams(
                        f"operations: they make a picture of {width} x {height} pixels, over the limit of {max_pixels} "
                        f"in all and {MAX_SIDE} a side"
                    )
        if max(map(max, sizes)) > form.max_side:
            raise InvalidParams(f"operations: a {form.suffix} has at most {form.max_side} pixels a side")
        _bound(_pixels(sizes), MAX_TOTAL * max_pixels, "come out of one picture")
        _bound(on_the_way, MAX_ON_THE_WAY * max_pixels, "are made on the way, by all operations together")
        _bound(denoised, int(MAX_DENOISED * max_pixels), "are put through denoise")
        return sizes

    def run(self, picture: Array) -> Iterator[Array]:
        """Yield the pictures that *picture* becomes, in reading order, each made when it is asked for."""
        return _after(self.steps, picture)


def names(output: str, count: int) -> list[str]:
    """What *count* pictures are called: *output*, or several of them with _1, _2, ... before the suffix."""
    if count == 1:
        return [output]
    stem, suffix = posixpath.splitext(output)
    return [f"{stem}_{number}{suffix}" for number in range(1, count + 1)]


def _pixels(sizes: Sequence[Size]) -> int:
    """How many all pictures of *sizes* have together."""
    return sum(width * height for width, height in sizes)


def _bound(pixels: int, most: int, what: str) -> None:
    """Raise InvalidParams when more than *most* pixels do *what*."""
    if pixels > most:
        raise InvalidParams(f"operations: {pixels} pixels {what}; {most} may (FARM_MAX_PIXELS)")


def _parse(text: str, field: str) -> Operation | None:
    name, equals, value = (part.strip() for part in text.partition("="))
    row = OPERATIONS.get(name)
    if row is None:
        raise InvalidParams(f"{field}: no operation is called {name!r}; there are {', '.join(OPERATIONS)}")
    if not equals:
        raise InvalidParams(f"{field}: write {name}={row.value}")
    try:
        return row.parse(value)
    except ValueError as error:
        raise InvalidParams(f"{field}: {name} takes {error}, not {value!r}") from error


def _after(steps: Sequence[Operation], picture: Array) -> Iterator[Array]:
    if not steps:
        yield picture
        return
    for made in steps[0].apply(picture):
        yield from _after(steps[1:], made)
