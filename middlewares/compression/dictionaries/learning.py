"""Which responses become dictionaries, and how their bodies are collected.

A dictionary is never sent: whoever decodes with it has it already, and proves so by its SHA-256. Yet the size of what
was encoded with it tells something of its content, and bodies that two users share must be the same bytes for both.
So nothing is learned that could be anyone's own:

- the request is a ``GET`` without ``Cookie`` and without ``Authorization``;
- the response is a 200 that is complete, without ``Set-Cookie`` and without a coding of its own;
- its ``Cache-Control`` says ``public`` and a ``max-age`` above 0, and neither ``private``, ``no-store`` nor
  ``no-cache``;
- its ``Vary`` names neither ``*`` nor ``Cookie`` nor ``Authorization``.

Such a response may be stored by any cache between the application and its users, who all get it alike. A request is
answered with a dictionary only if it names the hash, so one who has not the bytes, from this same public URL, gets
nothing of them.

Standard: RFC 9842, 9.3; RFC 9111, 3 and 5.2.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.core.fields import parse_digits, split_list
from middlewares.core.headers import find_all
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.core.headers import Headers

__all__ = ("Collected", "Learner", "is_public", "is_storable", "is_without_credentials")

_CREDENTIALS: Final = (b"cookie", b"authorization")
_FORBIDDING: Final = frozenset({b"private", b"no-store", b"no-cache"})
_ONE_USERS: Final = frozenset({b"*", *_CREDENTIALS})


def is_storable(headers: Headers) -> bool:
    """Return whether a client may keep a response, and it is not one user's own."""
    headers = [*headers]
    directives = _directives(headers)
    ages = [value for name, value in directives if name == b"max-age"]
    age = parse_digits(ages[0]) if len(ages) == 1 else None
    if not age or any(name in _FORBIDDING for name, _ in directives):
        return False
    if find_all(headers, b"set-cookie") or find_all(headers, b"content-encoding"):
        return False
    varied = (member.lower() for value in find_all(headers, b"vary") for member in split_list(value))
    return _ONE_USERS.isdisjoint(varied)


def is_public(headers: Headers) -> bool:
    """Return whether a response says that every user may get it."""
    return any(name == b"public" for name, _ in _directives(headers))


def is_without_credentials(headers: Headers) -> bool:
    """Return whether a request says nothing of who makes it."""
    return not any(name.lower() in _CREDENTIALS for name, _ in headers)


class Collected:
    """How many bytes of bodies are being collected at once, under a bound. For the thread of the event loop alone."""

    __slots__ = ("bytes", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0


class Learner:
    """Takes the body of one response as the application sends it, before it is encoded.

    A body that is too large, or that never ends, leaves nothing behind.
    """

    __slots__ = ("_chunks", "_collected", "_learn", "_most", "_size")

    def __init__(self, learn: Callable[[bytes], None], most: int, collected: Collected) -> None:
        self._learn = learn
        self._most = most
        self._collected = collected
        self._chunks: list[bytes] | None = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if self._chunks is None:
            return
        size = len(data)
        is_too_much = self._size + size > self._most or self._collected.bytes + size > self._collected.most
        if is_too_much:
            self.abandon()
            return
        self._size += size
        self._collected.bytes += size
        self._chunks.append(bytes(data))

    def finish(self) -> None:
        """Learn what was taken: the body is complete. The work is done in another thread; nothing waits for it."""
        chunks = self._chunks
        self.abandon()
        if chunks:
            self._learn(b"".join(chunks))

    def abandon(self) -> None:
        """Forget what was taken. Harmless after `finish`, and done by itself when the learner is dropped."""
        self._collected.bytes -= self._size
        self._size = 0
        self._chunks = None

    def __del__(self) -> None:
        self.abandon()


def _parse_directives(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    parsed = []
    for element in split_list(value):
        name, _, argument = element.partition(b"=")
        parsed.append((name.strip().lower(), argument.strip().strip(b'"')))
    return tuple(parsed)


_PARSED: Final = Memo(_parse_directives)


def _directives(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [directive for value in find_all(headers, b"cache-control") for directive in _PARSED[value]]
