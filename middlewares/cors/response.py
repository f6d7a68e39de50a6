"""Put the headers of a policy into responses, beside those that the application sets itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.core.headers import HeaderList, merge_members, remove

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from middlewares.asgi import Message, Send
    from middlewares.core.vary import VaryOn

__all__ = (
    "ALLOW_CREDENTIALS",
    "ALLOW_ORIGIN",
    "EXPOSE_HEADERS",
    "Answer",
    "sending_readable",
    "sending_varied",
)

Answer = tuple[tuple[bytes, bytes], ...]
"""The headers that a policy gives a response."""

ALLOW_ORIGIN: Final = b"access-control-allow-origin"
ALLOW_CREDENTIALS: Final = b"access-control-allow-credentials"
EXPOSE_HEADERS: Final = b"access-control-expose-headers"

_OURS: Final = frozenset({b"vary", ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS})
_OUR_LENGTHS: Final = frozenset(map(len, _OURS))


def sending_varied(send: Send, vary: VaryOn) -> Send:
    """Return a ``send`` that says of a response only what it depends on."""

    def send_varied(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message["headers"]] if "headers" in message else []
            for name, _ in headers:
                if len(name) == 4 and name.lower() == b"vary":
                    vary.extend(headers)
                    break
            else:
                headers.append(vary.line)
            message = {**message}
            message["headers"] = headers
        return send(message)

    return send_varied


def sending_readable(send: Send, answer: Answer, vary: VaryOn) -> Send:
    """Return a ``send`` that adds the headers of the policy to a response."""

    def send_readable(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message["headers"]] if "headers" in message else []
            for name, _ in headers:
                if len(name) in _OUR_LENGTHS and name.lower() in _OURS:
                    _reconcile(headers, answer, vary)
                    break
            else:
                headers += answer
            message = {**message}
            message["headers"] = headers
        return send(message)

    return send_readable


def _reconcile(headers: HeaderList, answer: Answer, vary: VaryOn) -> None:
    """Add the headers of the policy to those of a response that has some of them already, in place."""
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
