"""Put the headers of a policy into responses, beside those that the application sets itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.asgi import mark_coroutine_function
from middlewares.core.headers import HeaderList, merge_members, remove

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Send
    from middlewares.core.exchange import Exchange
    from middlewares.core.vary import VaryOn

__all__ = (
    "ALLOW_CREDENTIALS",
    "ALLOW_ORIGIN",
    "EXPOSE_HEADERS",
    "Answer",
    "ReadableResponse",
    "VariedResponse",
    "exposing",
    "reconcile",
)

Answer = tuple[tuple[bytes, bytes], ...]
"""The headers that a policy gives a response."""

ALLOW_ORIGIN: Final = b"access-control-allow-origin"
ALLOW_CREDENTIALS: Final = b"access-control-allow-credentials"
EXPOSE_HEADERS: Final = b"access-control-expose-headers"

_OURS: Final = frozenset({b"vary", ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS})
_OUR_LENGTHS: Final = frozenset(map(len, _OURS))


class VariedResponse:
    """A response of which nothing is said but what it depends on."""

    __slots__ = ("_send", "_vary")

    def __init__(self, send: Send, vary: VaryOn) -> None:
        self._send = send
        self._vary = vary

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the application."""
        if message["type"] == "http.response.start":
            headers = [*message["headers"]] if "headers" in message else []
            for name, _ in headers:
                if len(name) == 4 and name.lower() == b"vary":
                    self._vary.extend(headers)
                    break
            else:
                headers.append(self._vary.line)
            message = {**message}
            message["headers"] = headers
        return self._send(message)


class ReadableResponse:
    """A response that gets the headers of the policy, and with an exchange the names that layers want exposed."""

    __slots__ = ("_answer", "_exchange", "_send", "_vary", "is_started")

    def __init__(self, send: Send, answer: Answer, vary: VaryOn, exchange: Exchange | None) -> None:
        self._send = send
        self._answer = answer
        self._vary = vary
        self._exchange = exchange
        self.is_started = False
        """Whether the application has begun to respond."""

    @mark_coroutine_function
    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the application."""
        if message["type"] == "http.response.start":
            self.is_started = True
            answer = self._answer
            if self._exchange is not None:
                answer = exposing(answer, self._exchange)
            headers = [*message["headers"]] if "headers" in message else []
            for name, _ in headers:
                if len(name) in _OUR_LENGTHS and name.lower() in _OURS:
                    reconcile(headers, answer, self._vary)
                    break
            else:
                headers += answer
            message = {**message}
            message["headers"] = headers
        return self._send(message)


def exposing(answer: Answer, exchange: Exchange) -> Answer:
    """Return the headers of a policy with the names that layers have published, where it exposes any."""
    names = exchange.expose
    if not names or not any(name == EXPOSE_HEADERS for name, _ in answer):
        return answer
    return tuple(merge_members(answer, EXPOSE_HEADERS, names))


def reconcile(headers: HeaderList, answer: Answer, vary: VaryOn) -> None:
    """Add the headers of the policy to those of a response that may have some of them already, in place."""
    own = {name.lower() for name, _ in headers if len(name) in _OUR_LENGTHS}
    is_explicit = ALLOW_ORIGIN in own
    if ALLOW_CREDENTIALS in own and not is_explicit:
        # A second 'true' would make the browser's check fail (Fetch, 4.9).
        headers[:] = remove(headers, ALLOW_CREDENTIALS)
    for line in answer:
        if line is vary.line:
            vary.extend(headers)
        elif is_explicit:
            continue
        elif line[0] == EXPOSE_HEADERS and EXPOSE_HEADERS in own:
            members = [member.strip() for member in line[1].split(b",")]
            headers[:] = merge_members(headers, EXPOSE_HEADERS, members)
        else:
            headers.append(line)
