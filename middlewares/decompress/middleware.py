"""The layer: it finds out how a request body is encoded, and decodes or refuses it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, hand_back, publish_scope
from middlewares.core.fields import parse_digits, split_list
from middlewares.core.headers import find, joined, remove
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.memo import Memo
from middlewares.core.options import check_types
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import MissingExtra, OptionErrors, did_you_mean

from .body import DecodedBody
from .chain import Chain, Limits, too_large
from .decoders import DECODERS, Decoder, new_raw_deflate
from .failures import RefusedBody, refused
from .threads import DecodingThreads

__all__ = ("Decompress",)

CODINGS: Final = ("gzip", "deflate", "br", "zstd")

_Makers = tuple[Callable[[], Decoder], ...]
"""What makes the decoders of a body, in the order in which its bytes pass them."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class Decompress(Layer):
    """Decode request bodies that name a ``Content-Encoding``, so that the application reads them as if they had none.

    A body is decoded message by message while the application reads it, and never more than it asks for. Limits hold
    for the decoded bytes: a body that goes past one is refused with 413 before the application sees a byte too many.
    One that is corrupt or cut short is refused with 400, and a coding that is not supported with 415.

    Requests without coding, WebSockets and lifespan events pass untouched.

    Order: outside what limits or reads request bodies, inside what checks signatures of the bytes as they were sent.
    Standard: RFC 9110, 8.4, 12.5.3 and 15.5.16; RFC 1950, 1952, 7932, 8878 and 9659.
    """

    publishes_scope: ClassVar[bool] = True

    app: ASGIApp = field(kw_only=False)
    codings: Collection[str] = CODINGS
    """Content codings to decode: ``gzip``, ``deflate``, ``br`` and ``zstd``; the last is left out of the default
    unless its extra is installed."""
    max_size: int = 10_000_000
    """Bytes to which a body may be decoded."""
    max_ratio: int | None = 100
    """Decoded bytes to one encoded byte; ``None``: any number."""
    ratio_floor: int = 128_000
    """Decoded bytes up to which the ratio is not judged: small bodies of much repetition are honest."""
    max_codings: int = 2
    """How many codings may be applied to one body, one on top of the other."""
    raw_deflate: bool = False
    """Whether ``deflate`` may also come without its zlib frame, which some clients leave out; then nothing tells a
    corrupt body."""
    _decoding: Memo[_Makers | Refusal] = field(init=False, repr=False)
    _limits: Limits = field(init=False, repr=False)
    _cors: InnerPolicy = field(init=False, repr=False)
    """The CORS policy inside, so that pages can read refusals."""
    _threads: DecodingThreads = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(len(self.codings) > 0, "codings", "must name at least one coding", self.codings)
        for coding in self.codings:
            known = coding in DECODERS
            problems.check(
                known, "codings", f"must be among {', '.join(CODINGS)}", coding, did_you_mean(coding, CODINGS)
            )
        for option, least in (("max_size", 1), ("max_ratio", 1), ("ratio_floor", 0), ("max_codings", 1)):
            value = getattr(self, option)
            problems.check(value is None or value >= least, option, f"must be at least {least}", value)
        problems.raise_if_any()
        makers = dict(_available(self.codings))
        if self.raw_deflate and b"deflate" in makers:
            makers[b"deflate"] = new_raw_deflate
        unsupported = Refusal(
            status=415,
            code="decompress.coding",
            detail="The content coding of the request body is not supported.",
            # RFC 9110, 15.5.16 and 12.5.3: only where the coding is the reason.
            headers=((b"accept-encoding", b", ".join(makers)),),
        )
        decoding = Memo(partial(_decoding, makers, self.max_codings, unsupported))
        limits = Limits(self.max_size, self.max_ratio, self.ratio_floor)
        freeze(self, _decoding=decoding, _limits=limits, _cors=InnerPolicy(self.app), _threads=DecodingThreads())
        freeze(self, _innermost=is_innermost(self.app))

    def hands_on_send(self) -> bool:
        """Return whether the application inside, which is handed the very ``send``, is not ours."""
        return is_foreign(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        for name, _ in scope["headers"]:
            # Comparing lengths first spares a lower-case copy of nearly every name.
            if len(name) == 16 and name.lower() == b"content-encoding":
                break
        else:
            return await self.app(scope, receive, send)
        makers = self._decoding[joined(scope["headers"], b"content-encoding") or b""]
        if not makers:
            return await self.app(scope, receive, send)
        if isinstance(makers, Refusal):
            return await refuse(scope, receive, send, makers, inner=self._cors)
        length = parse_digits(find(scope["headers"], b"content-length") or b"")
        if length is not None and length > self._limits.encoded:
            return await refuse(scope, receive, send, refused(too_large(self._limits)), inner=self._cors)
        chain = Chain(makers, self._limits, length)
        await self._decoded(DecodedBody(chain, self._threads, scope, receive, send, self._cors), scope)

    async def _decoded(self, body: DecodedBody, scope: Scope) -> None:
        # RFC 9110, 8.4 and 8.6: both describe the bytes as they were sent.
        inner = {**scope, "headers": remove(scope["headers"], b"content-encoding", b"content-length")}
        if self._innermost and EXCHANGE in inner:
            publish_scope(inner)
        try:
            await self.app(inner, body.receive, body.send)
        except Exception as error:
            await body.answer()
            # What we raised ourselves is dealt with, unless a response has begun that must not look complete.
            is_open = body.is_response_started and not body.is_response_over
            if body.refusal is None or is_open or not _is_ours(error):
                raise
        finally:
            body.close()
            hand_back(inner, scope)
        await body.answer()


def _available(codings: Collection[str]) -> list[tuple[bytes, Callable[[], Decoder]]]:
    """Return what makes decoders, by coding; raises `MissingExtra` for one that is named and not installed."""
    found = []
    for coding in codings:
        make = DECODERS[coding]
        try:
            make()
        except MissingExtra:
            if codings is not CODINGS:
                raise
        else:
            found.append((coding.encode(), make))
    return found


def _decoding(
    makers: dict[bytes, Callable[[], Decoder]], most: int, unsupported: Refusal, value: bytes
) -> _Makers | Refusal:
    """Return what a ``Content-Encoding`` asks for; nothing, if it names no coding."""
    # RFC 9110, 8.4.1: names compare without case; 12.5.3: identity is no coding, though some say it here.
    names = [name for element in split_list(value) if (name := element.lower()) != b"identity"]
    if len(names) > most:
        detail = f"The request body has {len(names)} content codings, and at most {most} are decoded."
        return Refusal(status=415, code="decompress.codings", detail=detail)
    # 8.4.1.3: x-gzip is gzip.
    found = [makers.get(b"gzip" if name == b"x-gzip" else name) for name in names]
    known = tuple(make for make in found if make is not None)
    # 8.4: listed in the order in which they were applied, so the last is the first to undo.
    return known[::-1] if len(known) == len(names) else unsupported


def _is_ours(error: Exception) -> bool:
    """Return whether an exception is, or a group of them holds nothing but, what ``receive`` raised."""
    if isinstance(error, ExceptionGroup):
        return error.split(RefusedBody)[1] is None
    return isinstance(error, RefusedBody)
