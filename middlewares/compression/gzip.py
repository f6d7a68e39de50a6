"""Compress responses with gzip."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import dataclass, field

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.exchange import hand_back
from middlewares.core.headers import joined
from middlewares.core.layer import Layer, freeze, is_foreign
from middlewares.core.negotiation import CodingChooser
from middlewares.core.options import check_types
from middlewares.errors import OptionErrors

from .codecs import GZipCodec
from .eligibility import COMPRESSIBLE_TYPES, MediaTypes, Plan, judge, media_type_problem
from .response import CompressedResponse

__all__ = ("GZip",)

_ZEROCOPY = "http.response.zerocopysend"


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class GZip(Layer):
    """Compress response bodies with gzip for clients that accept it.

    A body that is sent whole is compressed if that makes it smaller. A stream is compressed chunk by chunk, each
    flushed before the next is produced, so server-sent events arrive as they are sent. Strong entity tags become
    weak, ``Vary`` names ``Accept-Encoding`` on every variant, and what describes the bytes as they were is left out.

    Untouched are ranges, responses that are encoded already or say ``Cache-Control: no-transform``, files sent by
    path, WebSockets and lifespan events.

    Order: outside everything that reads or changes bodies, inside what counts bytes on the wire.
    Standard: RFC 9110, 8.4, 12.5.3 and 12.5.5; RFC 1952.
    """

    app: ASGIApp = field(kw_only=False)
    minimum_size: int = 500
    """Bytes below which a body is sent as it is."""
    compresslevel: int = 6
    """zlib's level, from 1 (fast) to 9 (small)."""
    include_types: Collection[str] = COMPRESSIBLE_TYPES
    """Media types to compress, with patterns such as ``text/*`` and ``application/*+json``."""
    _plan: Plan = field(init=False, repr=False)
    _choose: CodingChooser = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(self.minimum_size >= 0, "minimum_size", "must not be negative", self.minimum_size)
        problems.check(1 <= self.compresslevel <= 9, "compresslevel", "must be from 1 to 9", self.compresslevel)
        for pattern in self.include_types:
            rule = media_type_problem(pattern)
            problems.check(rule is None, "include_types", rule or "", pattern)
        problems.raise_if_any()
        codec = GZipCodec(self.compresslevel)
        plan = Plan(codec, self.minimum_size, MediaTypes(self.include_types))
        freeze(self, _plan=plan, _choose=CodingChooser([codec.name]), _foreign=is_foreign(self.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        codings = None
        for name, value in scope["headers"]:
            # Comparing lengths first spares a lower-case copy of nearly every name.
            if len(name) == 15 and (name == b"accept-encoding" or name.lower() == b"accept-encoding"):
                if codings is not None:
                    codings = joined(scope["headers"], b"accept-encoding")
                    break
                codings = value
        takes_gzip = codings is not None and self._choose[codings] is not None
        if not takes_gzip:
            wrapped = _send_varied(self._plan, send)
            return await self.app(scope, receive, mark_coroutine_function(wrapped) if self._foreign else wrapped)
        response = CompressedResponse(self._plan, scope, send)
        if "extensions" in scope and _ZEROCOPY in (scope["extensions"] or ()):
            await self._without_zerocopy(scope, receive, response.send)
        else:
            await self.app(scope, receive, response.send)
        if response.held is not None:
            await response.release(response.held)

    async def _without_zerocopy(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application without an extension by which body bytes could pass the encoder unseen."""
        extensions = {name: value for name, value in scope["extensions"].items() if name != _ZEROCOPY}
        inner = {**scope, "extensions": extensions}
        try:
            await self.app(inner, receive, send)
        finally:
            hand_back(inner, scope)


def _send_varied(plan: Plan, send: Send) -> Send:
    """Return a ``send`` that says of responses worth compressing that other clients get something else."""

    def send_varied(message: Message) -> Awaitable[None]:
        if message["type"] != "http.response.start":
            return send(message)
        headers = [*message.get("headers", ())]
        judge(message["status"], headers, plan)
        message = {**message}
        message["headers"] = headers
        return send(message)

    return send_varied
