"""What a policy says of an origin, a response, a preflight and a handshake: all is decided here, nothing is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from middlewares.core.exchange import EXCHANGE
from middlewares.core.exposed import EXPOSED
from middlewares.core.headers import find_all
from middlewares.core.matching import ask
from middlewares.core.origin_set import OriginSet
from middlewares.core.origins import parse_origin, same_host
from middlewares.core.vary import VaryOn

from .preflight import Permissions, refusal, shown
from .response import ALLOW_CREDENTIALS, ALLOW_ORIGIN, EXPOSE_HEADERS, Answer, exposing, reconcile

if TYPE_CHECKING:
    from middlewares.asgi import Scope
    from middlewares.core.headers import HeaderList
    from middlewares.core.refusals import Refusal

    from .options import PolicyOptions

__all__ = ("Policy",)

_ANY_ORIGIN: Final = "(?s:.*)"
_VARY_ORIGIN: Final = VaryOn(b"Origin")


class Policy:
    """The options of a policy, made ready for requests when it is built. Asking it sends nothing."""

    __slots__ = (
        "_callable",
        "_origins",
        "_permissions",
        "_readable",
        "_websockets",
        "always",
        "answers",
        "exposes_more",
        "vary",
    )

    def __init__(self, options: PolicyOptions) -> None:
        # The options themselves are not kept: they are the layer, which would be kept alive in a cycle.
        is_star = options.allows_any and not options.allow_credentials
        self._callable = options.allow_origin_callable
        self._origins = _origins(options)
        self._permissions = Permissions(options)
        self._readable = _readable(options)
        self.exposes_more = options.expose_headers == "auto" or "auto" in options.expose_headers
        """Whether pages may also read the headers that layers publish for them."""
        self._websockets = (not options.allows_any) if options.websockets is None else options.websockets
        members = [name.encode() for name in options.allow_origin_vary if name.lower() != "origin"]
        self.vary = VaryOn(b"Origin", *members) if members else _VARY_ORIGIN
        """What responses depend on."""
        single = [b"*"] if is_star else [*self._origins]
        if options.dangerously_allow_null_origin and not is_star:
            single.append(b"null")
        self.answers: dict[bytes, Answer] = {origin: self._answer(origin) for origin in single}
        """Headers of responses to each listed origin, where they depend on it."""
        self.always: Answer | None = None
        """Headers of every response, where they do not depend on the request."""
        if len(single) <= 1 and self._origins.is_exact and self._callable is None:
            # One answer for all requests: it does not vary, for a browser compares the origin itself.
            self.always = self.answers[single[0]][1:] if single else ()

    @property
    def checks_handshakes(self) -> bool:
        """Whether `handshake` may refuse one."""
        return self._websockets is not False

    def answer_to(self, origin: bytes) -> Answer:
        """Return the headers of a response to a request of an origin, where they depend on it; no callable is asked."""
        answer = self.answers.get(origin)
        if answer is not None:
            return answer
        return self._answer(origin) if origin in self._origins else (self.vary.line,)

    async def decide(self, scope: Scope, origin: bytes | None) -> Answer:
        """Return the headers of the response to a request, of which `origin` says where it comes from, if anywhere.

        Unlike `answer_to` it asks the callable too, and knows requests without origin.
        """
        if self.always is not None:
            return self.always
        if origin is None:
            return (self.vary.line,)
        answer = self.answer_to(origin)
        if len(answer) == 1 and await self._ask(scope, origin):
            return self._answer(origin)
        return answer

    async def readable(self, scope: Scope, headers: HeaderList) -> HeaderList:
        """Return the headers of a response with those of the policy, merged; ``headers`` stay as they are."""
        origins = find_all(scope["headers"], b"origin")
        answer = await self.decide(scope, (origins[0] if len(origins) == 1 else b"") if origins else None)
        exchange = scope.get(EXCHANGE) if self.exposes_more else None
        merged = [*headers]
        reconcile(merged, answer if exchange is None else exposing(answer, exchange), self.vary)
        return merged

    async def permits(self, scope: Scope, origin: bytes) -> bool:
        """Return whether pages of an origin may read responses."""
        return self._lists(origin) or await self._ask(scope, origin)

    async def preflight(self, scope: Scope, origin: bytes, method: bytes) -> HeaderList | Refusal:
        """Return the headers that answer a preflight with status 204 (Fetch, 4.8), or why it is refused.

        ``origin`` and ``method`` are those of `preflight_of`.
        """
        answer = self.answers.get(b"*") or self.answer_to(origin)
        if len(answer) == 1 and self._callable is not None:
            answer = await self.decide(scope, origin)
        if len(answer) == 1:
            return refusal("origin", f"{shown(origin)} not allowed")
        return self._permissions.answer(scope["headers"], answer[1], method)

    async def handshake(self, scope: Scope) -> Refusal | None:
        """Return why a WebSocket handshake is refused, or ``None`` if it is let in (RFC 6455, 10.2)."""
        origins = find_all(scope["headers"], b"origin")
        if self._websockets is False or not origins:
            return None
        origin = origins[0] if len(origins) == 1 else b""
        if self._lists(origin) or (self._websockets is True and _is_of_same_host(scope, origin)):
            return None
        if await self._ask(scope, origin):
            return None
        return refusal("websocket", f"{shown(origin)} not allowed", detail="This origin may not connect.")

    def _lists(self, origin: bytes) -> bool:
        """Return whether pages of an origin may read responses without the callable being asked."""
        return origin in self.answers or b"*" in self.answers or origin in self._origins

    def _answer(self, origin: bytes) -> Answer:
        """Return the headers of a response that pages of ``origin`` may read."""
        return (self.vary.line, (ALLOW_ORIGIN, origin), *self._readable)

    async def _ask(self, scope: Scope, origin: bytes) -> bool:
        text = origin.decode("latin-1")
        if self._callable is None or parse_origin(text) is None:
            return False
        return bool(await ask(partial(self._callable, text), scope))


def _is_of_same_host(scope: Scope, origin: bytes) -> bool:
    hosts = find_all(scope["headers"], b"host")
    return len(hosts) == 1 and same_host(origin.decode("latin-1"), hosts[0].decode("latin-1"))


def _origins(options: PolicyOptions) -> OriginSet:
    """Return the origins that are allowed one by one or by a pattern."""
    listed = [origin for origin in options.allow_origins if origin != "*"]
    regex = options.allow_origin_regex
    if options.allows_any and options.allow_credentials:
        regex = _ANY_ORIGIN
    only_secure = options.allow_credentials and not options.dangerously_allow_insecure_origins
    return OriginSet(listed, regex, only_secure=only_secure)


def _readable(options: PolicyOptions) -> Answer:
    """Return the headers of a response that any page may read, besides those that name its origin."""
    headers: HeaderList = []
    if options.allow_credentials:
        headers.append((ALLOW_CREDENTIALS, b"true"))
    if options.expose_headers:
        headers.append((EXPOSE_HEADERS, b", ".join(_exposed(options))))
    return tuple(headers)


def _exposed(options: PolicyOptions) -> list[bytes]:
    """Return the names of headers that pages may read, those that ``auto`` stands for included."""
    given = ("auto",) if options.expose_headers == "auto" else options.expose_headers
    names = [name for given_name in given for name in (EXPOSED if given_name == "auto" else (given_name,))]
    # Each once, however it is spelt; '*' says everything, where it may stand.
    return [name.encode() for name in {name.lower(): name for name in names}.values()]
