"""The applications of `tests.interop.apps`, each inside the same stack."""

from __future__ import annotations

from middlewares import CORS, GZip, Middleware, Stack
from tests.interop import apps

__all__ = ("ORIGIN", "asgi2", "partial_app", "plain", "wsgi")

ORIGIN = "http://app.localhost"

_stack = Stack(GZip, Middleware(CORS, allow_origins=[ORIGIN]))

plain = _stack(apps.plain)
partial_app = _stack(apps.partial_app)
asgi2 = _stack(apps.asgi2)
wsgi = _stack(apps.wsgi)
