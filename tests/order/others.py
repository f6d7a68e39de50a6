"""Layers as others write them: they know nothing of what stands inside them, nor of the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse

from middlewares import Stack
from middlewares.request_id import get_request_id

if TYPE_CHECKING:
    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.record import Entry

__all__ = ("FailurePage", "PlainLog", "SchemeSessions", "of_others", "trace_id")


def of_others(entry: Entry, role: str) -> type:
    """Return a class that does what a layer does, but knows nothing of what stands inside it."""

    class Foreign:
        order_role = role

        def __init__(self, app: ASGIApp) -> None:
            self.layer = Stack(entry)(lambda scope, receive, send: app(scope, receive, send))

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.layer(scope, receive, send)

    return Foreign


def trace_id() -> str:
    """Return the id of the trace that the running code belongs to; all zeros if there is none."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


class FailurePage(BaseHTTPMiddleware):
    """Answers what fails, and names the trace."""

    order_role = "error_page"

    def __init__(self, app: ASGIApp, status: int = 500) -> None:
        super().__init__(app)
        self.status = status

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except ZeroDivisionError:
            return PlainTextResponse(f"made for people, trace {trace_id()}", status_code=self.status)


class PlainLog:
    """Logs each request when it has ended, with what can be asked anywhere: the ids of its request and its trace."""

    order_role = "access_log"

    def __init__(self, app: ASGIApp, lines: list[tuple[str | None, str]]) -> None:
        self.app = app
        self.lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        self.lines.append((get_request_id(), trace_id()))


class SchemeSessions:
    """Keeps sessions in a cookie that is Secure if the request came over https."""

    order_role = "sessions"

    def __init__(self, app: ASGIApp, secret_key: str) -> None:
        self.layers = {
            scheme: SessionMiddleware(app, secret_key, https_only=scheme == "https") for scheme in ("http", "https")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.layers[scope.get("scheme", "http")](scope, receive, send)
