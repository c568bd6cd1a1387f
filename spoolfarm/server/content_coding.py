"""The content coding of a body: what a client has compressed is inflated, as far as the limit on bodies allows."""

from __future__ import annotations

import zlib

from spoolfarm.errors import InvalidRequest, TooLarge, UnsupportedMedia

#: The codings that are taken, with what zlib is to expect: a header of gzip or of its own.
CODINGS = {"gzip": 47, "x-gzip": 47, "deflate": 47}
#: Deflate without any header, which some send as `deflate`.
BARE = -15


def inflated(data: bytes, coding: str, limit: int) -> bytes:
    """*data* without the *coding* that `Content-Encoding` names (RFC 9110, section 8.4), of *limit* bytes at most.

    Raises UnsupportedMedia for a coding that is not taken, InvalidRequest for data that is not of it, TooLarge.
    """
    named = [each for each in (part.strip().lower() for part in coding.split(",")) if each not in ("", "identity")]
    if not named:
        return data
    if len(named) > 1 or named[0] not in CODINGS:
        raise UnsupportedMedia(f"Content-Encoding: send the body as it is, or as gzip or deflate, not as {coding}")
    try:
        return _inflate(data, CODINGS[named[0]], limit)
    except zlib.error as error:
        if named[0] == "deflate":
            try:
                return _inflate(data, BARE, limit)
            except zlib.error:
                pass  # nor is it without a header
        raise InvalidRequest(f"Content-Encoding: the body is not {named[0]} ({error})") from error


def _inflate(data: bytes, window: int, limit: int) -> bytes:
    """All members of *data*, one after the other, without ever holding more than *limit* bytes."""
    found: list[bytes] = []
    left = limit
    while data:
        member = zlib.decompressobj(window)
        found.append(member.decompress(data, left + 1))
        left -= len(found[-1])
        if left < 0:
            raise TooLarge(f"the body inflates to more than the limit of {limit >> 20} MiB (FARM_MAX_BODY_MB)")
        if not member.eof:
            raise InvalidRequest("Content-Encoding: the body broke off before its end")
        data = member.unused_data.lstrip(b"\0")  # tapes and some writers fill up with zeros, which gzip passes over
    return b"".join(found)
