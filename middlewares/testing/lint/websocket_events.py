"""Checks of single events of WebSocket and lifespan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from middlewares.testing.scopes import is_from

from .registry import check
from .values import case_fault, is_list_of, pairs_fault, pseudo_fault, shown

if TYPE_CHECKING:
    from middlewares.asgi import Message, Scope

__all__ = ()

# RFC 6455, 7.4.1 and the IANA registry: 1004, 1005, 1006 and 1015 never stand in a frame.
_CODES = {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005, 1006}
_LONGEST_REASON = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, two are the code


@check("W6", "send websocket.accept")
def _subprotocol(message: Message, scope: Scope) -> str | None:
    chosen, offered = message.get("subprotocol"), scope.get("subprotocols", ())
    if chosen is None or not is_list_of(offered, str) or chosen in offered:
        return None
    return f"subprotocol {shown(chosen)} was not offered"


@check("W7", "send websocket.accept")
def _accept_headers(message: Message, scope: Scope) -> str | None:
    headers: Any = message.get("headers", ())
    fault = pairs_fault(headers) or case_fault(headers) or pseudo_fault(headers)
    if fault or not headers:
        return fault
    if any(name == b"sec-websocket-protocol" for name, _ in headers):
        return "sec-websocket-protocol stands among the headers"
    return None if is_from(scope, 1) else "headers are sent to a server of version 2.0"


@check("W8", "receive websocket.receive")
def _received_data(message: Message, _: Scope) -> str | None:
    return _data_fault(message)


@check("W9", "send websocket.send")
def _sent_data(message: Message, _: Scope) -> str | None:
    return _data_fault(message)


@check("W12", "send websocket.close")
def _close(message: Message, _: Scope) -> str | None:
    code, reason = message.get("code", 1000), message.get("reason")
    if not isinstance(code, int) or code not in _CODES:
        return f"code {shown(code)} may not stand on the wire"
    if reason is not None and (not isinstance(reason, str) or len(reason.encode()) > _LONGEST_REASON):
        return f"reason is {shown(reason)}"
    return None


@check("W13", "receive websocket.disconnect")
def _disconnect(message: Message, _: Scope) -> str | None:
    code, reason = message.get("code"), message.get("reason")
    if not isinstance(code, int):
        return f"code is {shown(code)}"
    if reason is not None and not isinstance(reason, str):
        return f"reason is {shown(reason)}"
    return None


@check("L5", "send lifespan.startup.failed", "send lifespan.shutdown.failed")
def _message(message: Message, _: Scope) -> str | None:
    text = message.get("message", "")
    return None if isinstance(text, str) else f"message is {shown(text)}"


def _data_fault(message: Message) -> str | None:
    data, text = message.get("bytes"), message.get("text")
    if (data is None) == (text is None):
        return "it holds both bytes and text" if data is not None else "it holds neither bytes nor text"
    if data is not None and not isinstance(data, (bytes, memoryview)):
        return f"bytes is {shown(data)}"
    return f"text is {shown(text)}" if text is not None and not isinstance(text, str) else None
