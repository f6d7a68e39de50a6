"""The formats of a page of metrics, and which of them a scraper gets.

Standard: Prometheus, "Exposition formats", "Content negotiation" and "Escaping schemes"; OpenMetrics 1.0; RFC 9110,
12.5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from middlewares.core.fields import parse_parameters, parse_weighted, split_list

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("TEXT", "Format", "Kind", "choose_format")

Kind = Literal["text", "openmetrics", "protobuf"]

_LONGEST: Final = 2048
_ESCAPINGS: Final = frozenset({"allow-utf-8", "underscores", "dots", "values"})
_MESSAGE: Final = "io.prometheus.client.MetricFamily"
_BEGINS: Final[dict[Kind, str]] = {
    "text": "text/plain; version={}; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version={}; charset=utf-8",
    "protobuf": f"application/vnd.google.protobuf; proto={_MESSAGE}; encoding=delimited",
}


class Format(NamedTuple):
    """A format, and how names are written that were not possible before Prometheus 3."""

    kind: Kind
    version: str = ""
    """Of a text."""
    escaping: str | None = None

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type``."""
        escaping = f"; escaping={self.escaping}" if self.escaping else ""
        return _BEGINS[self.kind].format(self.version) + escaping


TEXT: Final = Format("text", "0.0.4")
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
    if media_type == b"application/vnd.google.protobuf":
        is_known = parameters.get(b"proto") == _MESSAGE and parameters.get(b"encoding") == "delimited"
        return Format("protobuf", escaping=escaping) if is_known else None
    if media_type == b"application/openmetrics-text" and version in (None, "1.0.0"):
        return Format("openmetrics", "1.0.0", escaping if version else None)
    if media_type == b"text/plain" and version == "1.0.0":
        return Format("text", "1.0.0", escaping or "underscores")
    if media_type in (b"text/plain", b"text/*", b"*/*") and version in (None, "0.0.4"):
        return TEXT
    return None
