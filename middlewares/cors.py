"""Let browser pages of other origins use an application: cross-origin resource sharing.

::

    app = CORS(app, allow_origins=["https://app.example.com"], allow_methods=["GET", "POST"])

A page of ``https://app.example.com`` can then read the responses: they carry
``Access-Control-Allow-Origin: https://app.example.com``. Its preflights are answered here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Collection
from dataclasses import dataclass, field
from typing import Final

from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send, mark_coroutine_function
from middlewares.core.fields import is_token
from middlewares.core.headers import HeaderList, add_vary, find, merge_members, remove
from middlewares.core.layer import Layer, freeze, is_foreign
from middlewares.core.memo import Memo
from middlewares.core.options import check_types
from middlewares.core.origins import origin_problem, parse_origin
from middlewares.core.refusals import Refusal, refuse
from middlewares.errors import OptionErrors

__all__ = ("CORS",)

SAFELISTED_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST"})
"""Methods that need no permission (Fetch, 2.2.1)."""
SAFELISTED_HEADERS: Final = frozenset({b"accept", b"accept-language", b"content-language", b"content-type"})
"""Request headers that a preflight may list for their values, and that need no permission by name (Fetch, 2.2.2)."""
FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
"""Methods that browsers never send (Fetch, 2.2.1)."""
NORMALIZED_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
"""Methods that browsers send in upper case however a page spells them (Fetch, 2.2.1)."""
HIDDEN_HEADERS: Final = frozenset({"set-cookie", "set-cookie2"})
"""Response headers that no page may read, whatever the server says (Fetch, 2.2.2)."""

_LONGEST_LIST: Final = 4096
"""Bytes of ``Access-Control-Request-Headers`` that are read; browsers send far less."""
_MOST_NAMES: Final = 128
"""Names in it, empty ones included."""

_ALLOW_ORIGIN: Final = b"access-control-allow-origin"
_ALLOW_CREDENTIALS: Final = b"access-control-allow-credentials"
_EXPOSE_HEADERS: Final = b"access-control-expose-headers"

# In a pattern: an escape or a character class, where a dot is a dot; and a dot that is any one character.
_LITERAL: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOSE_DOT: Final = re.compile(r"\.(?![*+?{])")

_OURS: Final = frozenset({b"vary", _ALLOW_ORIGIN, _ALLOW_CREDENTIALS, _EXPOSE_HEADERS})
_OUR_LENGTHS: Final = frozenset(map(len, _OURS))

_VARY_ORIGIN: Final = (b"vary", b"Origin")
_VARY_ALONE: Final = (_VARY_ORIGIN,)
_VARY_PREFLIGHT: Final = (
    b"vary",
    b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, kw_only=True)
class CORS(Layer):
    """Answer preflights, and give responses the headers by which a browser shows them to pages of allowed origins.

    Whether an origin is allowed never changes what the application does: a request of another origin reaches it, and
    the browser withholds the response. A preflight that the policy does not permit is refused with 403. WebSockets
    and lifespan events pass through.

    An ``Access-Control-Allow-Origin`` that the application sets itself, or a CORS layer further in, wins.

    Order: outside everything that answers by itself (authentication, rate limits), so that its answers are readable.
    Standard: the Fetch standard, 3.3 (CORS protocol); RFC 9110, 12.5.5 (Vary).
    """

    app: ASGIApp = field(kw_only=False)
    allow_origins: Collection[str] = ()
    """Origins whose pages may read responses, such as ``https://app.example.com``; ``*`` alone: any."""
    allow_origin_regex: str | None = None
    """A regular expression that matches the whole of further allowed origins."""
    allow_methods: Collection[str] = ("GET",)
    """Methods allowed besides ``GET``, ``HEAD`` and ``POST``, which need no permission; ``*``: any."""
    allow_headers: Collection[str] = ()
    """Request headers allowed besides the safelisted ones; ``*``: any."""
    allow_credentials: bool = False
    """Whether requests with cookies, HTTP authentication or client certificates may be read."""
    expose_headers: Collection[str] = ()
    """Response headers that pages may read besides the safelisted ones."""
    max_age: int = 600
    """Seconds for which a browser may remember a preflight; 0: not at all."""
    allow_private_network: bool = False
    """Whether pages of public sites may reach this application on a private network."""

    _pattern: re.Pattern[str] | None = field(init=False, repr=False)
    _always: tuple[tuple[bytes, bytes], ...] | None = field(init=False, repr=False)
    """Headers of every response, where they do not depend on the request."""
    _answers: dict[bytes, tuple[tuple[bytes, bytes], ...]] = field(init=False, repr=False)
    """Headers of responses to each listed origin."""
    _permissions: dict[bytes, HeaderList] = field(init=False, repr=False)
    """Headers of the answer to a preflight of each listed origin."""
    _methods: frozenset[bytes] = field(init=False, repr=False)
    _header_names: frozenset[bytes] = field(init=False, repr=False)
    _allowed_names: Memo[bytes | None] = field(init=False, repr=False)
    """What to allow of the header names that a preflight asks for."""
    _foreign: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        check_types(problems, self)
        problems.raise_if_any()
        _check_origins(problems, self)
        _check_lists(problems, self)
        problems.raise_if_any()
        answers = {origin.encode(): self._answer(origin.encode()) for origin in self.allow_origins}
        always = None
        if len(answers) <= 1 and self.allow_origin_regex is None:
            # One answer for all requests: it does not vary, for a browser compares the origin itself.
            always = next(iter(answers.values()), _VARY_ALONE)[1:]
        freeze(
            self,
            _pattern=None if self.allow_origin_regex is None else re.compile(self.allow_origin_regex),
            _always=always,
            _answers=answers,
            _permissions={origin: self._permission(origin) for origin in answers},
            _methods=SAFELISTED_METHODS.union(method.encode() for method in self.allow_methods),
            _header_names=SAFELISTED_HEADERS.union(name.lower().encode() for name in self.allow_headers),
            _allowed_names=Memo(self._allow_names),
            _foreign=is_foreign(self.app),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = self._always
        if answer is None or scope["method"] == "OPTIONS":
            origin = None
            for name, value in scope["headers"]:
                # Comparing lengths first spares a lower-case copy of nearly every name.
                if len(name) == 6 and name.lower() == b"origin":
                    # Nobody honest sends two origins: together they are none that could be allowed.
                    origin = value if origin is None else b""
            if origin is not None:
                if scope["method"] == "OPTIONS":
                    method = find(scope["headers"], b"access-control-request-method")
                    if method is not None:
                        return await self._preflight(scope, receive, send, origin, method)
                if answer is None:
                    answer = self._answers.get(origin) or self._answer_to(origin)
        wrapped = _send_varied(send) if answer is None else _send_readable(send, answer)
        if self._foreign:
            mark_coroutine_function(wrapped)
        await self.app(scope, receive, wrapped)

    def _answer(self, origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers of a response that pages of ``origin`` may read."""
        headers = [_VARY_ORIGIN, (_ALLOW_ORIGIN, origin)]
        if self.allow_credentials:
            headers.append((_ALLOW_CREDENTIALS, b"true"))
        if self.expose_headers:
            headers.append((_EXPOSE_HEADERS, ", ".join(self.expose_headers).encode()))
        return tuple(headers)

    def _answer_to(self, origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers of a response to a request of an origin that is not listed."""
        return self._answer(origin) if self._matches(origin) else _VARY_ALONE

    def _matches(self, origin: bytes) -> bool:
        if self._pattern is None:
            return False
        text = origin.decode("latin-1")
        # Parsed first: what is no origin, such as 'https://evil.example/.app.example', must not match by accident.
        return parse_origin(text) is not None and self._pattern.fullmatch(text) is not None

    async def _preflight(self, scope: Scope, receive: Receive, send: Send, origin: bytes, method: bytes) -> None:
        """Answer a preflight (Fetch, 3.3.2): an ``OPTIONS`` request with an origin and a requested method."""
        permission = self._permissions.get(b"*" if b"*" in self._permissions else origin)
        if permission is None and self._matches(origin):
            permission = self._permission(origin)
        if permission is None:
            return await self._refuse(scope, receive, send, "origin", f"{origin!r} not allowed")
        headers: HeaderList = [*permission]

        if not self._allows_method(method):
            return await self._refuse(scope, receive, send, "method", f"{method.decode('latin-1')!r} not allowed")
        if b"*" in self._methods:
            # '*' itself would be a method of that name where there are credentials (Fetch, 4.8).
            headers.append((b"access-control-allow-methods", method))

        asked_names = asked_network = None
        for name, value in scope["headers"]:
            if len(name) == 30 and name.lower() == b"access-control-request-headers":
                # Lines past the limit add nothing, so that many short ones cost no more than a long one.
                if asked_names is None:
                    asked_names = value
                elif len(asked_names) <= _LONGEST_LIST:
                    asked_names += b"," + value
            elif len(name) == 38 and name.lower() == b"access-control-request-private-network":
                asked_network = value
        if asked_names is not None:
            names = self._allowed_names[asked_names] if len(asked_names) <= _LONGEST_LIST else None
            if names is None:
                return await self._refuse(scope, receive, send, "headers", "a requested header is not allowed")
            if names:
                headers.append((b"access-control-allow-headers", names))
        if asked_network == b"true":
            if not self.allow_private_network:
                return await self._refuse(scope, receive, send, "private_network", "not allowed")
            headers.append((b"access-control-allow-private-network", b"true"))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _permission(self, origin: bytes) -> HeaderList:
        """Return the headers of a preflight's answer that depend on nothing else that it asks."""
        headers = [pair for pair in self._answer(origin) if pair[0] in (_ALLOW_ORIGIN, _ALLOW_CREDENTIALS)]
        headers.append(_VARY_PREFLIGHT)
        if self.allow_methods and "*" not in self.allow_methods:
            headers.append((b"access-control-allow-methods", ", ".join(self.allow_methods).encode()))
        headers.append((b"access-control-max-age", b"%d" % self.max_age))
        return headers

    def _allows_method(self, method: bytes) -> bool:
        # Methods compare with case: 'patch' is not 'PATCH' (Fetch, 2.2.1).
        if b"*" in self._methods:
            return is_token(method) and method.decode().upper() not in FORBIDDEN_METHODS
        return method in self._methods

    def _allow_names(self, asked: bytes) -> bytes | None:
        """Return the header names that a preflight asks for as a list to allow, or ``None`` if one may not be."""
        if asked.count(b",") >= _MOST_NAMES:
            return None
        names = [name for part in asked.lower().split(b",") if (name := part.strip(b" \t"))]
        allowed = self._header_names
        if all(name in allowed or (b"*" in allowed and is_token(name)) for name in names):
            return b", ".join(names)
        return None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, rule: str, why: str) -> None:
        refusal = Refusal(
            status=403,
            reason=f"cors.{rule}: {why}",
            detail="This cross-origin request is not permitted.",
            headers=(_VARY_PREFLIGHT,),
        )
        await refuse(scope, receive, send, refusal)


def _send_varied(send: Send) -> Send:
    """Return a ``send`` that says of a response only that it depends on the origin."""

    def send_varied(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ())]
            for name, _ in headers:
                if len(name) == 4 and name.lower() == b"vary":
                    headers = add_vary(headers, b"Origin")
                    break
            else:
                headers.append(_VARY_ORIGIN)
            message = {**message}
            message["headers"] = headers
        return send(message)

    return send_varied


def _send_readable(send: Send, answer: tuple[tuple[bytes, bytes], ...]) -> Send:
    """Return a ``send`` that adds the headers of the policy to a response."""

    def send_readable(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ())]
            for name, _ in headers:
                if len(name) in _OUR_LENGTHS and name.lower() in _OURS:
                    headers = _reconciled(headers, answer)
                    break
            else:
                headers += answer
            message = {**message}
            message["headers"] = headers
        return send(message)

    return send_readable


def _reconciled(headers: HeaderList, answer: tuple[tuple[bytes, bytes], ...]) -> HeaderList:
    """Add the headers of the policy to a response that may have some of them already."""
    is_explicit = find(headers, _ALLOW_ORIGIN) is not None
    if not is_explicit:
        # A second 'true' would make the browser's check fail (Fetch, 3.3.5).
        headers = remove(headers, _ALLOW_CREDENTIALS)
    for name, value in answer:
        if name == b"vary":
            headers = add_vary(headers, value)
        elif name == _EXPOSE_HEADERS and not is_explicit:
            headers = merge_members(headers, name, [member.strip() for member in value.split(b",")])
        elif not is_explicit:
            headers.append((name, value))
    return headers


def _check_origins(problems: OptionErrors, policy: CORS) -> None:
    for origin in policy.allow_origins:
        problem = None if origin == "*" else origin_problem(origin)
        if problem is not None:
            problems.add("allow_origins", problem[0], origin, problem[1])
    if "*" in policy.allow_origins:
        is_alone = len(policy.allow_origins) == 1
        problems.check(is_alone, "allow_origins", "must hold '*' alone", policy.allow_origins)
        problems.check(
            not policy.allow_credentials,
            "allow_credentials",
            "must be false when any origin is allowed: every site could act for the user",
            policy.allow_credentials,
            "list the origins",
        )
        problems.check(
            policy.allow_origin_regex is None,
            "allow_origin_regex",
            "must be left out when any origin is allowed: it could not add one",
            policy.allow_origin_regex,
        )
    pattern = policy.allow_origin_regex or ""
    try:
        re.compile(pattern)
    except re.error as error:
        return problems.add("allow_origin_regex", f"must be a regular expression ({error})", pattern)
    problems.check(
        _LOOSE_DOT.search(_LITERAL.sub("x", pattern)) is None,
        "allow_origin_regex",
        "must escape its dots: an unescaped one matches any character, and so other people's hosts",
        pattern,
        r"write '\.'",
    )


def _check_lists(problems: OptionErrors, policy: CORS) -> None:
    for method in policy.allow_methods:
        fits = method == "*" or (is_token(method) and method.upper() not in FORBIDDEN_METHODS)
        if problems.check(fits, "allow_methods", "must hold request methods that browsers send", method):
            is_normal = method in NORMALIZED_METHODS or method.upper() not in NORMALIZED_METHODS
            hint = f"write {method.upper()!r}"
            problems.check(is_normal, "allow_methods", "must be in upper case, as browsers send it", method, hint)
    for option in ("allow_headers", "expose_headers"):
        for name in getattr(policy, option):
            problems.check(is_token(name), option, "must hold header names", name)
    for name in policy.expose_headers:
        is_visible = name.lower() not in HIDDEN_HEADERS
        problems.check(is_visible, "expose_headers", "must hold headers that a page may ever read", name)
    problems.check(
        not ("*" in policy.expose_headers and policy.allow_credentials),
        "expose_headers",
        "must name each header when credentials are allowed: '*' is taken for a header of that name",
        policy.expose_headers,
    )
    problems.check(policy.max_age >= 0, "max_age", "must not be negative", policy.max_age)
