"""What surrounds a request: a span that somebody else has begun for it, and the context of the task it is in."""

from __future__ import annotations

from contextvars import Token
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind

from .propagation import SPAN_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Scope

    from .propagation import Incoming

__all__ = (
    "TaskContext",
    "is_measured",
    "joined_context",
    "parent_context",
    "silenced",
    "span_of_others",
)

_FASTAPI: Final = "fastapi.telemetry"
_STARLETTE: Final = "starlette.opentelemetry"
_OURS: Final = "middlewares.tracing"
"""Under Starlette's key, what says that the span is ours: true, but not what Starlette puts there."""

_NOTHING: Final = Context()


class TaskContext:
    """The current context, asked for and set past the API where that takes half of the time."""

    __slots__ = ("attach", "get", "reset")

    def __init__(self) -> None:
        token = contexts.attach(contexts.get_current())
        is_usual = isinstance(token, Token)
        self.get: Callable[[], Context] = token.var.get if is_usual else contexts.get_current
        """Return the context of this task."""
        self.attach: Callable[[Context], Any] = token.var.set if is_usual else _attach
        """Make a context that of this task, from here on inwards; the token is for `reset`."""
        self.reset: Callable[[Any], None] = token.var.reset if is_usual else _detach
        """Give the task the context back that it had. This raises ValueError where it is another task by now: so it is
        with generators that the event loop closes. The context is gone with its task then, and nobody need know."""
        contexts.detach(token)


def _attach(context: Context) -> tuple[object, Context]:
    """Do so with a context of another kind than the standard library's."""
    return contexts.attach(context), context


def _detach(token: tuple[Any, Context]) -> None:
    if contexts.get_current() is token[1]:
        contexts.detach(token[0])


def span_of_others(scope: Scope, context: Context, incoming: Incoming | None) -> Span | None:
    """Return the span that another instrumentation has begun for this very request, if there is one.

    FastAPI or Starlette tell of it in the scope; or it is the current one, of a server, and its parent is the caller
    that the headers of this request name. A span that was current when the server was started, or that of
    an enclosing request whose application calls another one, is none of these.
    """
    current = context.get(SPAN_KEY)
    if not isinstance(current, Span):
        return None
    of_fastapi = getattr(scope.get(_FASTAPI), "span", None)
    if isinstance(of_fastapi, Span):
        return of_fastapi
    if scope.get(_STARLETTE) is True:
        return current
    own = current.get_span_context()
    if not own.is_valid or own.is_remote:
        return None
    named = incoming.span if incoming is not None else None
    if current.is_recording():
        is_ours = getattr(current, "kind", None) is SpanKind.SERVER and _same(getattr(current, "parent", None), named)
        return current if is_ours and _same_path(current, scope) else None
    # Not sampled: such a span says nothing of itself. One without a caller may as well be of the whole process.
    return current if named is not None and own.trace_id == named.trace_id and own.span_id != named.span_id else None


def silenced(scope: Scope) -> Scope:
    """Return a scope that tells FastAPI and Starlette that this request is traced, or measured, already."""
    return {**scope, _FASTAPI: None, _STARLETTE: _OURS}


def parent_context(current: Context, incoming: Incoming | None) -> Context:
    """Return the context that a span begins in: of its caller, or of nobody, so that it begins a trace.

    Whatever else is in the context of the task stays. So does its span if that is not sampled: what is left out by an
    instrumentation further out should not come back here.
    """
    if incoming is not None and incoming.span is not None:
        return joined_context(current, incoming)
    if not current:
        return _NOTHING if incoming is None else Context(incoming.values)
    values: dict[str, Any] = {**current, **(incoming.values if incoming is not None else {})}
    span = values.get(SPAN_KEY)
    if not isinstance(span, NonRecordingSpan) or span.get_span_context().is_remote:
        values.pop(SPAN_KEY, None)
    return Context(values)


def joined_context(current: Context, incoming: Incoming) -> Context:
    """Return the context of a task, with what the headers of a request tell."""
    return Context({**current, **incoming.values} if current else incoming.values)


def is_measured(scope: Scope) -> bool:
    """Return whether FastAPI measures this request."""
    return scope.get(_FASTAPI) is not None


def _same(one: SpanContext | None, other: SpanContext | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.trace_id, one.span_id) == (other.trace_id, other.span_id)


def _same_path(span: Any, scope: Scope) -> bool:
    """Return whether a span is of a request for the same path, as far as it says."""
    attributes = getattr(span, "attributes", None) or {}
    path = attributes.get("url.path") or attributes.get("http.target")
    if path is None:
        return True
    raw = scope.get("raw_path") or b""
    return path.partition("?")[0] in (scope["path"], raw.decode("latin-1").partition("?")[0])
