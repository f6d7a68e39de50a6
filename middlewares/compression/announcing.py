"""Tell clients which responses to keep as dictionaries, and learn dictionaries from responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from middlewares.asgi import mark_coroutine_function

from .stream import body_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Scope, Send

    from .dictionaries import Dictionaries, Learner

__all__ = ("AnnouncingSend",)


class AnnouncingSend:
    """What an application sends, before it is encoded: it gets ``Use-As-Dictionary``, and its body is learned."""

    __slots__ = ("_dictionaries", "_learner", "_scope", "_send")

    def __init__(self, dictionaries: Dictionaries, scope: Scope, send: Send) -> None:
        self._dictionaries = dictionaries
        self._scope = scope
        self._send = send
        self._learner: Learner | None = None

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Take a message of the application."""
        kind = message["type"]
        if kind == "http.response.start":
            message = self._announced(message)
        elif kind == "http.response.body" and self._learner is not None:
            self._learner.add(body_of(message))
            if not message.get("more_body", False):
                self._learner.finish()
                self._learner = None
        return self._send(message)

    def _announced(self, start: Message) -> Message:
        headers = [*start.get("headers", ())]
        self._learner = self._dictionaries.learner(self._scope, start["status"], headers)
        headers += self._dictionaries.announce(self._scope, start["status"], headers)
        return {**start, "headers": headers}
