"""YOLO's segmentation format: `data.yaml` with the names, and for each picture a text file with a polygon a line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from spoolfarm.errors import FarmError
from spoolfarm.images import check
from spoolfarm.training.exports.drawn import Drawn, numbers

#: The file that names the classes.
NAMES = ("data.yaml", "data.yml", "dataset.yaml")
#: The folders of pictures and of their labels, side by side.
IMAGES, LABELS = "images", "labels"
#: More pixels than any camera's picture has.
PIXELS = 2**31


def file_of(folder: Path) -> Path | None:
    """The file in *folder* that says that it is of this kind."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read(drawn: Drawn, path: Path) -> None:
    """Add the pictures and polygons of the folder of the file at *path*. Raises FarmError for what makes no sense."""
    names = _names(path)
    for name in names.values():
        drawn.name(name)
    for labels, picture in _pairs(path.parent):
        place = labels.relative_to(path.parent).as_posix()
        name = picture.relative_to(path.parent).as_posix()
        header = check(picture.read_bytes(), name, PIXELS)
        number = drawn.picture(place, name, header.width, header.height)
        for line, text in enumerate(_text(labels).splitlines(), start=1):
            if not text.strip():
                continue
            where = f"line {line} of {place}"
            kind, *values = numbers(where, *text.split())
            if kind not in names:
                raise FarmError(f"{where} is of class {kind:g}, which {path.name} does not name")
            points = [[x * header.width, y * header.height] for x, y in zip(values[::2], values[1::2], strict=False)]
            if len(values) == 4:  # centre, width and height of a box
                x, y, wide, high = (
                    value * side for value, side in zip(values, (header.width, header.height) * 2, strict=True)
                )
                drawn.label(where, number, names[kind], box=[x - wide / 2, y - high / 2, wide, high])
            else:
                drawn.label(where, number, names[kind], [points])


def _names(path: Path) -> dict[float, str]:
    """The names by number: a list, in brackets or below each other, or pairs; no other part of YAML is read."""
    text = _text(path)
    found = re.search(
        r"^names:[ \t]*(\[.*?\]|\{.*?\})?[ \t]*(?:#.*)?$((?:\n[ \t]*(?:-|\d+:).*)*)", text, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise FarmError(f"{path} names no classes (names: ...)")
    if inline := found[1]:
        listed = _listed(path, inline)
    else:
        lines = [line.strip() for line in found[2].splitlines() if line.strip()]
        pairs = [re.match(r"(?:-|(\d+):)\s*(.*)", line) for line in lines]
        listed = {int(each[1] or number): _bare(each[2]) for number, each in enumerate(pairs) if each}
    if not listed:
        raise FarmError(f"{path} names no classes (names: ...)")
    return {float(number): name for number, name in listed.items()}


def _listed(path: Path, text: str) -> dict[int, str]:
    """The names in brackets, with quotes or without."""
    try:
        said = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        said = [_bare(each) for each in text.strip("[]").split(",") if each.strip()] if text[0] == "[" else {}
    if isinstance(said, dict):
        return {int(number): str(name) for number, name in said.items()}
    return {number: str(name) for number, name in enumerate(said)}


def _bare(text: str) -> str:
    """A word of YAML without its quotes and the comment behind it."""
    text = text.strip()
    if quoted := re.match(r"(['\"])(.*?)\1", text):
        return quoted[2]
    return re.sub(r"\s+#.*", "", text)


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Every text file in a folder of labels, with its picture in the folder of pictures beside it."""
    for labels in sorted(folder.rglob(f"{LABELS}/**/*.txt")):
        inner = labels.relative_to(folder).parts
        at = len(inner) - 1 - inner[::-1].index(LABELS)
        beside = folder.joinpath(*inner[:at], IMAGES, *inner[at + 1 : -1])
        alike = [each for each in beside.glob("*") if each.stem == labels.stem] if beside.is_dir() else []
        if len(alike) != 1:
            raise FarmError(f"{labels} has no picture of its name in {beside}, or has several")
        yield labels, alike[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise FarmError(f"{path} cannot be read: {error.strerror}") from error
