"""Tell of an exception: as an event of the span, which is what most backends show, or as a record of the log.

Standard: OpenTelemetry semantic conventions 1.44, exceptions; they are on the way from events to logs, and
``OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN`` (``logs`` or ``logs/dup``) says that a process has gone it.
"""

from __future__ import annotations

import os
from inspect import signature
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import Logger, SeverityNumber, get_logger_provider

from middlewares.core.observed import error_name

from .attributes import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

__all__ = ("Exceptions",)

_ENVIRONMENT: Final = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"
_EVENT: Final = "http.server.request.exception"
_END: Final = 16_384
"""Characters of each end of a traceback."""
_CAN_LOG: Final = "event_name" in signature(Logger.emit).parameters  # since 1.37 of the API


class Exceptions:
    """Tells of exceptions in the way that the environment asks for."""

    __slots__ = ("_is_event", "_is_logged", "_name")

    def __init__(self, name: str) -> None:
        asked = {part.strip() for part in os.environ.get(_ENVIRONMENT, "").split(",")}
        self._name = name
        self._is_logged = _CAN_LOG and not asked.isdisjoint({"logs", "logs/dup"})
        self._is_event = not self._is_logged or "logs/dup" in asked

    def record(self, error: Exception, span: Span, context: Context | None, timestamp: int) -> None:
        """Tell of an exception that has ended the request of a span."""
        told = _told(error)
        # What `record_exception` does, which cannot tell of an exception without words, nor keeps within bounds.
        if self._is_event and not _is_noted(span, told):
            span.add_event("exception", told, timestamp)
        if self._is_logged:
            get_logger_provider().get_logger(self._name).emit(
                timestamp=timestamp,
                context=context,
                severity_number=SeverityNumber.ERROR,
                severity_text="ERROR",
                event_name=_EVENT,
                attributes=told,
            )


def _told(error: Exception) -> dict[str, str]:
    """Return the attributes of an exception. It may quote what a client sent: all of a body, in any characters."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - some cannot be shown
        message = ""
    return {
        "exception.type": error_name(error),
        "exception.message": printable(message),
        "exception.stacktrace": _both_ends("".join(format_exception(error))),
    }


def _both_ends(trace: str) -> str:
    """Return a traceback without its middle if it is very long: where it began, and what was raised last."""
    if len(trace) > 2 * _END:
        trace = f"{trace[:_END]}\n[...]\n{trace[-_END:]}"
    return printable(trace, 3 * _END)


def _is_noted(span: Span, told: dict[str, str]) -> bool:
    """Return whether the application, or a layer of others, has told of an exception already."""
    message, name = told["exception.message"], _last(told)
    noted = (getattr(event, "attributes", None) or {} for event in getattr(span, "events", ()))
    return any(_last(event) == name and printable(str(event.get("exception.message"))) == message for event in noted)


def _last(event: Mapping[str, Any]) -> str:
    return str(event.get("exception.type", "")).rpartition(".")[2]
