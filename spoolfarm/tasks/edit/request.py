"""A request to edit pictures of the data folder: checked as a whole before any of it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

from spoolfarm import images
from spoolfarm.errors import BrokenImage, InvalidParams, InvalidRequest, UnsupportedMedia
from spoolfarm.tasks.edit import formats
from spoolfarm.tasks.edit.confined_folder import Folder
from spoolfarm.tasks.edit.recipe import Recipe, names

#: What says that there is no picture in a file, or no file.
NO_PICTURE = (OSError, BrokenImage, UnsupportedMedia, InvalidRequest)
#: Bytes that a file may have for each pixel that a picture may have.
MAX_BYTES = 4


@dataclass(frozen=True)
class EditItem:
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
        #: The most bytes that are read of a file; more than a whole one would be too much for `images.check`.
        self._limit = MAX_BYTES * max_pixels + 1
        self._recipe = Recipe.parse(operations if pairs else [])
        self._items = [
            EditItem(
                index, folder.within(given, f"images[{index}].input"), folder.within(to, f"images[{index}].output")
            )
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

    def pictures(self) -> Iterator[tuple[EditItem, bytes]]:
        """Yield what there is to do. To `skip` one is right when its file is no picture any more."""
        for item in self._items:
            if item.index not in self.skipped:
                try:
                    with self._file(item) as file:
                        data = file.read(min(os.fstat(file.fileno()).st_size, self._limit))
                except OSError as error:
                    self.skip(item, error)
                else:
                    yield item, data

    def skip(self, item: EditItem, error: Exception) -> None:
        """Leave *item* out, for *error*."""
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        self.skipped[item.index] = why.removeprefix(f"{item.where}.input: ")

    def _check(self) -> None:
        made: dict[str, int] = {}
        for item in self._items:
            field = f"{item.where}.output"
            form = formats.of_path(item.output, field)
            self._folder.check_output(item.output, field)
            try:
                with self._file(item) as file:
                    header = images.look(file, f"{item.where}.input", self._max_pixels, exif=True)
            except NO_PICTURE as error:
                self.skip(item, error)
                continue
            sizes = self._recipe.outputs(header.upright, form, self._max_pixels)
            for name in names(item.output, len(sizes)):
                if name in made:
                    raise InvalidParams(f"{field}: images[{made[name]}] writes {name} as well")
                made[name] = item.index
        for item in self._items:
            if made.get(item.input, item.index) != item.index and item.index not in self.skipped:
                self._held[item.index] = self._folder.open(item.input, f"{item.where}.input")

    def _file(self, item: EditItem) -> BinaryIO:
        """The picture's file, opened for reading."""
        held = self._held.get(item.index)
        descriptor = self._folder.open(item.input, f"{item.where}.input") if held is None else os.dup(held)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.fdopen(descriptor, "rb")
