"""Which responses may be compressed, and what compressing does to their headers.

The numbers in comments are clauses of RFC 9110 unless another document is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from middlewares.asgi import Scope
from middlewares.core.etags import weaken
from middlewares.core.headers import HeaderList, Headers, find_all, remove
from middlewares.core.memo import Memo
from middlewares.core.negotiation import choose_coding
from middlewares.core.vary import VaryOn

from .breach import VARY_GUARDED, is_sensitive
from .codecs import Codec
from .entity_tags import SuffixedTags
from .media_types import MediaTypes, is_event_type
from .offload import EncodingThreads

if TYPE_CHECKING:
    from .dictionaries import Dictionaries  # noqa: TC004 - nothing reads these annotations; importing it is costly

__all__ = (
    "COMPRESS",
    "EVENTS",
    "OPTED_OUT",
    "REVALIDATE",
    "SMALL",
    "Plan",
    "asked",
    "described_anew",
    "encoded",
    "judge",
    "revalidating",
    "weakened",
)

COMPRESS: Final = "compress"
"""The verdict that a response may be encoded."""
EVENTS: Final = "events"
"""The verdict that a response may be encoded, and brings records that come one by one, perhaps for hours."""
SMALL: Final = "small"
"""The verdict that its length is not worth it."""
REVALIDATE: Final = "no content"
"""The verdict on a 304, whose fields replace those of a stored response."""
OPTED_OUT: Final = "opted out"
"""The verdict that the application wants this response as it is."""

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

_DROP, _TAG, _FRAMING = 1, 2, 3
_EFFECTS: Final = Memo(lambda name: _effect(name.lower()))
"""What names of fields mean to encoding, most of them nothing."""

_NO_TRANSFORM: Final = Memo(lambda value: b"no-transform" in value.lower())
"""Whether a ``Cache-Control`` field says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a compressing layer wants done, settled when it is built."""

    codecs: Mapping[bytes, Codec]
    """Codecs by the names of their codings."""
    minimum_size: int
    media_types: MediaTypes
    predicate: Callable[[Scope, int, HeaderList], object] | None = None
    flushes_all: bool = True
    """Whether every chunk of a stream is flushed, not only those of event streams."""
    tags: SuffixedTags | None = None
    """How strong entity tags are suffixed; ``None`` if they become weak."""
    pads: bool = False
    guards: bool = False
    files: bool = True
    precompressed: bool = False
    dictionaries: Dictionaries | None = None
    threads: EncodingThreads = field(default_factory=EncodingThreads)
    choose: Memo[Codec | None] = field(init=False, repr=False)
    """The codec for each value of ``Accept-Encoding``, ``None`` for the content as it is."""
    floor: bytes = field(init=False, repr=False)
    """The minimum size as a ``Content-Length`` of as many digits would say it."""
    is_special: bool = field(init=False, repr=False)
    """Whether more than the usual is asked about responses."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "choose", Memo(partial(_choose, self.codecs)))
        object.__setattr__(self, "floor", b"%d" % self.minimum_size)
        is_special = self.guards or self.predicate is not None or self.dictionaries is not None
        object.__setattr__(self, "is_special", is_special)


def _choose(codecs: Mapping[bytes, Codec], field: bytes) -> Codec | None:
    # A client that accepts nothing on offer gets the content as it is: RFC 9110, 12.5.3 prefers that to none.
    return codecs.get(choose_coding(field, tuple(codecs)) or b"")


def judge(scope: Scope, status: int, headers: HeaderList, plan: Plan) -> str:
    """Return what may be done to a response, by its status and header fields: a verdict, or else why it is left alone.

    Where the verdict is one of `COMPRESS`, `EVENTS`, `SMALL` and `REVALIDATE`, ``Accept-Encoding`` joins its ``Vary``
    in ``headers``: other clients, or other states of this resource, get something else (12.5.5).
    """
    if status != 200 and (status < 200 or status in _UNTOUCHED_STATUSES):
        return "status"
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
                    return "no-transform"  # RFC 9111, 5.2.2.6
            elif name.lower() == b"content-range":
                return "range"  # a part of something (14.4)
        elif size == 4:
            is_varied = is_varied or name.lower() == b"vary"
        elif size == 16 and name.lower() == b"content-encoding":
            return _encoded_already(headers)
    # A 304 carries what the 200 would, whose type it need not tell (15.4.5).
    if not (status == 304 if content_type is None else plan.media_types[content_type]):
        return "type"
    if plan.is_special and not _is_wanted(scope, status, headers, plan):
        return "predicate"
    if is_varied or plan.is_special:
        _VARY.extend(headers)
    else:
        headers.append(_VARY.line)
    if status == 304:
        return REVALIDATE
    if length is not None:
        # Compared as text, a length need not be parsed.
        floor = plan.floor
        if len(length) < len(floor) or (len(length) == len(floor) and length < floor):
            return SMALL
    elif content_type is not None and is_event_type(content_type):
        return EVENTS  # what has a length is a recording, perhaps sent by its path
    return COMPRESS


def _is_wanted(scope: Scope, status: int, headers: HeaderList, plan: Plan) -> bool:
    """Return whether the predicate wants a response encoded; if so, what else that depends on joins its ``Vary``."""
    if plan.predicate is not None and not plan.predicate(scope, status, [*headers]):
        return False
    if plan.dictionaries is not None and plan.dictionaries.varies(scope):
        plan.dictionaries.vary.extend(headers)
    else:
        _VARY.extend(headers)
    if plan.guards and is_sensitive(headers):
        VARY_GUARDED.extend(headers)
    return True


def _encoded_already(headers: HeaderList) -> str:
    """Return why a response with a coding is left alone; ``identity`` is the application's wish to have none."""
    if any(value.strip().lower() != b"identity" for value in find_all(headers, b"content-encoding")):
        return "encoded"  # 8.4
    headers[:] = remove(headers, b"content-encoding")  # 8.4.1: the name is for Accept-Encoding alone
    return OPTED_OUT


def asked(headers: Headers) -> tuple[bytes | None, bool]:
    """Return what a request says of codings, and whether it asks that content be transformed nowhere on its way.

    The former is its ``Accept-Encoding``, several lines joined, the latter ``no-transform`` (RFC 9111, 5.2.1.6).
    """
    codings, is_fixed = None, False
    for name, value in headers:
        # Comparing lengths first spares a lower-case copy of nearly every name.
        size = len(name)
        if size == 15:
            if name == b"accept-encoding" or name.lower() == b"accept-encoding":
                codings = value if codings is None else codings + b", " + value  # RFC 9110, 5.3
        elif size == 13 and name.lower() == b"cache-control":
            is_fixed = is_fixed or _NO_TRANSFORM[value]
    return codings, is_fixed


def weakened(headers: HeaderList) -> HeaderList:
    """Return the headers of a response with its strong entity tag made weak.

    Two codings of one resource are two byte streams, so the tag no longer promises equal bytes (8.8.1).
    """
    return [(name, weaken(value) if name.lower() == b"etag" else value) for name, value in headers]


def described_anew(headers: Headers, coding: bytes, tags: SuffixedTags | None) -> HeaderList:
    """Return header or trailer fields without what describes the bytes as they were before encoding."""
    return _described(headers, coding, tags)[0]


def encoded(headers: HeaderList, coding: bytes, length: int | None, tags: SuffixedTags | None) -> HeaderList:
    """Return the headers of a response whose body is now encoded, in ``length`` bytes if that is known."""
    result, is_framed = _described(headers, coding, tags)
    result.append((b"content-encoding", coding))
    # Where the application names a framing itself, there must be no length (RFC 9112, 6.2).
    if length is not None and not is_framed:
        result.append((b"content-length", b"%d" % length))
    return result


def _described(headers: Headers, coding: bytes, tags: SuffixedTags | None) -> tuple[HeaderList, bool]:
    """Return the fields that hold for the encoded bytes, and whether one of them is ``Transfer-Encoding``."""
    result: HeaderList = []
    is_framed = False
    for name, value in headers:
        line = name, value
        effect = _EFFECTS[name]
        if effect:
            if effect == _DROP:
                continue
            if effect == _TAG:
                line = name, weaken(value) if tags is None else tags.encoded(value, coding)
            else:
                is_framed = True
        result.append(line)
    return result, is_framed


def _effect(name: bytes) -> int:
    return _DROP if name in _DROPPED else _TAG if name == b"etag" else _FRAMING if name == b"transfer-encoding" else 0


def revalidating(headers: HeaderList, request_headers: Headers, tags: SuffixedTags | None) -> HeaderList:
    """Return the fields of a 304 as the encoded 200 had them (15.4.5): none describes the bytes as they were (8.6)."""
    headers = remove(headers, *_DROPPED)
    return weakened(headers) if tags is None else tags.revalidated(headers, request_headers)
