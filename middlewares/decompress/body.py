"""The body of one request on its way to the application, and what happens to the response if it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint

from middlewares.asgi import mark_coroutine_function
from middlewares.core.refusals import Refusal, refuse

from .failures import CorruptDataError, LimitError, RefusedBody, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Receive, Scope, Send
    from middlewares.core.cross_origin import InnerPolicy

    from .chain import Chain
    from .threads import DecodingThreads

__all__ = ("DecodedBody",)


class DecodedBody:
    """``receive`` and ``send`` of one request with an encoded body.

    ::

        reading ──last bytes──▶ ended
           └──corrupt, cut short, too large──▶ refused: the application's answer is replaced, unless it has begun
    """

    __slots__ = (
        "_chain",
        "_cors",
        "_has_worked",
        "_is_answered",
        "_is_ended",
        "_message",
        "_receive",
        "_scope",
        "_send",
        "_threads",
        "is_response_over",
        "is_response_started",
        "refusal",
    )

    def __init__(
        self, chain: Chain, threads: DecodingThreads, scope: Scope, receive: Receive, send: Send, cors: InnerPolicy
    ) -> None:
        self._chain = chain
        self._cors = cors
        self._threads = threads
        self._scope = scope
        self._receive = receive
        self._send = send
        self._message: Message = {"more_body": True}
        """The last event with encoded bytes."""
        self._has_worked = False
        self._is_ended = False
        self._is_answered = False
        self.is_response_started = False
        """Whether the application has begun to respond before anything was found wrong."""
        self.is_response_over = False
        """Whether the application has sent all of its response."""
        self.refusal: Refusal | None = None
        """What is wrong with the body, once that is found."""

    async def receive(self) -> Message:
        """Return the next event, of a decoded body. Raises `RefusedBody`, and again each time it is called."""
        if self._is_ended:
            return await self._receive()
        if self.refusal is None:
            try:
                return await self._next_event()
            except (CorruptDataError, LimitError) as error:
                self.refusal = refused(error)
            self.close()
        raise RefusedBody(self.refusal)

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Take a message of the application, which is dropped if the layer has to answer."""
        kind = message["type"]
        if self.refusal is None or self.is_response_started:
            if kind == "http.response.start":
                self.is_response_started = True
            elif kind in ("http.response.body", "http.response.pathsend") and not message.get("more_body", False):
                self.is_response_over = True
            return self._send(message)
        return self.answer() if kind == "http.response.start" else _dropped()

    async def answer(self) -> None:
        """Answer in the application's place, once, if the body is refused and no response has begun."""
        if self.refusal is not None and not (self.is_response_started or self._is_answered):
            self._is_answered = True
            await refuse(self._scope, self._receive, self._send, self.refusal, inner=self._cors)

    def close(self) -> None:
        """Let go of the decoders."""
        self._chain.close()

    async def _next_event(self) -> Message:
        chain = self._chain
        while True:
            if chain.needs_input:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message  # the client left, or an event that is not ours
                self._message = message
                chain.feed(_body_of(message), is_last=not message.get("more_body", False))
            if chain.is_slow:
                data = await self._step_in_thread()
            else:
                if self._has_worked:
                    # Bytes are at hand, so nothing else would let other tasks have their turn.
                    await checkpoint()
                data = chain.step()
            self._has_worked = True
            more = self._message.get("more_body", False) or not chain.needs_input
            if not more:
                # Before the application sees the end: it may take everything for the truth then.
                chain.finish()
                self._is_ended = True
                self.close()
            if data or not more:
                return {**self._message, "body": data, "more_body": more}

    async def _step_in_thread(self) -> bytes:
        claim = [True]
        step = self._chain.step

        def step_unless_given_up() -> bytes:
            # Whoever takes the claim decides: the thread that begins, or the task that gives up before.
            return step() if claim and claim.pop() else b""

        try:
            return await self._threads.run(step_unless_given_up)
        except get_cancelled_exc_class():
            if not claim:
                # What the thread decodes is lost, and the rest must not be taken for the whole. Only asyncio's own
                # cancellation comes here: a cancelled scope of anyio waits for the thread.
                self.refusal = Refusal(status=500, code="decompress.cancelled", detail="Reading was given up.")
            claim.clear()
            raise


async def _dropped() -> None:
    """Stand for the sending of a message that nobody gets."""


def _body_of(message: Message) -> bytes:
    body = message.get("body", b"")
    return body if isinstance(body, bytes) else bytes(body)
