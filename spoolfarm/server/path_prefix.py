"""The path prefix: where a proxy has the farm, so that every address it gives leads back through the proxy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from spoolfarm.config import Network

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: What a prefix looks like.
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){1,10}")


class PathPrefix:
    """The WSGI application *app* below a prefix: *base*, or what a proxy says in `X-Forwarded-Prefix`.

    A proxy says so when it is on this machine or in one of the *trusted* networks; another client could have the answer
    to somebody else, out of a cache, lead elsewhere. The proxy may have taken the prefix off the path, or left it on,
    unless the prefix begins as an address of the farm itself does, which *own* holds: then it has to be off.
    """

    def __init__(self, app: Application, base: str, trusted: Sequence[Network], own: Iterable[str]) -> None:
        self._app = app
        self._base = base
        self._trusted = trusted
        self._own = set(own)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        if prefix := self._base or self._forwarded(environ):
            path = environ["PATH_INFO"]
            if f"{path}/".startswith(f"{prefix}/") and prefix.split("/")[1] not in self._own:
                path = path[len(prefix) :]
            environ |= {"SCRIPT_NAME": prefix, "PATH_INFO": path}
        return self._app(environ, start)

    def _forwarded(self, environ: dict[str, Any]) -> str:
        """The prefix that a proxy which may say so has said."""
        given = environ.get("HTTP_X_FORWARDED_PREFIX")
        if not given or not self._trusts(environ.get("REMOTE_ADDR", "")):
            return ""
        prefix: str = given.rstrip("/")
        return prefix if PREFIX.fullmatch(prefix) else ""

    def _trusts(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or any(address in network for network in self._trusted)
