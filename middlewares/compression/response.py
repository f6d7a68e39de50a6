"""One response on its way through a compressing layer, as a small state machine.

::

    start ──▶ held ──first body message──▶ encoding ──last body message──▶ passing
                ├──the event loop has turned──▶ encoding
                └──too small, not smaller, no body──▶ passing

Only a start is ever kept back: until the first body message tells whether the whole body is in hand, and at most until
the event loop has turned once. That of an event stream is not, because its first event may be long in coming. While a
start that was kept back is on its way, what other tasks of the application send waits: nothing may overtake it.
"""

from __future__ import annotations

from asyncio import get_running_loop
from functools import partial
from logging import DEBUG
from time import perf_counter
from typing import TYPE_CHECKING, Final

from anyio import Event

from middlewares.core.exchange import EXCHANGE

from . import facts
from .breach import padding_for
from .eligibility import SMALL, described_anew
from .encoding import EncodedResponse, length_of
from .offload import LOOP_SECONDS
from .release import Release
from .stream import body_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Handle
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import Message, Scope, Send

    from .codecs import Codec
    from .eligibility import Plan

__all__ = ("CompressedResponse",)

_BODY: Final = "http.response.body"
_TRAILERS: Final = "http.response.trailers"
_PATHSEND: Final = "http.response.pathsend"

_INTERIM: Final = frozenset({"http.response.push", "http.response.early_hint", "http.response.debug"})
"""What may come between start and body, and brings no body itself."""


class CompressedResponse(EncodedResponse):
    """A response worth encoding, on its way to a client that takes the coding."""

    __slots__ = ("_release", "_timer", "held", "waiting")

    def __init__(self, plan: Plan, codec: Codec, scope: Scope, send: Send) -> None:
        EncodedResponse.__init__(self, plan, codec, scope, send)
        self._timer: Handle | None = None
        """What lets go of the start at the next turn of the event loop."""
        self._release: Release | None = None
        """What sends the start that was let go."""
        self.waiting: list[Event] | None = None
        """Who waits for the start, while one that was kept back is on its way, or has failed."""
        self.held: Message | None = None
        """The start, while it is kept back."""

    def begin(self, start: Message, *, events: bool) -> Awaitable[None]:
        """Take the start, whose headers are a list of our own; ``events`` tells that the body may be long in coming."""
        if events:
            return self._send(self._streaming(start, events=True))
        try:
            loop = get_running_loop()
        except RuntimeError:  # Trio has no call for the next turn that nobody waits for
            if length_of(start) is None:
                return self._send(self._streaming(start))
        else:
            self._timer = loop.call_soon(self._let_go, loop)
        self.held = start
        return _held()

    def send(self, message: Message) -> Awaitable[None]:
        """Take a message after the start."""
        kind = message["type"]
        start = self.held
        if start is not None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if kind == _BODY:
                return self._first_body(start, message)
            return self._before_body(start, kind, message)
        if self.waiting is not None:
            return self._send_after_start(self.waiting, message)
        return self._after_encoded(kind, message) if self._is_encoded else self._send(message)

    async def end(self) -> None:
        """Let go of a start that no body followed, and wait for one that is on its way.

        What comes of a response without a body is the server's business. Raises what the sending of the start raised,
        if the application has not been told.
        """
        held, self.held = self.held, None
        if held is not None:
            self._call_off()
            await self._send(held)
        elif self._release is not None:
            await self._release.join()
            self._raise_from_release()

    async def abandon(self, error: BaseException) -> None:
        """End as the application did: by ``error``. A start that is kept back never leaves."""
        self.held = None
        self._call_off()
        if self._release is None:
            return
        if isinstance(error, Exception):
            # The start had been sent, as far as the application knew.
            await self._release.join()
        else:
            await self._release.cancel()
        self._release.take_error()
        # Tasks that outlive the call must not wait for what will not come.
        waiting, self.waiting = self.waiting, None
        _wake(waiting or [])

    def _after_encoded(self, kind: str, message: Message) -> Awaitable[None]:
        if kind == _TRAILERS:
            headers = described_anew(message.get("headers", ()), self._codec.name, self._plan.tags)
            message = {**message, "headers": headers}
        elif self._stream is not None and not self._stream.is_finished:
            if kind == _BODY:
                return self._stream.send(message)
            if kind == _PATHSEND:
                return self._in_order(partial(self._later_file, message))
        return self._send(message)

    # -- a start that is kept back

    def _first_body(self, start: Message, message: Message) -> Awaitable[None]:
        body = body_of(message)
        if message.get("more_body", False):
            return self._first_chunk(start, message)
        if not body and self._is_head:
            # The fields are those of a GET but for the length, which only encoding the body would tell (9.3.2).
            # Where the application says nothing of a body, there may be none.
            if length_of(start) is None:
                return self._unchanged(start, message, "no body")
            return self._first_chunk(start, message)
        if len(body) < self._plan.minimum_size:
            return self._unchanged(start, message, SMALL)
        length = length_of(start)
        if length is not None and length != b"%d" % len(body):
            # Encoding would hide it: a body that was cut short must not look whole. So the server is to see it.
            return self._unchanged(start, message, "length")
        self.held = None
        waiting: list[Event] = []
        self.waiting = waiting
        return self._whole(start, message, body, waiting)

    def _before_body(self, start: Message, kind: str, message: Message) -> Awaitable[None]:
        if kind in _INTERIM:
            return self._in_order(partial(self._both, self._streaming(start), message))
        if kind == _PATHSEND and self._plan.files:
            return self._in_order(partial(self._first_file, start, message))
        # Nobody knows what this will bring: it goes out as it is, in its turn.
        return self._unchanged(start, message, "not a body")

    def _first_chunk(self, start: Message, message: Message) -> Awaitable[None]:
        start = self._streaming(start)
        return self._in_order(partial(self._both, start, message))

    async def _whole(self, start: Message, message: Message, body: bytes, waiting: list[Event]) -> None:
        # All in one coroutine, because this is what nearly every response comes to.
        try:
            codec = self._codec
            encode = partial(_padded, codec) if self._plan.pads else codec.whole
            is_asked_for = EXCHANGE in self._scope or facts.LOGGER.isEnabledFor(DEBUG)
            begin = perf_counter() if is_asked_for else 0.0
            seconds = codec.seconds(len(body))
            data = encode(body) if seconds <= LOOP_SECONDS else await self._plan.threads.encode(encode, body, seconds)
            if len(data) < len(body):
                if is_asked_for:
                    facts.done(self._scope, codec.name, len(body), len(data), perf_counter() - begin)
                # Trailers need a body that ends by its framing, not by a length (RFC 9112, 7.1.2).
                start = self._encoded(start, None if start.get("trailers") else len(data))
                message = {**message, "body": b"" if self._is_head else data}
            else:
                facts.skipped(self._scope, "not smaller")
            await self._send(start)
            await self._send(message)
        finally:
            self.waiting = None
            if waiting:
                _wake(waiting)

    def _unchanged(self, start: Message, message: Message, reason: str) -> Awaitable[None]:
        facts.skipped(self._scope, reason)
        return self._in_order(partial(self._both, start, message))

    # -- order

    def _call_off(self) -> None:
        """Take back what would let go of the start at the next turn."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _in_order(self, work: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        """Do what must not be overtaken by what other tasks of the application send."""
        self.held = None
        waiting: list[Event] = []
        self.waiting = waiting
        return self._alone(work, waiting)

    async def _alone(self, work: Callable[[], Awaitable[None]], waiting: list[Event]) -> None:
        try:
            await work()
        finally:
            self.waiting = None
            _wake(waiting)

    def _let_go(self, loop: AbstractEventLoop) -> None:
        """Begin to send the start, because the event loop has turned."""
        start, self.held, self._timer = self.held, None, None
        self.waiting = []
        self._release = Release(loop, partial(self._send_released, self._streaming(start or {})))

    async def _send_released(self, start: Message) -> None:
        waiting = [] if self.waiting is None else self.waiting
        try:
            await self._send(start)
            self.waiting = None
        finally:
            # After an error ``waiting`` stays, so that what is sent next comes to know of it.
            _wake(waiting)

    async def _send_after_start(self, waiting: list[Event], message: Message) -> None:
        if self._release is None or self._release.error is None:
            turn = Event()
            waiting.append(turn)
            await turn.wait()
        self._raise_from_release()
        await self.send(message)

    def _raise_from_release(self) -> None:
        """Tell the application, once, what came of a start that it did not wait for."""
        error = None if self._release is None else self._release.take_error()
        if error is not None:
            self._release = self.waiting = None
            try:
                raise error
            finally:
                del error


def _wake(waiting: list[Event]) -> None:
    for turn in waiting:
        turn.set()


def _padded(codec: Codec, body: bytes) -> bytes:
    return codec.whole(body, padding=padding_for(body))


async def _held() -> None:
    """Stand for the sending of a message that is kept back."""
