"""Send the bare 500 of Starlette and FastAPI in their place, where this is the only way to give it a header.

They make it outside of all layers that are registered with them, so no layer sees it. Where it is sure that nothing
but this page would be sent, it can as well be sent from here: the same status, the same text, and the headers that
layers add. The exception goes on, and is logged as ever.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import PlainTextResponse

from middlewares.core.layer import Layer

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send
    from middlewares.core.observed import ObservedCall

__all__ = ("send_bare_page",)


async def send_bare_page(call: ObservedCall, layer: Layer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send it unless a response has begun, or somebody outside of ``layer`` might answer anything else."""
    error = sys.exception()
    if isinstance(error, ExceptionGroup) or hasattr(error, "status_code"):
        return  # FastAPI's limit of bodies answers 413, outside of all registered layers
    if call.status is None and not call.exchange.error_pages and _is_bare(scope.get("app"), layer):
        try:
            await PlainTextResponse("Internal Server Error", status_code=500)(scope, receive, send)
        except Exception:  # noqa: BLE001 - the client is gone; what is to be known is what the application raised
            return


def _is_bare(app: Any, layer: Layer) -> bool:
    """Return whether between ``layer`` and the edge of the framework are layers of ours alone, and no page of a user.

    A layer further in than the registered ones, as around a single route, sees exceptions that stand for a 404.
    """
    edge = getattr(app, "middleware_stack", None)
    if type(edge) is not ServerErrorMiddleware or edge.handler is not None or edge.debug:
        return False
    inside: Any = edge.app
    while inside is not layer and (isinstance(inside, Layer) or type(inside).__module__.startswith("fastapi.")):
        inside = inside.app
    return inside is layer
