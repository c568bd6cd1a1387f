"""The report: the files that tell of measured objects, of one picture or of a whole folder."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from spoolfarm.tasks.segment import histogram, measures, table
from spoolfarm.tasks.segment.wishes import Wishes
from spoolfarm.tasks.segment.workbook import Workbook

#: The files by the words that ask for them.
FILES = {"csv": "measures.csv", "xlsx": "measures.xlsx", "histogram": "histogram.svg"}


def write(
    wishes: Wishes,
    wanted: Iterable[str],
    answers: Iterable[tuple[str, Mapping[str, Any]]],
    create: Callable[[str], AbstractContextManager[IO[bytes]]],
) -> None:
    """Write the *wanted* ones of FILES about *answers*, each with its picture's name, into what *create* makes of a
    name; of the answers one at a time is in memory."""
    names = table.columns(wishes)
    scaled = wishes.mm_per_pixel is not None or wishes.ruler is not None
    key, values = measures.key(wishes.size_by, scaled=scaled), []
    with ExitStack() as stack:
        made = {word: stack.enter_context(create(FILES[word])) for word in wanted}
        book = stack.enter_context(Workbook(made["xlsx"], names)) if "xlsx" in made else None
        if "csv" in made:
            made["csv"].write(table.MARK + table.line(names))
        for file, answer in answers:
            for row in table.rows(file, answer):
                if "csv" in made:
                    made["csv"].write(table.line([row.get(name, "") for name in names]))
                if book is not None:
                    book.add(row)
                if row["row"] == table.OBJECT:
                    values.append(float(row[key]))
        if "histogram" in made:
            unit = key.removeprefix(f"{wishes.size_by}_").replace("mm2", "mm²")
            made["histogram"].write(histogram.svg(values, wishes.size_classes, wishes.size_by, unit).encode())


def files(wishes: Wishes, file: str, answer: Mapping[str, Any]) -> dict[str, bytes]:
    """The files that *wishes* want of one picture, called *file*, by name."""
    if not wishes.outputs:
        return {}
    made: dict[str, io.BytesIO] = {}
    write(wishes, wishes.outputs, [(file, answer)], lambda name: nullcontext(made.setdefault(name, io.BytesIO())))
    return {name: content.getvalue() for name, content in made.items()}


def of_folder(wishes: Wishes, answers: Iterable[tuple[str, Mapping[str, Any]]], folder: Path) -> Sequence[str]:
    """Write the table of *answers*, and what else *wishes* want, into *folder*; return the names of the files."""
    wanted = dict.fromkeys(["csv", *wishes.outputs])
    write(wishes, wanted, answers, lambda name: _replaced(folder / name))
    return [FILES[word] for word in wanted]


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears at *path* when it is whole."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        yield file
    os.replace(part, path)
