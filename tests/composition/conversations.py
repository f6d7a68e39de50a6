"""Generated applications that speak to WebSockets, and those that live through a lifespan or refuse to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import Fault

if TYPE_CHECKING:
    from .calls import Call

__all__ = (
    "fails_to_start",
    "knows_no_lifespan",
    "lives",
    "socket_closes",
    "socket_denies",
    "socket_echo",
    "socket_raises",
    "socket_raises_open",
    "socket_refuses",
    "socket_returns",
)


async def _accept(call: Call) -> None:
    await call.receive()
    await call.say({"type": "websocket.accept", "headers": call.shaped([(b"x-app", b"socket")])})


async def socket_echo(call: Call) -> None:
    await _accept(call)
    while (event := await call.receive())["type"] == "websocket.receive":
        await call.say({"type": "websocket.send", "text": event["text"]})


async def socket_closes(call: Call) -> None:
    await _accept(call)
    await call.say({"type": "websocket.send", "bytes": b"bye"})
    await call.say({"type": "websocket.close", "code": 4001, "reason": "enough"})


async def socket_refuses(call: Call) -> None:
    await call.receive()
    await call.say({"type": "websocket.close"})


async def socket_denies(call: Call) -> None:
    await call.receive()
    if not call.has("websocket.http.response"):
        return await call.say({"type": "websocket.close", "code": 1008})
    fields = call.shaped([(b"content-type", b"text/html")])
    await call.say({"type": "websocket.http.response.start", "status": 418, "headers": fields})
    await call.say({"type": "websocket.http.response.body", "body": call.text(900)})


async def socket_raises(call: Call) -> None:
    raise Fault("before the handshake")


async def socket_raises_open(call: Call) -> None:
    await _accept(call)
    raise Fault("in the conversation")


async def socket_returns(call: Call) -> None:
    await _accept(call)
    await call.say({"type": "websocket.send", "text": "left without a word"})


# -- lifespan


async def lives(call: Call) -> None:
    await call.receive()
    call.scope["state"]["pool"] = "open"
    await call.say({"type": "lifespan.startup.complete"})
    await call.receive()
    await call.say({"type": "lifespan.shutdown.complete"})


async def fails_to_start(call: Call) -> None:
    await call.receive()
    await call.say({"type": "lifespan.startup.failed", "message": "no database"})


async def knows_no_lifespan(call: Call) -> None:
    raise Fault("lifespan is not supported")
