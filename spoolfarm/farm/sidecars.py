"""Sidecars: the files that an answer becomes beside its record, distinguished by how their names end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: What the name of a parameters file has after the picture's name.
PARAMS = ".params.json"


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What an answer consists of besides its record: texts, and the names of the result's files, by their endings."""

    texts: Mapping[str, bytes]
    attached: Mapping[str, str]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Sidecars:
        """The endings of the answer in *record*."""
        result = record.get("result")
        text = result.get("text") if isinstance(result, dict) else None
        attached = _attached(record.get("files", ()), {".json", PARAMS})
        texts = {".txt": _lines(text)} if isinstance(text, str) and ".txt" not in attached else {}
        return cls(texts, attached)

    def all(self) -> list[str]:
        """All that appear, the record's last."""
        return [*self.texts, *self.attached, ".json"]


def _lines(text: str) -> bytes:
    return (text if text.endswith("\n") or not text else f"{text}\n").encode(errors="replace")


def _attached(names: Iterable[str], used: set[str]) -> dict[str, str]:
    """The ending of each of a result's files: its suffix, or its whole name where the suffix is ambiguous."""
    suffixes = {name: os.path.splitext(name)[1] for name in names}
    common = Counter(suffixes.values())
    found: dict[str, str] = {}
    for name, suffix in suffixes.items():
        ending = suffix if suffix and common[suffix] == 1 and suffix not in used else f".{name}"
        while ending in used or ending in found:
            ending = f".file{ending}"
        found[ending] = name
    return found
