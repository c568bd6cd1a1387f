"""The outputs: the files that what was read becomes, each written page by page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from spoolfarm.tasks.documents.alto import Alto
from spoolfarm.tasks.documents.hocr import Hocr
from spoolfarm.tasks.documents.json_pages import Lines
from spoolfarm.tasks.documents.page import Page
from spoolfarm.tasks.documents.tables import Csv, Html
from spoolfarm.tasks.documents.text import Text
from spoolfarm.tasks.documents.tsv import Tsv
from spoolfarm.tasks.documents.workbook import Workbook

#: What may be asked for; "pdf" is made in `pdf.py`.
Output = Literal["text", "json", "tsv", "hocr", "alto", "pdf", "csv", "html", "xlsx"]
#: The outputs that are made of a page's tables.
TABLES = frozenset[Output]({"csv", "html", "xlsx"})
#: The name of the file of each.
NAMES: Mapping[Output, str] = {
    "text": "document.txt",
    "json": "document.json",
    "tsv": "document.tsv",
    "hocr": "document.hocr.html",
    "alto": "document.alto.xml",
    "pdf": "document.pdf",
    "csv": "document.csv",
    "html": "document.tables.html",
    "xlsx": "document.xlsx",
}


class Writer(Protocol):
    """Says pages in one of the ways."""

    def begin(self, title: str) -> str:
        """What comes before the first page."""

    def page(self, page: Page) -> str:
        """One page."""

    def end(self) -> str:
        """What comes after the last page."""


WRITERS: Mapping[Output, Callable[[], Writer]] = {
    "text": Text,
    "json": Lines,
    "tsv": Tsv,
    "hocr": Hocr,
    "alto": Alto,
    "csv": Csv,
    "html": Html,
}


class Outputs:
    """The files of *wanted* in *directory*; use it as a context manager around the pages."""

    def __init__(self, directory: Path, wanted: Collection[Output], title: str) -> None:
        self._writers = {name: WRITERS[name]() for name in WRITERS if name in wanted}
        #: By the names that the result gives them.
        self.paths = {NAMES[name]: directory / NAMES[name] for name in self._writers}
        self._files = {
            name: open(directory / NAMES[name], "w", encoding="utf-8", errors="replace")  # noqa: SIM115
            for name in self._writers
        }
        for name, writer in self._writers.items():
            self._files[name].write(writer.begin(title))
        self._workbook = None
        if "xlsx" in wanted:
            self.paths[NAMES["xlsx"]] = directory / NAMES["xlsx"]
            self._workbook = Workbook(self.paths[NAMES["xlsx"]])

    def __enter__(self) -> Outputs:
        return self

    def add(self, page: Page) -> None:
        """Write a page."""
        for name, writer in self._writers.items():
            self._files[name].write(writer.page(page))
        if self._workbook:
            self._workbook.add(page)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name, writer in self._writers.items():
            if kind is None:
                self._files[name].write(writer.end())
            self._files[name].close()
        if self._workbook:
            self._workbook.close()
