"""JSON: every page's whole record, with the places of its lines and words."""

from __future__ import annotations

import json

from spoolfarm.tasks.documents.page import Page


class Lines:
    """Writes `{"title": ..., "pages": [...]}`, a line of text for each page."""

    def __init__(self) -> None:
        self._between = ""

    def begin(self, title: str) -> str:
        return f'{{"title": {json.dumps(title, ensure_ascii=False)}, "pages": ['

    def page(self, page: Page) -> str:
        line = json.dumps({"page": page.number, **page.record}, ensure_ascii=False, separators=(",", ":"))
        written, self._between = f"{self._between}\n{line}", ","
        return written

    def end(self) -> str:
        return "\n]}\n"
