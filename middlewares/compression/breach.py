"""Hide what the length of a compressed secret tells: BREACH.

Who can make a browser ask for pages that hold both a secret and text of his choice, and can see how long the answers
are, learns the secret byte by byte: they shrink by what both have in common. Padding by a number of bytes that depends
on the content blurs each length; what is asked for across sites need not be compressed at all.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from middlewares.core.headers import find, joined
from middlewares.core.memo import Memo
from middlewares.core.vary import VaryOn

if TYPE_CHECKING:
    from middlewares.core.headers import HeaderList, Headers

__all__ = ("VARY_GUARDED", "is_cross_site", "is_sensitive", "padding_for")

VARY_GUARDED: Final = VaryOn(b"Sec-Fetch-Site", b"Origin", b"Referer")
"""What decides whether a sensitive response is encoded."""

_OWN_SITES: Final = frozenset({b"same-origin", b"same-site", b"none"})
"""What ``Sec-Fetch-Site`` says of requests that no other site made; what is unknown might say anything."""

_IS_PRIVATE: Final = Memo(lambda value: b"private" in value.lower())


def padding_for(data: bytes) -> int:
    """Return how many bytes are to be added to these, from 1 to 64.

    The same content gets the same number, or else asking often enough would average it out; and entity tags that an
    outer layer makes of the bytes would never match.
    """
    return 1 + blake2b(data, digest_size=1, person=b"padding").digest()[0] % 64


def is_sensitive(headers: HeaderList) -> bool:
    """Return whether a response may hold secrets of a user: it sets cookies, or is private (RFC 9111, 5.2.2.7)."""
    for name, value in headers:
        size = len(name)
        if size == 10 and name.lower() == b"set-cookie":
            return True
        if size == 13 and name.lower() == b"cache-control" and _IS_PRIVATE[value]:
            return True
    return False


def is_cross_site(headers: Headers) -> bool:
    """Return whether another site made the browser ask (Fetch Metadata, 2.3), as far as the request tells.

    ``Sec-Fetch-Site`` says it; without that field, an ``Origin`` or else a ``Referer`` of another host does.
    """
    headers = [*headers]
    site = joined(headers, b"sec-fetch-site")
    if site is not None:
        return site.strip().lower() not in _OWN_SITES
    source = find(headers, b"origin") or find(headers, b"referer")
    return source is not None and _host(source) != _host(b"//" + (find(headers, b"host") or b""))


def _host(url: bytes) -> str | None:
    try:
        return urlsplit(url.decode("latin-1")).hostname
    except ValueError:
        return None
