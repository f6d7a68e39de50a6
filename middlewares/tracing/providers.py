"""Where spans go: the provider that is given, or the one of the process, as soon as that has been set."""

from __future__ import annotations

from sys import modules
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider, ProxyTracerProvider, Tracer, TracerProvider

from .instruments import Instruments

__all__ = ("SCOPE", "Meters", "Tracers")

SCOPE: Final = "middlewares.tracing"
"""The name under which spans and measurements are made."""
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
_UNKNOWN: Final = object()
_NOT_ASKED: Final = object()


class Tracers:
    """The tracer to begin spans with. Setting the provider of the process later on is noticed at the next request."""

    __slots__ = ("_given", "_provider", "_tracer")

    def __init__(self, given: TracerProvider | None) -> None:
        self._given = given
        self._provider: object = _NOT_ASKED
        self._tracer: Tracer | None = None

    def get(self) -> Tracer | None:
        """Return the tracer, or ``None`` where nobody would take its spans."""
        provider: object = self._given
        if provider is None:
            # Asking the API for it looks into the environment each time, which takes a microsecond.
            provider = getattr(trace, "_TRACER_PROVIDER", _UNKNOWN)
        if provider is self._provider:
            return self._tracer
        self._tracer = self._resolve()
        self._provider = _NOT_ASKED if provider is _UNKNOWN else provider
        return self._tracer

    def _resolve(self) -> Tracer | None:
        provider = trace.get_tracer_provider() if self._given is None else self._given
        if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)):
            return None
        tracer = provider.get_tracer(SCOPE, _version(), _SCHEMA)
        return None if isinstance(tracer, NoOpTracer) else tracer  # the SDK is there, and turned off


class Meters:
    """The instruments to measure with, in the same manner."""

    __slots__ = ("_given", "_instruments", "_provider")

    def __init__(self, given: MeterProvider | None) -> None:
        self._given = given
        self._provider: object = None
        self._instruments: Instruments | None = None

    def get(self) -> Instruments | None:
        """Return the instruments, or ``None`` where nobody would take what they measure."""
        provider = metrics.get_meter_provider() if self._given is None else self._given
        if provider is not self._provider:
            self._instruments = self._resolve(provider)
            self._provider = provider
        return self._instruments

    def _resolve(self, provider: MeterProvider) -> Instruments | None:
        is_waiting = type(provider).__name__ == "_ProxyMeterProvider"  # which the API does not let anybody import
        if is_waiting or isinstance(provider, NoOpMeterProvider):
            return None
        return Instruments(provider.get_meter(SCOPE, _version(), _SCHEMA))


def _version() -> str:
    version: str = modules["middlewares"].__version__  # the package that this one is in
    return version
