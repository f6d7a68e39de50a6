"""Put the headers of a policy into responses, beside those that the application sets itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.core.headers import HeaderList, add_vary, find, merge_members, remove

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Send

__all__ = (
    "ALLOW_CREDENTIALS",
    "ALLOW_ORIGIN",
    "EXPOSE_HEADERS",
    "VARY_ORIGIN",
    "Answer",
    "sending_readable",
    "sending_varied",
)

Answer = tuple[tuple[bytes, bytes], ...]
"""The headers that a policy gives a response."""

ALLOW_ORIGIN: Final = b"access-control-allow-origin"
ALLOW_CREDENTIALS: Final = b"access-control-allow-credentials"
EXPOSE_HEADERS: Final = b"access-control-expose-headers"
VARY_ORIGIN: Final = (b"vary", b"Origin")

_OURS: Final = frozenset({b"vary", ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS})
_OUR_LENGTHS: Final = frozenset(map(len, _OURS))


def sending_varied(send: Send) -> Send:
    """Return a ``send`` that says of a response only that it depends on the origin."""

    def send_varied(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message["headers"]] if "headers" in message else []
            for name, _ in headers:
                if len(name) == 4 and name.lower() == b"vary":
                    headers = add_vary(headers, b"Origin")
                    break
            else:
                headers.append(VARY_ORIGIN)
            message = {**message}
            message["headers"] = headers
        return send(message)

    return send_varied


def sending_readable(send: Send, answer: Answer) -> Send:
    """Return a ``send`` that adds the headers of the policy to a response."""

    def send_readable(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message["headers"]] if "headers" in message else []
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


def _reconciled(headers: HeaderList, answer: Answer) -> HeaderList:
    """Add the headers of the policy to a response that may have some of them already."""
    is_explicit = find(headers, ALLOW_ORIGIN) is not None
    if not is_explicit:
        # A second 'true' would make the browser's check fail (Fetch, 3.3.5).
        headers = remove(headers, ALLOW_CREDENTIALS)
    for name, value in answer:
        if name == b"vary":
            headers = add_vary(headers, value)
        elif name == EXPOSE_HEADERS and not is_explicit:
            headers = merge_members(headers, name, [member.strip() for member in value.split(b",")])
        elif not is_explicit:
            headers.append((name, value))
    return headers
