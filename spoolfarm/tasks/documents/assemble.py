"""The binding: a PDF of pictures, each of which a worker has made into a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pikepdf

from spoolfarm.errors import FarmError
from spoolfarm.tasks.documents import pdf
from spoolfarm.tasks.documents.outputs import NAMES
from spoolfarm.tasks.documents.page import Page
from spoolfarm.tasks.documents.source import Source

#: Pages that are put together before they are written down: their files stay open until then.
GATHERING = 64


class Binding:
    """Pages of *source*, gathered in files in *scratch*."""

    def __init__(self, source: Source, dpi: float | None, scratch: Path) -> None:
        self._source = source
        self._dpi = dpi
        self._scratch = scratch
        self._open: list[pikepdf.Pdf] = []
        self._gathered: list[Path] = []

    def add(self, read: Page, attached: Mapping[str, bytes | Path]) -> None:
        """Put a page behind the last one; one that could not be read is there without its text."""
        made = attached.get(NAMES["pdf"])
        self._open.append(pikepdf.open(made) if isinstance(made, Path) else self._unread(read.number - 1))
        if len(self._open) == GATHERING:
            self._gather()

    def save(self, path: Path) -> None:
        """Write it to *path*."""
        self._gather()
        _join([pikepdf.open(each) for each in self._gathered], path)

    def _unread(self, index: int) -> pikepdf.Pdf:
        try:
            return pdf.of_picture(self._source.page(index), self._dpi)
        except FarmError:
            blank = pikepdf.new()
            blank.add_blank_page()
            return blank

    def _gather(self) -> None:
        if self._open:
            self._gathered.append(self._scratch / f"pages {len(self._gathered)}.pdf")
            _join(self._open, self._gathered[-1])
            self._open = []


def _join(parts: list[pikepdf.Pdf], path: Path) -> None:
    """Write all pages of *parts* to *path*, and close them."""
    with pikepdf.new() as joined:
        for part in parts:
            joined.pages.extend(part.pages)
        joined.save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    for part in parts:
        part.close()
