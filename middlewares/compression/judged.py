"""What an application sends, until it is known whether that is worth encoding: most responses are not.

Only when one is, the request is asked what its client accepts. All others pass at the cost of a look at their fields.
"""

from __future__ import annotations

from logging import DEBUG
from typing import TYPE_CHECKING, Final

from middlewares.asgi import mark_coroutine_function
from middlewares.core.exchange import EXCHANGE
from middlewares.core.headers import joined

from . import facts
from .breach import is_cross_site, is_sensitive
from .eligibility import COMPRESS, EVENTS, OPTED_OUT, REVALIDATE, SMALL, asked, judge, revalidating
from .response import CompressedResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Scope, Send
    from middlewares.core.headers import HeaderList

    from .codecs import Codec
    from .eligibility import Plan

__all__ = ("AS_IT_IS", "JudgedResponse")

AS_IT_IS: Final = "middlewares.compression.as_it_is"
"""Key of a start by which a layer tells those outside it that the application opted out, in a field now removed."""

_START: Final = "http.response.start"
_ENCODABLE: Final = (COMPRESS, EVENTS)


class JudgedResponse:
    """A response that is encoded if it is worth that and the client takes the coding.

    The fields of one that other clients get encoded say so, whatever becomes of it.
    """

    __slots__ = ("_plan", "_request_headers", "_scope", "_send", "compressed")

    def __init__(self, plan: Plan, scope: Scope, send: Send) -> None:
        self._plan = plan
        self._scope = scope
        self._request_headers = scope["headers"]  # as the client sent them: some applications change their scope
        self._send = send
        self.compressed: CompressedResponse | None = None
        """What takes all messages from the start on, if it is encoded."""

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Take a message of the application."""
        if self.compressed is not None:
            return self.compressed.send(message)
        if message["type"] != _START:
            return self._send(message)
        headers = [*message.get("headers", ())]
        verdict = OPTED_OUT if AS_IT_IS in message else judge(self._scope, message["status"], headers, self._plan)
        message = {**message}
        message["headers"] = headers
        if verdict == SMALL:
            # The most frequent reason, and the plainest: it is not worth asking whether anybody logs it.
            if EXCHANGE in self._scope:
                self._skip(verdict)
            return self._send(message)
        if verdict in _ENCODABLE:
            return self._compress(message, headers, events=verdict == EVENTS)
        return self._pass_on(message, headers, verdict)

    def codec(self) -> Codec | None:
        """Return what the client wants responses to be encoded with, if it wants that."""
        return self._codec_for(asked(self._request_headers)[0])

    def _codec_for(self, codings: bytes | None) -> Codec | None:
        codec = None if codings is None else self._plan.choose[codings]
        dictionaries = self._plan.dictionaries
        if dictionaries is None:
            return codec
        available = joined(self._request_headers, b"available-dictionary")
        return dictionaries.offer(self._scope, codings, available) or codec

    def _compress(self, start: Message, headers: HeaderList, *, events: bool) -> Awaitable[None]:
        codings, is_fixed = asked(self._request_headers)
        codec = self._codec_for(codings)
        if codec is None:
            if EXCHANGE in self._scope:  # as frequent as the small ones
                facts.skipped(self._scope, "not accepted")
            return self._send(start)
        reason = self._objection(headers, is_fixed=is_fixed)
        if reason is not None:
            facts.skipped(self._scope, reason)
            return self._send(start)
        self.compressed = CompressedResponse(self._plan, codec, self._scope, self._send)
        return self.compressed.begin(start, events=events)

    def _objection(self, headers: HeaderList, *, is_fixed: bool) -> str | None:
        """Return why this request must not get a response encoded that others may."""
        if is_fixed:
            return "no-transform"
        if self._plan.guards and is_sensitive(headers) and is_cross_site(self._request_headers):
            return "cross-site"
        return None

    def _pass_on(self, start: Message, headers: HeaderList, verdict: str) -> Awaitable[None]:
        if verdict == REVALIDATE:
            verdict = self._revalidate(start, headers)
        elif verdict == OPTED_OUT:
            start[AS_IT_IS] = True
        if EXCHANGE in self._scope or facts.LOGGER.isEnabledFor(DEBUG):
            self._skip(verdict)
        return self._send(start)

    def _revalidate(self, start: Message, headers: HeaderList) -> str:
        """Give a 304 the fields of the 200 that this client got; return why it is not encoded itself."""
        plan, request_headers = self._plan, self._request_headers
        codings, is_fixed = asked(request_headers)
        reason = self._objection(headers, is_fixed=is_fixed)
        if plan.tags is not None or (reason is None and self._codec_for(codings) is not None):
            start["headers"] = revalidating(headers, request_headers, plan.tags)
        return reason or REVALIDATE

    def _skip(self, reason: str) -> None:
        if self.codec() is not None:
            facts.skipped(self._scope, reason)
