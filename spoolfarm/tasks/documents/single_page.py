"""The single page: one picture as a document of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from spoolfarm.tasks.documents import pdf
from spoolfarm.tasks.documents.outputs import NAMES, Output, Outputs
from spoolfarm.tasks.documents.page import Page


def files(
    record: Mapping[str, Any], picture: bytes, wanted: Collection[Output], dpi: float | None, directory: Path
) -> dict[str, Path]:
    """Make the files of *wanted* in *directory*; return where they lie. Raises BrokenImage."""
    read = Page.of(1, record)
    with Outputs(directory, wanted, "document") as outputs:
        outputs.add(read)
    paths = dict(outputs.paths)
    if "pdf" in wanted:
        made = pdf.SearchablePdf(pdf.of_picture(picture, dpi), [0])
        made.add(read)
        paths[NAMES["pdf"]] = directory / NAMES["pdf"]
        made.save(paths[NAMES["pdf"]])
    return paths
