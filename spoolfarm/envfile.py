"""The file `.env`: NAME=value lines as people write them, understood, or refused with the number of the line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from spoolfarm.errors import SettingError

#: What the file may begin with, and what that says of its encoding. UTF-32 begins as UTF-16 does, so it comes first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:=|:(?=[ \t]|$))", re.MULTILINE)
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
#: A name alone, which leaves it to the environment to say more.
_ALONE = re.compile(r"[ \t]*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_.-]*[ \t]*(?=\n|\Z)")
_BLANKS, _REST = re.compile(r"[ \t]*"), re.compile(r"[^\n]*")
_COMMENT = re.compile(r"[ \t]#.*")
_QUOTED = {
    "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
_ESCAPES = {
    "'": re.compile(r"\\([\\'])"),
    '"': re.compile(r"\\([\\'\"$nrtabfv])"),
}
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")


def read(path: Path, known: Mapping[str, str]) -> dict[str, str]:
    """The names and values in the file at *path*, which need not be there; the last line of a name counts.

    A value may be quoted, and then have several lines; `${NAME}` and `${NAME:-default}` outside of single quotes are
    what a line before, or else *known*, says of that name, and stay as they are when nothing does. A `#` after a blank
    begins a comment. Raises SettingError.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    found: dict[str, str] = {}
    for name, value, literal in _lines(_text(path, data), path):
        found[name] = value if literal else _REFERENCE.sub(lambda each: _said(each, found, known), value)
    return found


def _text(path: Path, data: bytes) -> str:
    """The text with a newline after each line; bytes that are no text come as lone surrogates."""
    mark, encoding = next(((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        line = data[len(mark) :][: error.start].decode(encoding, "ignore").count("\n") + 1
        raise SettingError(f"{path}, line {line}: is not {encoding.upper()}, as which the file begins") from error
    text = re.sub(r"\r\n?", "\n", text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SettingError(f"{path}, line {line}: holds a byte 0; save the file as UTF-8")
    return text


def _lines(text: str, path: Path) -> Iterator[tuple[str, str, bool]]:
    """Each name and value in *text*, and whether it is to be taken literally."""
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if nothing := _NOTHING.match(text, at) or _ALONE.match(text, at):
            at = nothing.end() + 1
            continue
        name = _NAME.match(text, at)
        if name is None:
            raise SettingError(f"{path}, line {line}: is neither NAME=value nor a comment")
        value, literal, at = _value(text, name.end(), f"{path}, line {line}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise SettingError(f"{path}, line {line}: is not UTF-8; save the file as UTF-8") from error
        yield name[1], value, literal


def _value(text: str, at: int, where: str) -> tuple[str, bool, int]:
    """The value that begins at *at*, whether it is literal, and where the next line begins."""
    begin, end = _end(_BLANKS, text, at), _end(_REST, text, at)
    quote = text[begin : begin + 1]
    if quote not in _QUOTED:
        return _COMMENT.sub("", text[at:end]).strip(" \t"), False, end + 1
    quoted = _QUOTED[quote].match(text, begin)
    if quoted is None:
        raise SettingError(f"{where}: the quote {quote} is not closed")
    nothing = _NOTHING.match(text, quoted.end())
    if nothing is None:
        raise SettingError(f"{where}: something follows the closing quote {quote}")
    value = _ESCAPES[quote].sub(lambda escape: _LETTERS.get(escape[1], escape[1]), quoted[1])
    return value, quote == "'", nothing.end() + 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where *pattern*, which may match nothing, ends that begins at *at*."""
    found = pattern.match(text, at)
    return found.end() if found else at


def _said(reference: re.Match[str], found: Mapping[str, str], known: Mapping[str, str]) -> str:
    name, default = reference[1], reference[2]
    value = found.get(name, known.get(name))
    if value is None or (not value and default is not None):
        return reference[0] if default is None else default
    return value
