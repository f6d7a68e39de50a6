"""The formats of a page of metrics, and which of them a scraper gets.

Standard: Prometheus, "Exposition formats" and "Content negotiation"; OpenMetrics 1.0; RFC 9110, 12.5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from middlewares.core.fields import parse_parameters, parse_weighted, split_list

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("TEXT", "Format", "choose_format")

_LONGEST: Final = 2048
_ESCAPINGS: Final = frozenset({"allow-utf-8", "underscores", "dots", "values"})


class Format(NamedTuple):
    """A format, and how names are written that were not possible before Prometheus 3."""

    is_open: bool
    """Whether it is OpenMetrics."""
    version: str
    escaping: str | None = None

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type``."""
        media_type = "application/openmetrics-text" if self.is_open else "text/plain"
        escaping = f"; escaping={self.escaping}" if self.escaping else ""
        return f"{media_type}; version={self.version}; charset=utf-8{escaping}"


TEXT: Final = Format(is_open=False, version="0.0.4")
"""What everybody understands."""


def choose_format(accept: bytes | None) -> Format:
    """Return the format that an ``Accept`` value prefers; of equals the first that it lists.

    A scraper that takes none of them gets the text format: an answer that it may understand is better than none.
    """
    if not accept or len(accept) > _LONGEST:
        return TEXT
    best, most = TEXT, 0
    for found, weight in _acceptable(accept):
        if weight > most:
            best, most = found, weight
    return best


def _acceptable(accept: bytes) -> Iterator[tuple[Format, int]]:
    for element in split_list(accept):
        weighted = parse_weighted(element)
        if weighted:
            media_type, parameters = parse_parameters(element)
            found = _offer(media_type, {name: value.decode("latin-1") for name, value in parameters.items()})
            if found is not None:
                yield found, weighted[0][1]


def _offer(media_type: bytes, parameters: dict[bytes, str]) -> Format | None:
    """Return the format that a media range asks for."""
    version, escaping = parameters.get(b"version"), parameters.get(b"escaping")
    escaping = escaping if escaping in _ESCAPINGS else None
    if media_type == b"application/openmetrics-text" and version in (None, "1.0.0"):
        return Format(is_open=True, version="1.0.0", escaping=escaping if version else None)
    if media_type == b"text/plain" and version == "1.0.0":
        return Format(is_open=False, version="1.0.0", escaping=escaping or "underscores")
    if media_type in (b"text/plain", b"text/*", b"*/*") and version in (None, "0.0.4"):
        return TEXT
    return None
