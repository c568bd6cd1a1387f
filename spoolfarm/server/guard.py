"""The guard: which requests are allowed, by the host named, the page's origin, and the key."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Mapping
from typing import Any

from flask import request

from spoolfarm import config
from spoolfarm.errors import Forbidden, Unauthorized

log = logging.getLogger("spoolfarm.server.guard")

#: Endpoints that never want the key, and how the names of all others end that do not: pages, and their files.
OPEN = {"health.health", "health.ready", "home.home", "help.chapter", "help.search", "static"}
PAGES = (".page", ".static")
#: Hosts that always mean this machine.
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
#: What browsers say of a request that a page of another site, or of another host or port of the same site, has made.
CROSS_SITE = "cross-site"
FOREIGN = (CROSS_SITE, "same-site")
#: So many refused origins are told to the log, each once, with so many letters.
TOLD, TOLD_LETTERS = 100, 200

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@\[\]]+))(?::[0-9]{0,5})?")


class Guard:
    """Decides which requests are allowed, by the host named, the page's origin, and the key."""

    def __init__(self, settings: config.Settings) -> None:
        self._key = hashlib.sha256(settings.api_key.encode()).digest() if settings.api_key else None
        named = {host.lower() for host in (*settings.hosts, *(address.host for address in settings.bind))}
        is_open = not settings.hosts and not all(address.loopback for address in settings.bind)
        self._hosts = None if is_open else LOOPBACK | named
        self._origins = settings.cors_origins
        self._told: set[str] = set()

    def check(self, environ: Mapping[str, Any]) -> None:
        """Raise Forbidden or Unauthorized, or let the request pass."""
        self.check_place(environ)
        if self._key is not None and not wants_no_key(request.endpoint or "") and request.method != "OPTIONS":
            self.check_key(self.given_key(environ))

    def check_place(self, environ: Mapping[str, Any], *, navigable: bool = True) -> None:
        """Raise Forbidden for a foreign host name or a foreign page.

        A page of another site may lead here by a link, if this is *navigable*. What it would load as a script or a
        picture is refused: browsers name no origin then, and say only of what site it is (Fetch Metadata). Where
        FARM_CORS_ORIGINS lets pages in, it may be one of theirs, and passes, unless it is not *navigable*.
        """
        host = host_of(environ.get("HTTP_HOST") or request.host)
        if self._hosts is not None and host not in self._hosts:
            raise Forbidden(f"this farm does not answer to the host name {host!r}; name it in FARM_HOSTS")
        origin = environ.get("HTTP_ORIGIN")
        if origin and origin not in self._origins and "*" not in self._origins and not _same_host(origin):
            self._tell(origin)
            raise Forbidden(f"pages of {origin} may not use this farm; name it in FARM_CORS_ORIGINS")
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site in FOREIGN and not origin and self._embeds(environ, site, navigable=navigable):
            self._tell("another site")
            raise Forbidden("pages of another site may not use this farm; name their origin in FARM_CORS_ORIGINS")

    def _embeds(self, environ: Mapping[str, Any], site: str, *, navigable: bool) -> bool:
        """Whether a page of another *site* would load this as a part of itself."""
        if not navigable:
            return True
        return site == CROSS_SITE and environ.get("HTTP_SEC_FETCH_MODE") != "navigate" and not self._origins

    def _tell(self, origin: str) -> None:
        """Log, for whoever runs the farm, that pages of *origin* are refused."""
        if len(self._told) < TOLD and origin not in self._told:
            self._told.add(origin)
            log.warning("pages of %.*r may not use this farm; name it in FARM_CORS_ORIGINS", TOLD_LETTERS, origin)

    def check_key(self, given: str) -> None:
        """Raise Unauthorized unless *given* is the key, or there is none."""
        if self._key is None:
            return
        if not hmac.compare_digest(hashlib.sha256(given.strip().encode(errors="replace")).digest(), self._key):
            raise Unauthorized()

    def given_key(self, environ: Mapping[str, Any]) -> str:
        """The key that the headers carry."""
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        return given if scheme.lower() == "bearer" else str(environ.get("HTTP_X_API_KEY", ""))


def wants_no_key(endpoint: str) -> bool:
    """Whether *endpoint* never wants the key."""
    return endpoint in OPEN or endpoint.endswith(PAGES)


def host_of(authority: str) -> str:
    """The host of `host:port` or `[v6]:port` (RFC 3986, 3.2.2); of anything else the whole, which is no host's name."""
    parts = _AUTHORITY.fullmatch(authority)
    return (parts[1] or parts[2] if parts else authority).lower()


def _same_host(origin: str) -> bool:
    return origin.partition("://")[2] == request.host
