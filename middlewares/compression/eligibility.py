"""Which responses may be compressed, and what compressing does to their headers.

The numbers in comments are clauses of RFC 9110 unless another document is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from middlewares.core.etags import weaken
from middlewares.core.fields import is_token
from middlewares.core.headers import HeaderList, Headers, remove
from middlewares.core.memo import Memo
from middlewares.core.vary import VaryOn

from .codecs import Codec

if TYPE_CHECKING:
    from collections.abc import Collection


__all__ = (
    "COMPRESSIBLE_TYPES",
    "MediaTypes",
    "Plan",
    "Verdict",
    "described_anew",
    "encoded",
    "forbids_transformation",
    "judge",
    "media_type_problem",
    "weakened",
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

Verdict = Literal["compress", "small", "revalidate", "leave"]
"""``compress``: it may be; ``small``: it is not worth it; ``revalidate``: a 304,
whose fields replace those of a stored response; ``leave``: it is none of our business."""

_UNTOUCHED_STATUSES: Final = frozenset({204, 205, 206})  # no content (15.3.5, 15.3.6), a range (15.3.7)

_VARY: Final = VaryOn(b"Accept-Encoding")

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


_NO_TRANSFORM: Final = Memo(lambda value: b"no-transform" in value.lower())
"""Whether a ``Cache-Control`` field says so."""


class MediaTypes(Memo[bool]):
    """A set of media types with patterns such as ``text/*`` and ``application/*+json``, asked by ``Content-Type``."""

    __slots__ = ()

    def __init__(self, patterns: Collection[str]) -> None:
        lowered = [pattern.lower() for pattern in patterns]
        exact = frozenset(pattern for pattern in lowered if "*" not in pattern)
        prefixes = tuple(pattern[:-1] for pattern in lowered if pattern.endswith("/*"))
        suffixes = [pattern.split("*", 1) for pattern in lowered if "/*+" in pattern]
        super().__init__(partial(_matches, exact, prefixes, suffixes))


def _matches(exact: frozenset[str], prefixes: tuple[str, ...], suffixes: list[list[str]], content_type: bytes) -> bool:
    media_type = content_type.partition(b";")[0].strip().lower().decode("latin-1")
    if media_type in exact or media_type.startswith(prefixes):
        return True
    return any(media_type.startswith(start) and media_type.endswith(end) for start, end in suffixes)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a compressing layer wants done, settled when it is built."""

    codec: Codec
    minimum_size: int
    media_types: MediaTypes
    floor: bytes = field(init=False, repr=False)
    """The minimum size as a ``Content-Length`` of as many digits would say it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "floor", b"%d" % self.minimum_size)


def judge(status: int, headers: HeaderList, plan: Plan) -> Verdict:
    """Return what may be done to a response, by its status and header fields.

    Unless it is to be left alone, ``Accept-Encoding`` joins its ``Vary`` in ``headers``: other clients, or other
    states of this resource, get something else (12.5.5).
    """
    if status != 200 and (status < 200 or status in _UNTOUCHED_STATUSES):
        return "leave"
    content_type = length = None
    is_varied = False
    for name, value in headers:
        # Every response passes here. Lengths tell most names apart, which spares a lower-case copy of each.
        size = len(name)
        if size == 12:
            if name == b"content-type" or name.lower() == b"content-type":
                content_type = value
        elif size == 14:
            if name == b"content-length" or name.lower() == b"content-length":
                length = value
        elif size == 13:
            if name == b"cache-control" or name.lower() == b"cache-control":
                if _NO_TRANSFORM[value]:
                    return "leave"  # RFC 9111, 5.2.2.6
            elif name.lower() == b"content-range":
                return "leave"  # a part of something (14.4)
        elif size == 4:
            is_varied = is_varied or name.lower() == b"vary"
        elif size == 16 and name.lower() == b"content-encoding":
            return "leave"  # encoded already (8.4)
    # A 304 carries what the 200 would, whose type it need not tell (15.4.5).
    if not (status == 304 if content_type is None else plan.media_types[content_type]):
        return "leave"
    is_small = False
    if length is not None:
        # Compared as text, a length need not be parsed.
        floor = plan.floor
        is_small = len(length) < len(floor) or (len(length) == len(floor) and length < floor)
    if is_varied:
        _VARY.extend(headers)
    else:
        headers.append(_VARY.line)
    if status == 304:
        return "revalidate"
    return "small" if is_small else "compress"


def forbids_transformation(headers: Headers) -> bool:
    """Return whether a request asks that content be transformed nowhere on its way (RFC 9111, 5.2.1.6)."""
    for name, value in headers:  # noqa: SIM110 - a generator would cost more than the loop
        if len(name) == 13 and name.lower() == b"cache-control" and _NO_TRANSFORM[value]:
            return True
    return False


def media_type_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern of media types, in words that follow an option's name, or ``None``."""
    kind, slash, subtype = pattern.partition("/")
    wild = subtype == "*" or (subtype.startswith("*+") and is_token(subtype[2:]))
    if slash and is_token(kind) and "*" not in kind and (wild or (is_token(subtype) and "*" not in subtype)):
        return None
    return "must hold media types such as 'text/html', 'text/*' or 'application/*+json'"


def weakened(headers: HeaderList) -> HeaderList:
    """Return the headers of a response with its strong entity tag made weak.

    Two codings of one resource are two byte streams, so the tag no longer promises equal bytes (8.8.1).
    """
    return [(name, weaken(value) if name.lower() == b"etag" else value) for name, value in headers]


def described_anew(headers: Headers) -> HeaderList:
    """Return header or trailer fields without what describes the bytes as they were before encoding."""
    return weakened(remove(headers, *_DROPPED))


def encoded(headers: HeaderList, coding: bytes, length: int | None) -> HeaderList:
    """Return the headers of a response whose body is now encoded, in ``length`` bytes if that is known."""
    result = described_anew(headers)
    result.append((b"content-encoding", coding))
    if length is not None:
        result.append((b"content-length", b"%d" % length))
    return result
