"""Which responses may be compressed, and what compressing does to their headers.

The numbers in comments are clauses of RFC 9110 unless another document is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from middlewares.core.etags import weaken
from middlewares.core.fields import is_token
from middlewares.core.headers import HeaderList, Headers, add_vary, joined

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = (
    "COMPRESSIBLE_TYPES",
    "MediaTypes",
    "Verdict",
    "accepted",
    "encoded",
    "forbids_transformation",
    "judge",
    "media_type_problem",
    "revalidated",
    "varied",
)

COMPRESSIBLE_TYPES: Final = (
    "text/*",
    "application/*+json",
    "application/*+xml",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/jsonlines",
    "application/ld+json",
    "application/ndjson",
    "application/rtf",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "image/vnd.microsoft.icon",
    "image/x-icon",
)
"""Media types whose bodies shrink; others are compressed already, or unknown."""

Verdict = Literal["compress", "vary", "revalidate", "leave"]
"""``compress``: it may be; ``vary``: this one is too small, but its siblings are compressed; ``revalidate``: a 304,
whose fields replace those of a stored response; ``leave``: it is none of our business."""

_UNTOUCHED_STATUSES: Final = frozenset({204, 205, 206})  # no content (15.3.5, 15.3.6), a range (15.3.7)
_TYPES_REMEMBERED: Final = 256

_VARY: Final = (b"vary", b"Accept-Encoding")

_DROPPED: Final = frozenset(
    {
        b"accept-ranges",  # ranges of the encoded bytes cannot be served (14.3)
        b"content-length",  # describes the bytes as they were
        b"content-md5",
        b"content-digest",  # RFC 9530, 2: of the bytes sent
        b"repr-digest",  # RFC 9530, 3: of the representation, which includes its coding
        b"digest",  # RFC 3230, the same of old
    }
)


class MediaTypes:
    """A set of media types with patterns such as ``text/*`` and ``application/*+json``, asked by ``Content-Type``."""

    __slots__ = ("_exact", "_prefixes", "_seen", "_suffixes")

    def __init__(self, patterns: Collection[str]) -> None:
        lowered = [pattern.strip().lower() for pattern in patterns]
        self._exact = frozenset(pattern for pattern in lowered if "*" not in pattern)
        self._prefixes = tuple(pattern[:-1] for pattern in lowered if pattern.endswith("/*"))
        self._suffixes = tuple(tuple(pattern.split("*", 1)) for pattern in lowered if "/*+" in pattern)
        self._seen: dict[bytes, bool] = {}

    def __contains__(self, content_type: bytes) -> bool:
        known = self._seen.get(content_type)
        if known is None:
            known = self._matches(content_type)
            if len(self._seen) < _TYPES_REMEMBERED:  # applications send a handful of types
                self._seen[content_type] = known
        return known

    def _matches(self, content_type: bytes) -> bool:
        media_type = content_type.partition(b";")[0].strip().lower().decode("latin-1")
        if media_type in self._exact or media_type.startswith(self._prefixes):
            return True
        return any(media_type.startswith(start) and media_type.endswith(end) for start, end in self._suffixes)


def judge(status: int, headers: Headers, media_types: MediaTypes, minimum_size: int) -> Verdict:
    """Return what may be done to a response, by its status and header fields."""
    if status < 200 or status in _UNTOUCHED_STATUSES:
        return "leave"
    content_type = length = None
    for name, value in headers:
        # Telling names apart by length first spares a lower-case copy of most.
        size = len(name)
        if size == 12 and name.lower() == b"content-type":
            content_type = value
        elif size == 14 and name.lower() == b"content-length":
            length = value
        elif (size == 13 or size == 16) and _forbids(name.lower(), value):
            return "leave"
    if status == 304:
        return "revalidate"  # it carries what the 200 would (15.4.5), and has no body
    if content_type is None or content_type not in media_types:
        return "leave"
    if length is not None and length.isdigit() and len(length) < 10 and int(length) < minimum_size:
        return "vary"
    return "compress"


def _forbids(name: bytes, value: bytes) -> bool:
    """Return whether a header field forbids compressing: encoded already (8.4), a part (14.4), RFC 9111, 5.2.2.6."""
    if name == b"cache-control":
        return b"no-transform" in value.lower()
    return name in (b"content-encoding", b"content-range")


def accepted(headers: Headers) -> bytes | None:
    """Return the codings that a request accepts, as one list; ``None`` if it names none."""
    codings = None
    for name, value in headers:
        if len(name) == 15 and name.lower() == b"accept-encoding":
            codings = value if codings is None else codings + b", " + value
    return codings


def forbids_transformation(headers: Headers) -> bool:
    """Return whether a request asks that nothing be transformed on its way (RFC 9111, 5.2.1.6)."""
    return b"no-transform" in (joined(headers, b"cache-control") or b"").lower()


def media_type_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern of media types, in words that follow an option's name, or ``None``."""
    kind, slash, subtype = pattern.partition("/")
    wild = subtype == "*" or (subtype.startswith("*+") and is_token(subtype[2:]))
    if slash and is_token(kind) and "*" not in kind and (wild or (is_token(subtype) and "*" not in subtype)):
        return None
    return "must hold media types such as 'text/html', 'text/*' or 'application/*+json'"


def varied(headers: Sequence[tuple[bytes, bytes]]) -> HeaderList:
    """Return the headers of a response that other clients get encoded (12.5.5)."""
    for name, _ in headers:
        if len(name) == 4 and name.lower() == b"vary":
            return add_vary(headers, b"Accept-Encoding")
    return [*headers, _VARY]


def revalidated(headers: Headers) -> HeaderList:
    """Return the headers of a 304, which keep those of the stored response right (15.4.5)."""
    return varied([(name, weaken(value) if name.lower() == b"etag" else value) for name, value in headers])


def encoded(headers: Headers, coding: bytes, length: int | None) -> HeaderList:
    """Return the headers of a response whose body is now encoded, in ``length`` bytes if that is known."""
    result: HeaderList = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"etag":
            # Two codings of one resource are two byte streams, so the tag no longer promises equal bytes (8.8.1).
            result.append((name, weaken(value)))
        elif lower not in _DROPPED:
            result.append((name, value))
    result.append((b"content-encoding", coding))
    if length is not None:
        result.append((b"content-length", b"%d" % length))
    return varied(result)
