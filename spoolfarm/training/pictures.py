"""The pictures of a folder, found by the names that labels give them."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment.picture_names import Parts, ends, parts

#: The folder of pictures in many exports.
IMAGES = "images"


class Pictures:
    """The files in a folder and below it, linked folders included.

    Windows' names are understood, and so are names that begin with folders of another machine.
    """

    def __init__(self, folder: Path, subset: str) -> None:
        self._folder = folder
        #: Where a picture of that name is meant, should there be several: here, in `images`, in `images/SUBSET`.
        self._places: list[Parts] = [(), (IMAGES,), (IMAGES, subset), (subset,)]
        self._files = {parts(os.path.relpath(path, folder)): Path(path) for path in _below(folder)}
        self._named: dict[str, list[Parts]] = defaultdict(list)
        for each in self._files:
            self._named[each[-1]].append(each)

    def find(self, name: str) -> Path:
        """The picture that labels call *name*. Raises FarmError when there is none, or when several could be meant."""
        wanted = parts(name)
        if found := self._meant(wanted) or self._somewhere(wanted, name):
            return found
        for begin in range(1, len(wanted)):
            if found := self._meant(wanted[begin:]):
                return found
        raise FarmError(f"{name!r} is not in {self._folder}, nor in any folder below it")

    def _meant(self, wanted: Parts) -> Path | None:
        return next((self._files[place + wanted] for place in self._places if place + wanted in self._files), None)

    def _somewhere(self, wanted: Parts, name: str) -> Path | None:
        alike = [each for each in self._named.get(wanted[-1] if wanted else "", ()) if ends(each, wanted)]
        if len(alike) > 1:
            first, second, *_ = sorted("/".join(each) for each in alike)
            raise FarmError(f"{name!r} could be {first} or {second}; let the labels name the folder too")
        return self._files[alike[0]] if alike else None


def _below(folder: Path) -> list[str]:
    found, seen = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        found += [os.path.join(here, name) for name in files]
    return found
