"""What all compressing layers have in common: their options, and how a request passes through them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.exchange import hand_back
from middlewares.core.headers import HeaderList, joined
from middlewares.core.layer import Layer, freeze, is_foreign
from middlewares.core.memo import Memo
from middlewares.core.negotiation import choose_coding
from middlewares.core.options import check_types
from middlewares.core.paths import compile_paths, path_problem, route_path
from middlewares.errors import OptionErrors

from .announcing import AnnouncingSend
from .codecs import Codec
from .eligibility import OPTED_OUT, REVALIDATE, Plan, judge, revalidating
from .entity_tags import SuffixedTags
from .media_types import COMPRESSIBLE_TYPES, MediaTypes, media_type_problem
from .response import AS_IT_IS, CompressedResponse

if TYPE_CHECKING:
    from .dictionaries import Dictionaries

__all__ = ("CompressionLayer", "check_level")

_ZEROCOPY = "http.response.zerocopysend"


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class CompressionLayer(Layer):
    """Options of every layer that compresses, and its work."""

    app: ASGIApp = field(kw_only=False)
    minimum_size: int = 500
    """Bytes below which a body is sent as it is."""
    include_types: Collection[str] = COMPRESSIBLE_TYPES
    """Media types to compress, with patterns such as ``text/*`` and ``application/*+json``."""
    exclude_types: Collection[str] = ()
    """Media types, or patterns of them, that are not compressed although they are included."""
    exclude_paths: Collection[str] = ()
    """Path patterns, such as ``/account/*``, of what is never compressed."""
    predicate: Callable[[Scope, int, HeaderList], object] | None = None
    """A function of the scope, the status and the response headers; what it is false of is left as it is."""
    flush: Literal["always", "events"] = "always"
    """Flush every chunk of a stream, or only those of event streams: larger blocks shrink further, but come later."""
    etags: Literal["weaken", "suffix"] = "weaken"
    """Make strong entity tags weak, or end them in the coding: ``"x-gzip"``."""
    breach: Literal["off", "pad", "guard"] = "off"
    """Blur lengths by padding, or send what may hold secrets as it is to requests from other sites."""
    files: bool = True
    """Compress files that the application leaves to the server to send."""
    precompressed: bool = False
    """Send ``page.html.gz``, ``.br`` or ``.zst`` in the place of such a file, if it is there and not older."""
    _plan: Plan = field(init=False, repr=False)
    _choose: Memo[Codec | None] = field(init=False, repr=False)
    _is_excluded: Callable[[str], object] | None = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(self.minimum_size >= 0, "minimum_size", "must not be negative", self.minimum_size)
        self._check(problems)
        for option in ("include_types", "exclude_types"):
            for pattern in getattr(self, option):
                rule = media_type_problem(pattern)
                problems.check(rule is None, option, rule or "", pattern)
        for pattern in self.exclude_paths:
            rule = path_problem(pattern)
            problems.check(rule is None, "exclude_paths", rule or "", pattern)
        problems.raise_if_any()
        codecs = {codec.name: codec for codec in self._codecs()}
        plan = Plan(
            codecs=codecs,
            minimum_size=self.minimum_size,
            media_types=MediaTypes(self.include_types, self.exclude_types),
            predicate=self.predicate,
            flushes_all=self.flush == "always",
            tags=SuffixedTags(codecs) if self.etags == "suffix" else None,
            pads=self.breach == "pad",
            guards=self.breach == "guard",
            files=self.files,
            precompressed=self.precompressed,
            dictionaries=self._dictionaries([*codecs]),
        )
        freeze(
            self,
            _plan=plan,
            _choose=Memo(partial(_choose, codecs)),
            _is_excluded=compile_paths(self.exclude_paths) if self.exclude_paths else None,
            _foreign=is_foreign(self.app),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self._is_excluded is not None and self._is_excluded(route_path(scope)):
            return await self.app(scope, receive, send)
        codings = None
        for name, value in scope["headers"]:
            # Comparing lengths first spares a lower-case copy of nearly every name.
            if len(name) == 15 and (name == b"accept-encoding" or name.lower() == b"accept-encoding"):
                if codings is not None:
                    codings = joined(scope["headers"], b"accept-encoding")
                    break
                codings = value
        codec = None if codings is None else self._choose[codings]
        plan = self._plan
        dictionaries = plan.dictionaries
        if dictionaries is not None:
            available = joined(scope["headers"], b"available-dictionary")
            codec = dictionaries.offer(scope, codings, available) or codec
        inner = scope
        if "extensions" in scope or plan.tags is not None:
            inner = self._inner_scope(scope, hides_zerocopy=codec is not None)
        try:
            if codec is None:
                wrapped = _send_varied(plan, scope, send)
                if dictionaries is not None:
                    wrapped = AnnouncingSend(dictionaries, scope, wrapped).send
                return await self.app(inner, receive, mark_coroutine_function(wrapped) if self._foreign else wrapped)
            response = CompressedResponse(plan, codec, scope, send)
            try:
                taking = response.send
                if dictionaries is not None:
                    taking = AnnouncingSend(dictionaries, scope, taking).send
                await self.app(inner, receive, taking)
            except BaseException as error:
                await response.abandon(error)
                raise
            if response.held is not None or response.waiting is not None:
                await response.end()
        finally:
            if inner is not scope:
                hand_back(inner, scope)

    def hands_on_send(self) -> bool:
        """Return whether requests on excluded paths pass straight to an application that is not ours."""
        return self._is_excluded is not None and self._foreign

    def _check(self, problems: OptionErrors) -> None:
        """Record what is wrong with the options of this very layer."""

    def _codecs(self) -> Sequence[Codec]:
        """Return the codecs to choose from, the favourite first."""
        raise NotImplementedError

    def _dictionaries(self, beside: Sequence[bytes]) -> Dictionaries | None:
        """Return the dictionaries of this layer, if it has any, to be used ``beside`` its codings."""
        return None

    def _inner_scope(self, scope: Scope, *, hides_zerocopy: bool) -> Scope:
        """Return the scope for the application: with its own entity tags, and nothing that would pass the encoder."""
        changes: dict[str, object] = {}
        extensions = scope.get("extensions") or {}
        if hides_zerocopy and _ZEROCOPY in extensions:
            changes["extensions"] = {name: value for name, value in extensions.items() if name != _ZEROCOPY}
        if self._plan.tags is not None:
            headers = self._plan.tags.request_headers(scope["headers"])
            if headers is not None:
                changes["headers"] = headers
        return {**scope, **changes} if changes else scope


def check_level(problems: OptionErrors, option: str, level: int | None, most: int, *, least: int = 1) -> None:
    """Record a problem if a level is given that its library does not have."""
    holds = level is None or least <= level <= most
    problems.check(holds, option, f"must be from {least} to {most}", level)


def _choose(codecs: dict[bytes, Codec], field: bytes) -> Codec | None:
    # A client that accepts nothing on offer gets the content as it is: RFC 9110, 12.5.3 prefers that to none.
    return codecs.get(choose_coding(field, tuple(codecs)) or b"")


def _send_varied(plan: Plan, scope: Scope, send: Send) -> Send:
    """Return a ``send`` that says of responses worth compressing that other clients get something else."""

    def send_varied(message: Message) -> Awaitable[None]:
        if message["type"] != "http.response.start" or AS_IT_IS in message:
            return send(message)
        headers = [*message.get("headers", ())]
        verdict = judge(scope, message["status"], headers, plan)
        message = {**message}
        if verdict == REVALIDATE and plan.tags is not None:
            headers = revalidating(headers, scope["headers"], plan.tags)
        elif verdict == OPTED_OUT:
            message[AS_IT_IS] = True
        message["headers"] = headers
        return send(message)

    return send_varied
