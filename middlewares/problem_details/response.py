"""The response to one request on its way out: an error without a word is held, and replaced.

::

    waiting ──start──▶ passing                                 (not an error, or one that says something)
       └──────start──▶ holding ──body──▶ passing or replaced

What is held are the start and a few announced bytes; everything else leaves as it comes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from middlewares.asgi import mark_coroutine_function
from middlewares.core.headers import joined, remove, with_lasting_headers
from middlewares.core.refusals import Refusal, rendered

from .bare import CODE, length_of, problem_in, suspicion
from .handlers import OF_BODY
from .ids import completed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Scope, Send
    from middlewares.core.exchange import Exchange

    from .bare import Convert

__all__ = ("ConvertedResponse",)

_WAITING, _PASSING, _HOLDING, _REPLACED = range(4)


class ConvertedResponse:
    """Takes the messages of the application."""

    __slots__ = ("_convert", "_exchange", "_held", "_scope", "_send", "_size", "_state")

    def __init__(self, scope: Scope, send: Send, convert: Convert, exchange: Exchange) -> None:
        self._scope = scope
        self._send = send
        self._convert: Convert = convert
        self._exchange = exchange
        self._state = _WAITING
        self._held: list[Message]
        self._size: int

    @property
    def is_started(self) -> bool:
        """Whether the start of a response has left."""
        return self._state in (_PASSING, _REPLACED)

    @property
    def is_held(self) -> bool:
        """Whether something is held."""
        return self._state == _HOLDING

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Hand on a message, or hold it."""
        state = self._state
        if state == _PASSING:
            return self._send(message)
        kind = message["type"]
        if state == _WAITING:
            if kind == "http.response.start":
                if message["status"] >= 400:
                    return self._begin(with_lasting_headers(message))
                self._state = _PASSING
            return self._send(message)
        if state == _HOLDING:
            return self._hold(message)
        return _nothing() if kind.startswith("http.response.") else self._send(message)

    async def release(self) -> None:
        """Send what is held as it is."""
        self._state = _PASSING
        for message in self._held:
            await self._send(message)
        self._held = []

    def _begin(self, start: Message) -> Awaitable[None]:
        suspected = suspicion(start, self._convert)
        if suspected == "none":
            self._state = _PASSING
            return self._send(start)
        if suspected == "certain":
            return self._replace(start, Refusal(status=start["status"], code=CODE))
        self._state = _HOLDING
        self._held = [start]
        self._size = 0
        return _nothing()

    async def _hold(self, message: Message) -> None:
        self._held.append(message)
        if message["type"] != "http.response.body":
            return await self.release()
        start, *parts = self._held
        self._size += memoryview(message.get("body", b"")).nbytes
        length = length_of(start)
        if message.get("more_body", False) and self._size != length:
            if length is None or self._size > length:
                await self.release()
            return None
        body = b"".join(bytes(part.get("body", b"")) for part in parts)
        problem = problem_in(start, body, self._convert, is_head=self._scope["method"] == "HEAD")
        return await (self.release() if problem is None else self._replace(start, problem))

    async def _replace(self, start: Message, problem: Refusal) -> None:
        self._state = _REPLACED
        self._held = []
        kept = remove(((bytes(name), bytes(value)) for name, value in start.get("headers", ())), *OF_BODY)
        problem = completed(replace(problem, headers=(*problem.headers, *kept)), self._exchange)
        accept = joined(self._scope["headers"], b"accept") or b""
        headers, body = rendered(problem, accept)
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})


async def _nothing() -> None:
    """Do nothing, where a message is held or dropped."""
