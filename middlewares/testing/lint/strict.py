"""Feed awkward input that is legal all the same, in both directions: whoever relies on a habit stumbles over it.

Inward: headers in a tuple and in mixed case, optional keys left out, a split body with empty chunks, an extra key,
a disconnect that is told again, awaitables that are no coroutines. Outward: headers that can be read once, optional
keys left out, a body in a memoryview, split, with empty chunks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from .values import pairs_fault

if TYPE_CHECKING:
    from middlewares.asgi import Message, Receive, Scope, Send

__all__ = ("EXTRA_KEY", "OneShot", "awkward_receive", "awkward_scope", "awkward_send", "plain_awaitable")

EXTRA_KEY = "lint.extra"
"""A key that every event handed in carries: extra keys never raise."""

_OPTIONAL: dict[str, Any] = {"scheme": "http", "root_path": "", "client": None, "server": None, "extensions": {}}


class OneShot(Iterator[Any]):
    """Headers that can be read once, as a generator's."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Any) -> None:
        self._pairs = iter(pairs)

    def __next__(self) -> Any:
        return next(self._pairs)


class _Waits:
    """An awaitable that is no coroutine, as some servers return."""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._function(*self._arguments).__await__()


def awkward_scope(scope: Scope) -> Scope:
    """Return the scope with all that is optional left out where it says nothing."""
    awkward = {key: value for key, value in scope.items() if key not in _OPTIONAL or not _says_nothing(key, value)}
    awkward.pop("raw_path", None)
    if isinstance(scope.get("headers"), (list, tuple)) and not pairs_fault(scope["headers"]):
        awkward["headers"] = tuple((name.title(), value) for name, value in scope["headers"])
    return awkward


def awkward_receive(receive: Receive) -> Receive:
    """Return a receive that splits bodies, tells a disconnect again, and returns no coroutine."""
    waiting: list[Message] = []
    farewell: list[Message] = []

    async def receive_awkward() -> Message:
        if waiting:
            return waiting.pop(0)
        if farewell:
            return dict(farewell[0])
        message = await receive()
        if type(message) is not dict or type(message.get("type")) is not str:
            return message
        if message["type"].endswith(".disconnect"):
            farewell.append({**message, EXTRA_KEY: True})
            return dict(farewell[0])
        first, *rest = _split_request(message) if _has_body(message, "http.request") else (dict(message),)
        waiting.extend(rest)
        return {**first, EXTRA_KEY: True}

    return lambda: _Waits(receive_awkward)


def awkward_send(send: Send) -> Send:
    """Return a send that passes on the same response, in a shape that nobody expects."""

    async def send_awkward(message: Message) -> None:
        for part in _awkward(message):
            await send(part)

    return send_awkward


def plain_awaitable(send: Send) -> Send:
    """Return a send that returns no coroutine."""
    return lambda message: _Waits(send, message)


def _awkward(message: Message) -> list[Message]:
    if type(message) is not dict or type(message.get("type")) is not str:
        return [message]
    if message["type"] == "http.response.start" and isinstance(message.get("headers"), (list, tuple)):
        headers = message["headers"]
        return [{**message, "headers": OneShot(headers)} if headers else _without(message, "headers")]
    if _has_body(message, "http.response.body"):
        return _split_body(message)
    return [message]


def _says_nothing(key: str, value: Any) -> bool:
    """Return whether an optional key holds its default; a value of another type is not asked."""
    default = _OPTIONAL[key]
    return type(value) is type(default) and bool(value == default)


def _has_body(message: Message, kind: str) -> bool:
    return bool(message["type"] == kind) and isinstance(message.get("body", b""), bytes)


def _split_body(message: Message) -> list[Message]:
    body = message.get("body", b"")
    half = len(body) // 2
    kind = message["type"]
    last = {**message, "body": memoryview(body)[half:]} if body else _without(message, "body")
    if last.get("more_body") is False:
        last = _without(last, "more_body")
    first = {"type": kind, "body": memoryview(body)[:half], "more_body": True}
    return [first, {"type": kind, "more_body": True}, last]


def _split_request(message: Message) -> list[Message]:
    body = message.get("body", b"")
    half = len(body) // 2
    last = {**message, "body": body[half:]} if body else _without(message, "body")
    if not last.get("more_body"):
        last = _without(last, "more_body")
    kind = message["type"]
    return [{"type": kind, "body": body[:half], "more_body": True}, {"type": kind, "more_body": True}, last]


def _without(message: Message, key: str) -> Message:
    return {name: value for name, value in message.items() if name != key}
