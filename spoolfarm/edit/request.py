"""A request to edit pictures of the data folder: checked as a whole before any of it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from spoolfarm import images
from spoolfarm.edit import formats
from spoolfarm.edit.folder import Folder, read
from spoolfarm.edit.recipe import Recipe, names
from spoolfarm.errors import BrokenImage, InvalidParams, InvalidRequest, UnsupportedMedia

#: Bytes that a file may have for each pixel that a picture may have.
MAX_BYTES = 4


@dataclass(frozen=True)
class Entry:
    """One picture of a request: where it is, and what its copy is to be called, both below the data folder."""

    index: int
    input: str
    output: str

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"images[{self.index}]"


class Edits:
    """The pictures of one request, each as it was when the request came.

    Making it raises Forbidden, InvalidRequest, InvalidParams or TooLarge for what is wrong with the request; then
    nothing was done. What is not there or is no picture is noted in `skipped` instead. Close it after use.
    """

    def __init__(
        self, folder: Folder, pairs: Sequence[tuple[str, str]], operations: Sequence[str], max_pixels: int
    ) -> None:
        self._folder = folder
        self._max_pixels = max_pixels
        self._recipe = Recipe.parse(operations if pairs else [])
        self._entries = [
            Entry(index, folder.within(given, f"images[{index}].input"), folder.within(to, f"images[{index}].output"))
            for index, (given, to) in enumerate(pairs)
        ]
        #: Why pictures were left out, by their number in the request.
        self.skipped: dict[int, str] = {}
        #: Inputs that another picture of the request overwrites, held open so that they stay what they are.
        self._held: dict[int, int] = {}
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Edits:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def pictures(self) -> Iterator[tuple[Entry, bytes]]:
        """Yield what there is to do."""
        for entry in self._entries:
            if entry.index not in self.skipped and (loaded := self._load(entry)) is not None:
                yield entry, loaded[0]

    def _check(self) -> None:
        made: dict[str, int] = {}
        for entry in self._entries:
            field = f"{entry.where}.output"
            form = formats.of_path(entry.output, field)
            self._folder.check_output(entry.output, field)
            loaded = self._load(entry)
            if loaded is None:
                continue
            sizes = self._recipe.outputs(images.upright(*loaded), form, self._max_pixels)
            for name in names(entry.output, len(sizes)):
                if name in made:
                    raise InvalidParams(f"{field}: images[{made[name]}] writes {name} as well")
                made[name] = entry.index
        for entry in self._entries:
            if made.get(entry.input, entry.index) != entry.index and entry.index not in self.skipped:
                self._held[entry.index] = self._folder.open(entry.input, f"{entry.where}.input")

    def _load(self, entry: Entry) -> tuple[bytes, images.Header] | None:
        """The picture's file and header; None when it cannot be read, which skips the picture."""
        field = f"{entry.where}.input"
        try:
            data = self._bytes(entry, field)
            return data, images.check(data, field, self._max_pixels)
        except OSError as error:
            self.skipped[entry.index] = error.strerror or str(error)
        except (BrokenImage, UnsupportedMedia, InvalidRequest) as error:
            self.skipped[entry.index] = str(error).removeprefix(f"{field}: ")
        return None

    def _bytes(self, entry: Entry, field: str) -> bytes:
        limit = MAX_BYTES * self._max_pixels
        if entry.index in self._held:
            return read(self._held[entry.index], limit)
        descriptor = self._folder.open(entry.input, field)
        try:
            return read(descriptor, limit)
        finally:
            os.close(descriptor)
