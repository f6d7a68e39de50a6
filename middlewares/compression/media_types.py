"""Which media types are worth compressing, and how patterns of them are written.

Standard: RFC 9110, 8.3.1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from middlewares.core.fields import is_token
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ("COMPRESSIBLE_TYPES", "MediaTypes", "is_event_type", "media_type_problem")

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

_EVENT_TYPES: Final = frozenset(
    {b"text/event-stream", b"application/x-ndjson", b"application/ndjson", b"application/jsonlines"}
)


class MediaTypes(Memo[bool]):
    """A set of media types with patterns such as ``text/*`` and ``application/*+json``, asked by ``Content-Type``."""

    __slots__ = ()

    def __init__(self, patterns: Collection[str], but: Collection[str] = ()) -> None:
        included = _matcher(patterns)
        super().__init__(partial(_is_in, included, _matcher(but) if but else None))


def _matcher(patterns: Collection[str]) -> Callable[[str], bool]:
    lowered = [pattern.lower() for pattern in patterns]
    exact = frozenset(pattern for pattern in lowered if "*" not in pattern)
    prefixes = tuple(pattern[:-1] for pattern in lowered if pattern.endswith("/*"))
    suffixes = [pattern.split("*", 1) for pattern in lowered if "/*+" in pattern]
    return partial(_matches, exact, prefixes, suffixes)


def _is_in(included: Callable[[str], bool], excluded: Callable[[str], bool] | None, content_type: bytes) -> bool:
    media_type = _essence(content_type).decode("latin-1")
    return included(media_type) and not (excluded is not None and excluded(media_type))


def _matches(exact: frozenset[str], prefixes: tuple[str, ...], suffixes: list[list[str]], media_type: str) -> bool:
    if media_type in exact or media_type.startswith(prefixes):
        return True
    return any(media_type.startswith(start) and media_type.endswith(end) for start, end in suffixes)


def _essence(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


_IS_EVENT_TYPE: Final = Memo(lambda content_type: _essence(content_type) in _EVENT_TYPES)


def is_event_type(content_type: bytes) -> bool:
    """Return whether bodies of a type are made of records that come one by one, the first perhaps much later."""
    return _IS_EVENT_TYPE[content_type]


def media_type_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern of media types, in words that follow an option's name, or ``None``."""
    kind, slash, subtype = pattern.partition("/")
    wild = subtype == "*" or (subtype.startswith("*+") and is_token(subtype[2:]))
    if slash and is_token(kind) and "*" not in kind and (wild or (is_token(subtype) and "*" not in subtype)):
        return None
    return "must hold media types such as 'text/html', 'text/*' or 'application/*+json'"
