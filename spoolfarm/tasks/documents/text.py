"""Plain text: the pages with a form feed between them, as pdftotext writes them."""

from __future__ import annotations

from spoolfarm.tasks.documents.page import Page


class Text:
    """Writes the text of pages."""

    def begin(self, title: str) -> str:
        return ""

    def page(self, page: Page) -> str:
        return f"{page.text}\n\f" if page.text else "\f"

    def end(self) -> str:
        return ""
