"""The metrics by name: those of the semantic conventions, and those of two other packages for their dashboards.

Standard: OpenTelemetry semantic conventions 1.44, HTTP metrics, as OpenTelemetry spells them for Prometheus.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .families import counter, gauge, histogram, summary
from .layout import DURATIONS, Bounds, merged

if TYPE_CHECKING:
    from collections.abc import Callable

    from .families import Family, Label, Pairs
    from .layout import Layout
    from .store import Key

__all__ = ("PRESETS", "HTTPKey", "Names", "Preset", "common_families")

Names = Literal["semantic-conventions", "prometheus-fastapi-instrumentator", "starlette-exporter"]


class HTTPKey(NamedTuple):
    """What tells series of requests apart. Elsewhere it is a plain tuple, which is quicker to make."""

    method: str
    scheme: str
    status: int | str | None
    route: str | None
    error_type: str | None
    version: str | None
    custom: Pairs


_METHOD, _SCHEME, _STATUS, _ROUTE, _ERROR, _VERSION, _CUSTOM = map(itemgetter, range(7))

_REQUEST: Final[tuple[Label, ...]] = (
    ("http_request_method", _METHOD),
    ("url_scheme", _SCHEME),
    ("http_response_status_code", _STATUS),
    ("http_route", _ROUTE),
    ("error_type", _ERROR),
    ("network_protocol_version", _VERSION),
)
_ACTIVE: Final[tuple[Label, ...]] = (("http_request_method", _METHOD), ("url_scheme", _SCHEME))

# The defaults of prometheus-fastapi-instrumentator 8.
_FINE: Final[Bounds] = merged(
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60)
)
_COARSE: Final[Bounds] = (0.1, 0.5, 1.0)


class Preset(NamedTuple):
    """A set of names."""

    durations: Bounds
    """Upper bounds of buckets unless the user gives others, in seconds."""
    always: Bounds
    """Bounds that have to be among them."""
    families: Callable[[str, Layout, Bounds], tuple[Family, ...]]
    """Returns the metrics, by the prefix of their names, the layout, and the bounds that every histogram has."""
    prefix: str = ""


def _semantic(prefix: str, layout: Layout, extra: Bounds) -> tuple[Family, ...]:
    options: dict[str, Any] = {"source": "http", "labels": _REQUEST, "custom": _CUSTOM}
    return (
        histogram(
            f"{prefix}http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            layout.duration,
            unit="seconds",
            has_exemplars=True,
            **options,
        ),
        histogram(
            f"{prefix}http_server_time_to_first_byte_seconds",
            "Time until the response of HTTP server requests begins.",
            layout.first_byte,
            unit="seconds",
            **options,
        ),
        histogram(
            f"{prefix}http_server_request_body_size_bytes",
            "Size of HTTP server request bodies.",
            layout.request_size,
            unit="bytes",
            **options,
        ),
        histogram(
            f"{prefix}http_server_response_body_size_bytes",
            "Size of HTTP server response bodies.",
            layout.response_size,
            unit="bytes",
            **options,
        ),
        gauge(
            f"{prefix}http_server_active_requests",
            "Number of active HTTP server requests.",
            source="active",
            labels=_ACTIVE,
            custom=itemgetter(2),
        ),
    )


def _status_class(key: Key) -> str | None:
    status = key[2]
    return None if status is None else f"{str(status)[0]}xx"


def _instrumentator(prefix: str, layout: Layout, extra: Bounds) -> tuple[Family, ...]:
    handler: Label = ("handler", lambda key: key[3] or "none")
    options: dict[str, Any] = {"source": "http", "custom": _CUSTOM}
    return (
        counter(
            f"{prefix}http_requests",
            "Total number of requests by method, status and handler.",
            layout.duration.total,
            labels=(("method", _METHOD), ("status", _status_class), handler),
            **options,
        ),
        summary(
            f"{prefix}http_request_size_bytes",
            "Bytes of request bodies by handler.",
            layout.request_size,
            unit="bytes",
            labels=(handler,),
            **options,
        ),
        summary(
            f"{prefix}http_response_size_bytes",
            "Bytes of response bodies by handler.",
            layout.response_size,
            unit="bytes",
            labels=(handler,),
            **options,
        ),
        histogram(
            f"{prefix}http_request_duration_highr_seconds",
            "Latency with many buckets but no labels.",
            layout.duration,
            unit="seconds",
            source="http",
        ),
        histogram(
            f"{prefix}http_request_duration_seconds",
            "Latency with few buckets by method and handler.",
            layout.duration,
            bounds=merged(_COARSE, extra),
            unit="seconds",
            has_exemplars=True,
            labels=(handler, ("method", _METHOD)),
            **options,
        ),
        gauge(f"{prefix}http_requests_inprogress", "Number of HTTP requests in progress.", source="active"),
    )


def _exporter(prefix: str, layout: Layout, extra: Bounds) -> tuple[Family, ...]:
    labels: tuple[Label, ...] = (
        ("method", _METHOD),
        ("path", lambda key: key[3] or "__unknown__"),
        ("status_code", _STATUS),
    )
    options: dict[str, Any] = {"source": "http", "labels": labels, "custom": _CUSTOM}
    sent, received = layout.response_size.sum_at, layout.request_size.sum_at
    return (
        counter(f"{prefix}requests", "Total HTTP requests", layout.duration.total, **options),
        histogram(
            f"{prefix}request_duration_seconds",
            "HTTP request duration, in seconds",
            layout.duration,
            unit="seconds",
            has_exemplars=True,
            **options,
        ),
        gauge(
            f"{prefix}requests_in_progress",
            "Total HTTP requests currently in progress",
            source="active",
            labels=(("method", _METHOD),),
            custom=itemgetter(2),
        ),
        counter(f"{prefix}response_body_bytes", "Bytes of response bodies", itemgetter(sent), unit="bytes", **options),
        counter(
            f"{prefix}request_body_bytes", "Bytes of request bodies", itemgetter(received), unit="bytes", **options
        ),
    )


PRESETS: Final[dict[str, Preset]] = {
    "semantic-conventions": Preset(DURATIONS, (), _semantic),
    "prometheus-fastapi-instrumentator": Preset(_FINE, _COARSE, _instrumentator),
    "starlette-exporter": Preset(DURATIONS, (), _exporter, "starlette_"),
}


# What follows has the same name with every preset.

_ENDINGS: Final = frozenset({"cancelled", "client_disconnected", "no_response", "incomplete_response"})
_SOCKET: Final[tuple[Label, ...]] = (
    ("url_scheme", itemgetter(0)),
    ("http_response_status_code", itemgetter(1)),
    ("http_route", itemgetter(2)),
    ("error_type", itemgetter(3)),
    ("websocket_close_code_class", itemgetter(4)),
)
_TRAFFIC: Final[tuple[Label, ...]] = (("url_scheme", itemgetter(0)), ("http_route", itemgetter(1)))


def common_families(layout: Layout) -> tuple[Family, ...]:
    """Return the metrics of WebSockets, refusals and failures."""
    return *_socket_families(layout), *_own_families()


def _socket_families(layout: Layout) -> tuple[Family, ...]:
    messages: dict[str, Any] = {"source": "messages", "labels": _TRAFFIC}
    return (
        gauge(
            "websocket_server_active_connections",
            "Number of open WebSocket connections, and of handshakes.",
            source="open",
            labels=(("url_scheme", itemgetter(0)),),
        ),
        histogram(
            "websocket_server_connection_duration_seconds",
            "Duration of WebSocket connections, from the handshake to the close.",
            layout.socket_duration,
            unit="seconds",
            source="sockets",
            labels=_SOCKET,
        ),
        counter("websocket_server_received_messages", "WebSocket messages received.", itemgetter(0), **messages),
        counter("websocket_server_sent_messages", "WebSocket messages sent.", itemgetter(1), **messages),
        counter(
            "websocket_server_received_bytes",
            "Bytes of WebSocket messages received.",
            itemgetter(2),
            unit="bytes",
            **messages,
        ),
        counter(
            "websocket_server_sent_bytes", "Bytes of WebSocket messages sent.", itemgetter(3), unit="bytes", **messages
        ),
    )


def _own_families() -> tuple[Family, ...]:
    """Return the metrics of what layers of this package decided, or failed at."""
    return (
        counter(
            "middlewares_rate_limit_requests",
            "Requests that limiters judged, by policy and outcome.",
            itemgetter(0),
            source="quotas",
            labels=(("policy", itemgetter(0)), ("outcome", itemgetter(1))),
        ),
        counter(
            "middlewares_refusals",
            "Requests that a layer answered by itself, by its code.",
            itemgetter(0),
            source="refusals",
            labels=(("code", itemgetter(0)), ("http_response_status_code", itemgetter(1))),
        ),
        counter(
            "middlewares_internal_errors",
            "Failures of layers that watch; the requests went on.",
            itemgetter(0),
            source="internal",
            labels=(("layer", itemgetter(0)),),
        ),
    )
