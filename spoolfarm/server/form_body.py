"""The form in a body: what would take seconds to divide into its parts is refused before."""

from __future__ import annotations

import io
import re
from typing import IO, Any, cast

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream

from spoolfarm.errors import TooLarge
from spoolfarm.server.endpoint import FORM, MULTIPART

#: How many parts a body may have.
MAX_PARTS = 100
#: Bytes of what is said about a part before it begins.
MAX_HEAD = 2**14
#: Of so many bytes of a form one may be written as %41, and so many more: base64 with line breaks needs one in 17.
CODED, MORE_CODED = 12, 2**17

_BLANK_LINE = re.compile(rb"\r\n\r\n|\r\r|\n\n")


class FormParser(FormDataParser):
    """Werkzeug's, which bounds what a body holds, and not what it takes to find that out."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        """Stream, fields and files of the body in *stream*. Raises TooLarge."""
        if mimetype == FORM:
            data = stream.read()
            _check_fields(data)
            return super().parse(io.BytesIO(data), mimetype, len(data), options)
        if mimetype == MULTIPART and (boundary := (options or {}).get("boundary", "").encode("ascii", "replace")):
            data = stream.read()
            if _has_parts(data, b"--" + boundary):
                return super().parse(io.BytesIO(data), mimetype, len(data), options)
            return stream, self.cls(), self.cls()
        return super().parse(stream, mimetype, content_length, options)


class Body(LimitedStream):
    """The bytes of a body, which are read in one piece: Werkzeug, piece by piece, copies each of them four times."""

    def readall(self) -> bytes:
        """What is left of the body. Raises ClientDisconnected when it broke off."""
        left = self.limit - self._pos
        try:
            data: bytes = self._stream.read(left)
        except (OSError, ValueError) as error:
            raise ClientDisconnected() from error
        if len(data) < left:
            raise ClientDisconnected()
        self._pos = self.limit
        return data


class FormRequest(Request):
    """Flask's, with that parser and that body."""

    form_data_parser_class = FormParser

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Raises RequestEntityTooLarge for one that is over the limit."""
        length = self.content_length or 0
        if self.max_content_length is not None and length > self.max_content_length:
            raise RequestEntityTooLarge()
        return cast(IO[bytes], Body(self.environ["wsgi.input"], length))


def _check_fields(data: bytes) -> None:
    if len(data) > MAX_PARTS and data.count(b"&") >= MAX_PARTS:
        raise TooLarge(f"the form has more than {MAX_PARTS} fields")
    if len(data) > MORE_CODED and data.count(b"%") > MORE_CODED + len(data) // CODED:
        raise TooLarge("too much of the form is percent-encoded; send pictures in base64, or as files")


def _has_parts(data: bytes, boundary: bytes) -> bool:
    """Whether there is a part at all. Raises TooLarge when there are too many, or too much is said about one."""
    place, count = data.find(boundary), 0
    while place >= 0:
        place += len(boundary)
        if data.startswith(b"--", place):
            return True
        count += 1
        if count > MAX_PARTS:
            raise TooLarge(f"the body has more than {MAX_PARTS} parts")
        blank = _BLANK_LINE.search(data, place, place + MAX_HEAD)
        if blank is None and len(data) > place + MAX_HEAD:
            raise TooLarge(f"what is said about part {count} of the body is longer than {MAX_HEAD >> 10} KiB")
        place = data.find(boundary, blank.end() if blank else place)
    return count > 0
