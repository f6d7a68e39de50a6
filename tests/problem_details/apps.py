"""Applications that fail, for real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares import ProblemDetails

if TYPE_CHECKING:
    from middlewares.asgi import Receive, Scope, Send

__all__ = ("kept", "raised_again")


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail at once, or in the middle of a response."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a part", "more_body": True})
    raise ArithmeticError("the sum is hunter2")


kept = ProblemDetails(failing)
raised_again = ProblemDetails(failing, reraise=True)
