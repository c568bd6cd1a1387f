"""Labels in COCO's format, read before anything is learned: each entry is understood, passed over or refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from spoolfarm.errors import FarmError
from spoolfarm.training.exports.drawn import Placed
from spoolfarm.training.exports.found import PARTS, find
from spoolfarm.training.outline import GREATEST, Outline, outline

#: Why a label is passed over.
BARE, CROWD, STRAY = "without an outline", "of crowds (iscrowd 1)", "of pictures that the file does not list"
#: What tools write for a label of a crowd, and for one that is of none.
YES, NO = (1, "1", "true"), (0, None, "", "0", "false")

#: What is kept of the file's `info`, and the most letters of each.
ABOUT, SAID = ("description", "contributor", "url", "licence"), 200

Id = int | str
Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Entry:
    """An entry of the file: its place there, and what it says."""

    place: str
    said: dict[str, Any]

    def wrong(self, what: str) -> FarmError:
        """The error that says what is wrong with it."""
        return FarmError(f"{self.place} {what}")

    def id(self, key: str) -> Id:
        """The id under *key*: a number, also where it is written as text or as 3.0, or a text. Raises FarmError."""
        found = self.said.get(key)
        if (number := _whole(found)) is not None:
            return number
        if isinstance(found, str) and found:
            return found
        raise self.wrong(f"has no {key}" if found is None else f"has the {key} {found!r}")

    def number(self, key: str) -> int:
        """The id under *key*, which must be a number. Raises FarmError."""
        found = self.id(key)
        if isinstance(found, str):
            raise self.wrong(f"has the {key} {found!r}, which is no number")
        return found


@dataclass(frozen=True)
class Label:
    """An object: its place in the file, its category, and its outline."""

    place: str
    category: int
    outline: Outline


@dataclass(frozen=True)
class Picture:
    """A picture: its place in the file, its width and height as far as the file says, and its objects.

    What is *ignored* of it teaches nothing: crowds, and boxes of which the outline is not known.
    """

    place: str
    id: Id
    name: str
    size: tuple[int, int] | None
    labels: list[Label] = field(default_factory=list)
    ignored: list[Outline] = field(default_factory=list)


@dataclass(frozen=True)
class Coco:
    """What a file says: its pictures by id, the names of its categories by id, and why labels were passed over."""

    path: Path
    names: dict[int, str]
    pictures: dict[Id, Picture]
    passed: Counter[str] = field(default_factory=Counter)
    #: What the file says of where it comes from and how it may be used.
    about: dict[str, str] = field(default_factory=dict)


def read(path: Path, content: Mapping[str, Any] | None = None) -> Coco:
    """The labels at *path*; *content* is what was found there, in COCO's format, if anybody has looked already.

    Raises FarmError, in one line, for a file or an entry that makes no sense.
    """
    content = find(path).content if content is None else content
    entries = {part: [_entry(part, number, each) for number, each in enumerate(content[part])] for part in PARTS}
    found = Coco(path, {}, {}, about=_about(content))
    sound(path, lambda each: _add_category(found, each), entries["categories"])
    sound(path, lambda each: _add_picture(found, each), entries["images"])
    if not found.pictures or not found.names:
        raise FarmError(f"{path} names no pictures or no categories")
    sound(path, lambda each: _add_label(found, each), entries["annotations"])
    if not any(each.labels for each in found.pictures.values()):
        raise FarmError(f"{path}: no label belongs to a picture: {_counted(len(entries['annotations']), found.passed)}")
    return found


def sound(path: Path, make: Callable[[Given], Made], entries: Iterable[Given]) -> list[Made]:
    """What *make* makes of each of *entries*. Raises FarmError with the first fault and the number of others."""
    made, faults = [], []
    for each in entries:
        try:
            made.append(make(each))
        except FarmError as error:
            faults.append(error)
    if faults:
        more = f" (and {len(faults) - 1} more entries are at fault)" if len(faults) > 1 else ""
        raise FarmError(f"{path}: {faults[0]}{more}", hint=faults[0].hint)
    return made


def told(passed: Counter[str]) -> str:
    """How many labels were passed over, and why."""
    return ", ".join(f"{many(count, 'label', 'labels')} {why}" for why, count in passed.items())


def many(count: int, one: str, more: str) -> str:
    """*count* with its noun."""
    return f"{count} {one if count == 1 else more}"


def _entry(part: str, number: int, said: Any) -> Entry:
    if not isinstance(said, dict):
        return Entry(f"{part}[{number}]", {})
    if isinstance(said, Placed):
        return Entry(said.place, said)
    known = said.get("id", said.get("file_name"))
    return Entry(f"{part}[{number}]" + ("" if known is None else f" (id {known!r})"), said)


def _add_category(found: Coco, entry: Entry) -> None:
    number, name = entry.number("id"), entry.said.get("name")
    if name is None or isinstance(name, (dict, list)):
        raise entry.wrong("lacks 'name'")
    if found.names.setdefault(number, str(name)) != str(name):
        raise entry.wrong(f"has an id that is {found.names[number]!r} already")


def _add_picture(found: Coco, entry: Entry) -> None:
    name = entry.said.get("file_name")
    if not isinstance(name, str) or not name:
        raise entry.wrong("lacks 'file_name'")
    picture = Picture(entry.place, entry.id("id"), name, _size(entry))
    if found.pictures.setdefault(picture.id, picture).name != name:
        raise entry.wrong(f"is {name!r}, but {found.pictures[picture.id].name!r} has that id already")


def _size(entry: Entry) -> tuple[int, int] | None:
    """Width and height; None where a tool did not know them."""
    said = [entry.said.get(key) for key in ("width", "height")]
    if any(each in (None, 0, "") for each in said):
        return None
    width, height = map(_whole, said)
    if width is None or height is None or min(width, height) < 1:
        raise entry.wrong(f"has the width {said[0]!r} and the height {said[1]!r}")
    return width, height


def _add_label(found: Coco, entry: Entry) -> None:
    picture, category = entry.id("image_id"), entry.number("category_id")
    if category not in found.names:
        raise entry.wrong(f"is of category {category}, which the file does not name")
    crowd = entry.said.get("iscrowd")
    if isinstance(crowd, (dict, list)) or crowd not in (*YES, *NO):
        raise entry.wrong(f"has the iscrowd {crowd!r}")
    try:
        where = outline(entry.said.get("segmentation"))
    except FarmError as error:
        raise entry.wrong(f"cannot be used: {error}") from error
    if picture not in found.pictures:
        found.passed[STRAY] += 1
    elif crowd in YES:
        found.passed[CROWD] += 1
        if where := where or _box(entry):
            found.pictures[picture].ignored.append(where)
    elif where is None:
        found.passed[BARE] += 1
        if where := _box(entry):
            found.pictures[picture].ignored.append(where)
    else:
        found.pictures[picture].labels.append(Label(entry.place, category, where))


def _box(entry: Entry) -> Outline | None:
    """The outline of an entry's box; None when it has none that makes sense."""
    box = entry.said.get("bbox")
    try:
        x, y, wide, high = map(float, box if isinstance(box, list) else ())
        return outline([[x, y, x + wide, y, x + wide, y + high, x, y + high]]) if min(wide, high) > 0 else None
    except (TypeError, ValueError, FarmError):
        return None


def _about(content: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the file's `info` and of its first licence."""
    info = content.get("info")
    licences = content.get("licenses")
    first = licences[0] if isinstance(licences, list) and licences else None
    said = {**(info if isinstance(info, dict) else {})}
    if isinstance(first, dict) and first.get("name"):
        said.setdefault("licence", first["name"])
    said.setdefault("licence", said.get("license"))
    return {name: said[name][:SAID] for name in ABOUT if isinstance(said.get(name), str) and said[name]}


def _counted(labels: int, passed: Counter[str]) -> str:
    return f"of {labels} none can be learned from; there are {told(passed)}" if labels else "its annotations are empty"


def _whole(value: Any) -> int | None:
    """The whole number that *value* is or writes; None when it does neither."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9]{1,15}(\.0*)?\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -GREATEST < value < GREATEST:
        return None
    return int(value) if value == int(value) else None
