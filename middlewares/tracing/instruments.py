"""The measurements of requests, as OpenTelemetry names them.

Standard: OpenTelemetry semantic conventions 1.44, HTTP server metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from middlewares.core.known_methods import OTHER_METHOD

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

    from middlewares.core.observed import ObservedCall

__all__ = ("BUCKETS", "Instruments", "Measured")

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds, as the conventions advise for durations."""

# Whatever else a server, or a layer that believes a proxy, hands on: an SDK keeps each combination of values for good.
_SCHEMES: Final = frozenset({"http", "https"})
_VERSIONS: Final = frozenset({"1.0", "1.1", "2", "3"})


class Instruments:
    """What requests are measured with."""

    __slots__ = ("active", "duration", "request_size", "response_size")

    def __init__(self, meter: Meter) -> None:
        self.duration = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self.active = meter.create_up_down_counter(
            "http.server.active_requests", unit="{request}", description="Number of active HTTP server requests."
        )
        self.request_size = meter.create_histogram(
            "http.server.request.body.size", unit="By", description="Size of HTTP server request bodies."
        )
        self.response_size = meter.create_histogram(
            "http.server.response.body.size", unit="By", description="Size of HTTP server response bodies."
        )


class Measured:
    """One request that is measured; it counts as active from now on."""

    __slots__ = ("_attributes", "_instruments")

    def __init__(self, instruments: Instruments, method: str, scheme: str) -> None:
        self._instruments = instruments
        known_scheme = scheme if scheme in _SCHEMES else OTHER_METHOD
        self._attributes = {"http.request.method": method, "url.scheme": known_scheme}
        instruments.active.add(1, self._attributes)

    def give_up(self) -> None:
        """Count it as active no longer."""
        self._instruments.active.add(-1, self._attributes)

    def finish(self, call: ObservedCall, context: Context | None) -> None:
        """Note what became of the request; the context holds the span that it is an example of."""
        instruments = self._instruments
        instruments.active.add(-1, self._attributes, context)
        attributes = self._attributes | _outcome(call)
        instruments.duration.record(call.duration, attributes, context)
        instruments.request_size.record(call.received, attributes, context)
        instruments.response_size.record(call.response_size, attributes, context)


def _outcome(call: ObservedCall) -> dict[str, Any]:
    version, status = call.scope.get("http_version"), call.final_status
    values = {
        "network.protocol.version": version if version in _VERSIONS else None,
        "http.route": call.route,
        "http.response.status_code": status if isinstance(status, int) and 100 <= status <= 599 else None,
        "error.type": call.error_type,
    }
    return {name: value for name, value in values.items() if value is not None}
