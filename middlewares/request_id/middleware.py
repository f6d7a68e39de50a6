"""Give each request an id, and name it in the response."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.addresses import parse_networks
from middlewares.core.clients import Clients
from middlewares.core.cross_origin import InnerPolicy
from middlewares.core.exchange import EXCHANGE, Exchange, hand_back
from middlewares.core.exposed import EXPOSED
from middlewares.core.fields import is_token
from middlewares.core.headers import set_header
from middlewares.core.layer import freeze
from middlewares.core.observer import Observer, Plan, observe
from middlewares.core.options import check_types
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

from .context import request_id
from .generators import GENERATORS, Checked, is_valid
from .trace import incoming_trace_id

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextvars import Token

    from middlewares.core.headers import Headers
    from middlewares.core.observed import ObservedCall

__all__ = ("RequestID",)

_INVALID: Final = "Send one id of 1 to 128 letters, digits and . _ ~ : / + = -, or none."
_EXPOSED: Final = frozenset(name.lower() for name in EXPOSED)

_TAKEN: Final = frozenset({"connection", "content-length", "host", "set-cookie", "transfer-encoding", "upgrade"})

_Line = tuple[bytes, bytes]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class RequestID(Observer):
    """Give each request and WebSocket an id: the one that it came with, if that is valid, or a new one.

    The response names it once, whoever makes it; `get_request_id` returns it in the application and in what that
    starts; log records get it from `RequestIDFilter`, layers from the exchange. Two of these in one stack agree.

    Order: outside of whatever should name the id, such as an access log and error pages.
    """

    app: ASGIApp = field(kw_only=False)
    header: str = "X-Request-ID"
    """Name of the header, in requests and responses."""
    trusted_clients: Collection[str] | Literal["anybody", "nobody"] = "anybody"
    """Whose ids are taken: of ``"anybody"``, ``"nobody"``, or a list of addresses and networks such as
    ``10.0.0.0/8``; others get a new one. An id is a name, and no secret: two requests can come with the same."""
    on_invalid: Literal["replace", "refuse"] = "replace"
    """What is done if a trusted client sends what is no id (or several): give a new one, or answer 400."""
    generator: Literal["uuid7", "uuid4", "ulid", "short"] | Callable[[], str] = "uuid7"
    """What makes new ids: UUIDs of version 7, which sort by time, or 4; ULIDs; sixteen letters and digits; or a
    function."""
    use_trace_id: bool = False
    """Whether the id is that of the trace, where the request belongs to one: as a tracing layer outside says, or else
    the ``traceparent`` of a trusted client."""
    set_request_header: bool = True
    """Whether the application finds the id in the headers of the request, as if the client had sent it."""
    _plan: Plan = field(init=False, repr=False)
    _name: bytes = field(init=False, repr=False)
    _length: int = field(init=False, repr=False)
    _expose: bytes | None = field(init=False, repr=False)
    _generate: Callable[[], str] = field(init=False, repr=False)
    _trusts: Clients | None = field(init=False, repr=False)
    _inner: InnerPolicy = field(init=False, repr=False)
    _is_usual: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        problems.check(is_token(self.header), "header", "must be the name of a header", self.header)
        is_free = self.header.lower() not in _TAKEN
        problems.check(is_free, "header", "must not be a header that frames or routes messages", self.header)
        is_word = isinstance(self.trusted_clients, str)
        networks = () if is_word else parse_networks(problems, "trusted_clients", self.trusted_clients)
        problems.raise_if_any()
        name = self.header.encode()
        generator = Checked(self.generator) if callable(self.generator) else GENERATORS[self.generator]()
        plan = observe(self)
        is_usual = self.trusted_clients == "anybody" and self.on_invalid == "replace" and self.set_request_header
        freeze(
            self,
            _name=name.lower(),
            _length=len(name),
            _expose=None if self.header.lower() in _EXPOSED else name,
            _generate=generator.__call__,  # a method is called quicker than an object is
            _trusts=None if self.trusted_clients == "anybody" else Clients(networks),
            _inner=InnerPolicy(self.app),
            _plan=plan,
            _is_usual=is_usual and not self.use_trace_id and not plan.inner,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_usual or scope["type"] != "http" or EXCHANGE in scope or "app" in scope:
            # By its name: `super` costs as much as all of this condition.
            return await Observer.__call__(self, scope, receive, send)
        headers = scope.get("headers")
        if type(headers) is not list:  # it may be one that can be read only once
            return await Observer.__call__(self, scope, receive, send)
        # Alone, it needs no record of the call: what `begin`, `start` and `leave` do, with as few steps as can be.
        name, length, sent = self._name, self._length, None
        for key, value in headers:
            if len(key) == length and key.lower() == name:
                sent = value if sent is None else b""  # of several none is taken
        is_taken = sent is not None and is_valid(sent)
        text = sent.decode() if sent is not None and is_taken else self._generate()
        named = _NamedResponse()
        named.line = line = name, text.encode()
        named.send = send
        exchange = Exchange(self)
        exchange.facts = {"request_id": text}
        if self._expose is not None:
            exchange.expose.append(self._expose)
        inner = scope.copy() if type(scope) is dict else {**scope}
        inner[EXCHANGE] = exchange
        if not is_taken:
            inner["headers"] = [*headers, line] if sent is None else set_header(headers, *line)
        size = len(inner)
        token = request_id.set(text)
        try:
            await self.app(inner, receive, named.send_named)
        finally:
            _reset(token)
            exchange.layers = exchange.facts = None
            if len(inner) != size:
                hand_back(inner, scope)

    def header_lengths(self) -> tuple[int]:
        return (len(self.header),)

    def begin(self, call: ObservedCall) -> tuple[_Line, Token[str | None]]:
        exchange, scope = call.exchange, call.inner
        headers = scope["headers"]
        # Another of these, further out, may have put it there.
        sent = self._sent(call.asked_headers if headers is call.scope["headers"] else headers)
        facts = exchange.facts
        if facts is None:
            facts = exchange.facts = {}
        text = facts.get("request_id")
        if text is None:
            text = facts["request_id"] = self._chosen(call, sent) if sent or self.use_trace_id else self._generate()
        line = self._name, text.encode()
        if self.set_request_header and (not sent or sent != [line[1]]):
            call.hand_on("headers", set_header(headers, *line) if sent else [*headers, line])
        if self._expose is not None:
            exchange.expose.append(self._expose)
        return line, request_id.set(text)

    def start(self, call: ObservedCall, state: tuple[_Line, Token[str | None]] | None, message: Message) -> Message:
        return message if state is None else _named(message, state[0])

    async def rescue(self, call: ObservedCall) -> None:
        """Inside a framework, whose answer to an exception passes by this layer."""
        if "app" in call.scope and not call.is_websocket:
            from .bare_page import send_bare_page

            await send_bare_page(call, self, call.inner, call.receive_observed, call.send_observed)

    def leave(self, call: ObservedCall, state: tuple[_Line, Token[str | None]]) -> None:
        if call.status is None:
            # For an answer that is made outside: this layer only sees the exception go by.
            call.exchange.response_headers.append(state[0])
        _reset(state[1])

    def _sent(self, headers: Headers) -> list[bytes]:
        """Return the ids that a request came with."""
        length, sent = self._length, []
        for key, value in headers:
            if len(key) == length and key.lower() == self._name:
                sent.append(value)
        return sent

    def _chosen(self, call: ObservedCall, sent: list[bytes]) -> str:
        """Return the id of a request, of which ``sent`` are the values of the header."""
        is_trusted = self._trusts is None or self._trusts.have_sent(call.scope)
        if self.use_trace_id:
            trace_id = call.exchange.trace_id
            if trace_id is None and is_trusted:
                trace_id = incoming_trace_id(call.scope["headers"])
            if trace_id is not None:
                return trace_id
        if sent and is_trusted:
            if len(sent) == 1 and is_valid(sent[0]):
                return sent[0].decode()
            if self.on_invalid == "refuse":
                call.target = self._refuse
        return self._generate()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = Refusal(status=400, code="request_id.invalid", detail=f"{self.header}: {_INVALID}")
        await refuse(scope, receive, send, refusal, inner=self._inner)


class _NamedResponse:
    """The channel of a response to which the id is added, and nothing else happens."""

    __slots__ = ("line", "send")

    line: _Line
    send: Send

    @mark_coroutine_function
    def send_named(self, message: Message) -> Awaitable[None]:
        return self.send(_named(message, self.line) if message["type"] == "http.response.start" else message)


def _named(message: Message, line: _Line) -> Message:
    """Return the beginning of a response with the id, once."""
    name, length = line[0], len(line[0])
    headers = message.get("headers", ())
    if type(headers) is not list and not isinstance(headers, (list, tuple)):
        headers = [*headers]  # it can be read only once
    for key, _ in headers:
        if len(key) == length and key.lower() == name:
            return {**message, "headers": set_header(headers, *line)}
    named = message.copy() if type(message) is dict else {**message}
    named["headers"] = [*headers, line]
    return named


def _reset(token: Token[str | None]) -> None:
    try:  # noqa: SIM105 - `suppress` costs more than all the rest
        request_id.reset(token)
    except ValueError:  # of another context: a server may close a call from outside
        pass
