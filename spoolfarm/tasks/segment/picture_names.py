"""Names of pictures as files of labels write them, on any system, and the numbers that go with them."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

#: The folders that lead to a picture, and its own name.
Parts = tuple[str, ...]


def parts(name: str) -> Parts:
    """*name* in parts, whichever system and keyboard it was written on."""
    plain = unicodedata.normalize("NFC", name).replace("\\", "/")
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def ends(path: Parts, tail: Parts) -> bool:
    """Whether *path* ends in *tail*."""
    return path[-len(tail) :] == tail if tail else True


class Numbers:
    """The numbers that the pictures of a data set have in it; each is asked for once."""

    def __init__(self, images: Iterable[Mapping[str, Any]]) -> None:
        self._named: dict[str, list[tuple[Parts, Any]]] = defaultdict(list)
        for image in images:
            if path := parts(image["file_name"]):
                self._named[path[-1]].append((path, image["id"]))
        self._asked: dict[Parts, str] = {}

    def of(self, name: str, folder: str) -> Any:
        """The number of the picture *name*, which lies in *folder* as far as anybody knows.

        Raises ValueError when no picture is called so, when several could be meant, or when it is another one's.
        """
        path = self._path(parts(name), parts(f"{folder}/{name}"), name)
        other = self._asked.setdefault(path, name)
        if other != name:
            raise ValueError(f"{other} and {name} would both be the picture {'/'.join(path)} of the labels")
        return next(number for known, number in self._named[path[-1]] if known == path)

    def _path(self, name: Parts, place: Parts, said: str) -> Parts:
        alike = [path for path, _ in self._named.get(place[-1], ())]
        if within := [path for path in alike if ends(place, path)]:
            return max(within, key=len)
        around = sorted({path for path in alike if ends(path, name)})
        if len(around) == 1:
            return around[0]
        if around:
            raise ValueError(f"{said} could be {' or '.join('/'.join(path) for path in around[:2])} of the labels")
        other = f"; there is {'/'.join(alike[0])}" if alike else ""
        raise ValueError(f"the labels have no picture {said}{other}")
