"""Give each coding of a resource an entity tag of its own, and take such tags back from requests.

::

    "x"  ──▶  "x-gzip" on the response that was encoded
    "x"  ◀──  "x-gzip" in If-None-Match and If-Match

Two codings of one resource are two byte streams, so they must not share a strong tag (RFC 9110, 8.8.3.3).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from middlewares.core.etags import WILDCARD, is_etag, parse_etag_list, weak_match, weaken
from middlewares.core.headers import find_all

if TYPE_CHECKING:
    from collections.abc import Collection

    from middlewares.core.headers import HeaderList, Headers

__all__ = ("SuffixedTags",)

_CONDITIONS: Final = frozenset({b"if-none-match", b"if-match"})


class SuffixedTags:
    """Entity tags that end in the name of a coding.

    ``If-Range`` is left as it is: no range of encoded bytes is served, so a tag of theirs must match nothing (14.2).
    """

    __slots__ = ("_codings", "_suffix")

    def __init__(self, codings: Collection[bytes]) -> None:
        self._codings = frozenset(codings)
        names = b"|".join(re.escape(coding) for coding in codings)
        self._suffix = re.compile(rb'(.*)-(?:%b)"' % names, re.DOTALL)

    def encoded(self, etag: bytes, coding: bytes) -> bytes:
        """Return the tag of the encoded bytes; a weak one promises no equal bytes, so it stays.

        With a dictionary one coding has many streams of bytes, which no suffix tells apart: the tag becomes weak.
        """
        if coding not in self._codings:
            return weaken(etag)
        return etag[:-1] + b"-" + coding + b'"' if etag.startswith(b'"') and is_etag(etag) else etag

    def plain(self, etag: bytes) -> bytes:
        """Return the tag that the application gave, for one that a client sends."""
        suffixed = self._suffix.fullmatch(etag)
        return suffixed[1] + b'"' if suffixed else etag

    def request_headers(self, headers: Headers) -> HeaderList | None:
        """Return the fields of a request with the application's own tags, or ``None`` if they hold no others."""
        result: HeaderList = []
        is_changed = False
        for name, value in headers:
            plain = value
            if b'"' in value and name.lower() in _CONDITIONS:
                tags = parse_etag_list(value)
                mapped = tags if tags is WILDCARD else [self.plain(tag) for tag in tags]
                if mapped is not WILDCARD and mapped != tags:
                    plain, is_changed = b", ".join(mapped), True
            result.append((name, plain))
        return result if is_changed else None

    def revalidated(self, headers: HeaderList, request_headers: Headers) -> HeaderList:
        """Return the fields of a 304 with the tag that the client's 200 had (RFC 9110, 15.4.5)."""
        sent: list[bytes] = []
        for value in find_all(request_headers, b"if-none-match"):
            tags = parse_etag_list(value)
            sent += () if tags is WILDCARD else tags
        return [(name, self._sent(value, sent) if name.lower() == b"etag" else value) for name, value in headers]

    def _sent(self, etag: bytes, sent: list[bytes]) -> bytes:
        if etag.startswith(b"W/"):
            return etag
        return next((self._given(tag) for tag in sent if weak_match(self.plain(tag), etag)), etag)

    def _given(self, tag: bytes) -> bytes:
        """Return a tag as it was given: one with a suffix is strong, whatever caches made of it."""
        return tag if self.plain(tag) == tag else tag.removeprefix(b"W/")
