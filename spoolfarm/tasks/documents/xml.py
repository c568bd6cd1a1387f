"""XML: text made fit to stand in it."""

from __future__ import annotations

import re
from html import escape

#: What no XML 1.0 document may hold: https://www.w3.org/TR/xml/#charsets
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: str) -> str:
    """*value* as the text of an element."""
    return escape(FORBIDDEN.sub("\ufffd", value), quote=False)


def attribute(value: str) -> str:
    """*value* as an attribute between double quotes."""
    return escape(FORBIDDEN.sub("\ufffd", value))
