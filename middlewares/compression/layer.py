"""What all compressing layers have in common: their options, and how a request passes through them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from middlewares.asgi import ASGIApp, Receive, Scope, Send
from middlewares.core.exchange import EXCHANGE, hand_back, publish_scope
from middlewares.core.headers import HeaderList
from middlewares.core.layer import Layer, freeze, is_foreign, is_innermost
from middlewares.core.options import check_types
from middlewares.core.paths import compile_paths, path_problem, route_path
from middlewares.errors import OptionErrors

from .announcing import AnnouncingSend
from .eligibility import Plan
from .entity_tags import SuffixedTags
from .judged import JudgedResponse
from .media_types import COMPRESSIBLE_TYPES, MediaTypes, media_type_problem

if TYPE_CHECKING:
    from .codecs import Codec
    from .dictionaries import Dictionaries

__all__ = ("CompressionLayer", "check_level")

_ZEROCOPY = "http.response.zerocopysend"


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class CompressionLayer(Layer):
    """Options of every layer that compresses, and its work."""

    publishes_scope: ClassVar[bool] = True

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
    _is_excluded: Callable[[str], object] | None = field(init=False, repr=False)
    _foreign: bool = field(init=False, repr=False)
    _innermost: bool = field(init=False, repr=False)

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
            _is_excluded=compile_paths(self.exclude_paths) if self.exclude_paths else None,
            _foreign=is_foreign(self.app),
            _innermost=is_innermost(self.app),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._innermost and EXCHANGE in scope:
            publish_scope(scope)
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self._is_excluded is not None and self._is_excluded(route_path(scope)):
            return await self.app(scope, receive, send)
        plan = self._plan
        response = JudgedResponse(plan, scope, send)
        inner = scope
        if "extensions" in scope or plan.tags is not None:
            inner = self._inner_scope(scope, response)
            if inner is not scope and self._innermost and EXCHANGE in scope:
                publish_scope(inner)
        taking = response.send
        if plan.dictionaries is not None:
            taking = AnnouncingSend(plan.dictionaries, scope, taking).send
        try:
            await self.app(inner, receive, taking)
        except BaseException as error:
            if response.compressed is not None:
                await response.compressed.abandon(error)
            raise
        else:
            compressed = response.compressed
            if compressed is not None and (compressed.held is not None or compressed.waiting is not None):
                await compressed.end()
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

    def _inner_scope(self, scope: Scope, response: JudgedResponse) -> Scope:
        """Return the scope for the application: with its own entity tags, and nothing that would pass the encoder."""
        changes: dict[str, object] = {}
        extensions = scope.get("extensions") or {}
        if _ZEROCOPY in extensions and response.codec() is not None:
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
