"""Plain text: the pages with a form feed between them, as pdftotext writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Text:
    """Writes the text of pages."""

    def begin(self, title: str) -> str:
        return ""

    def page(self, number: int, record: Mapping[str, Any]) -> str:
        text = record.get("text", "")
        return f"{text}\n\f" if text else "\f"

    def end(self) -> str:
        return ""
