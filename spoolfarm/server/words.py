"""The words of the pages: one table a page, each row a text in English and Chinese."""

from __future__ import annotations

import functools
import json
from pathlib import Path

#: The languages, in the order of a row; the first is for readers of any other.
LANGUAGES = ("en", "zh")
#: Where the tables lie, each beside the template of its page.
FOLDER = Path(__file__).parent / "templates"
#: The table of what all pages have.
SHARED = "base"
#: Pages that show parts of another page, and so have its words too: a form for a task, the record of a job, a model.
ALSO = {"batch": "try", "job": "jobs", "federated": "try", "run": "federated"}


@functools.cache
def words(page: str, language: str) -> dict[str, str]:
    """The texts of *page* in *language* by their names, with those that all pages share."""
    column = LANGUAGES.index(language)
    rows: dict[str, list[str]] = table(SHARED) | table(ALSO.get(page, page)) | table(page)
    return {name: row[column] for name, row in rows.items()}


def table(name: str) -> dict[str, list[str]]:
    """The rows of the table *name*."""
    found: dict[str, list[str]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found
