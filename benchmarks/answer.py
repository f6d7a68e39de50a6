"""What an application answered to one request, recorded and checked outside the timed region."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from middlewares.asgi import ASGIApp, Message, Scope

__all__ = ("Answer", "Verify", "WrongOutputError", "compressed", "expect", "identical", "record", "unchanged")


class WrongOutputError(Exception):
    """A subject does not do the work it is to be measured on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that was sent for one request."""

    messages: tuple[Message, ...]

    @property
    def status(self) -> int:
        """Status of the response."""
        return int(self._start["status"])

    @property
    def body(self) -> bytes:
        """The body as it goes over the wire."""
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of a response header, in order."""
        return [value for key, value in self._start["headers"] if key.lower() == name]

    def members(self, name: bytes) -> set[bytes]:
        """Return the members of a list header such as ``Vary``, in lower case."""
        return {member.strip().lower() for value in self.values(name) for member in value.split(b",")}

    @property
    def _start(self) -> Message:
        starts = [m for m in self.messages if m["type"] == "http.response.start"]
        expect(len(starts) == 1, f"{len(starts)} response starts")
        return starts[0]


Verify = Callable[[Answer, Answer, Scope], None]
"""Called with the subject's answer, the bare application's, and the scope of the request."""


def expect(holds: bool, problem: str) -> None:
    """Raise `WrongOutputError` unless ``holds``."""
    if not holds:
        raise WrongOutputError(problem)


async def record(app: ASGIApp, scope: Scope, receive: Callable[[], Awaitable[Message]]) -> Answer:
    """Run one request and return what was sent."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append({**message, "headers": list(message["headers"])} if "headers" in message else {**message})

    await app(scope, receive, send)
    return Answer(tuple(messages))


def identical(got: Answer, bare: Answer, scope: Scope) -> None:
    """Check that the layer changed nothing at all."""
    expect(got.messages == bare.messages, f"sent {got.messages!r} instead of {bare.messages!r}")


def unchanged(got: Answer, bare: Answer, scope: Scope) -> None:
    """Check that status, body and its description are the application's; others may be added."""
    expect(got.status == bare.status, f"status {got.status} instead of {bare.status}")
    expect(got.body == bare.body, "the body is not the application's")
    for name in (b"content-type", b"content-length", b"content-encoding"):
        expect(
            got.values(name) == bare.values(name),
            f"{name!r} is {got.values(name)!r}, not {bare.values(name)!r}",
        )


def compressed(got: Answer, bare: Answer, scope: Scope) -> None:
    """Check that the body is the application's in gzip coding, and is described truly."""
    _expect_coding(b"gzip", got)
    expect(_decoded(got.body) == bare.body, "the body does not decode to the application's")
    described_as(b"gzip", got, bare)


def described_as(coding: bytes, got: Answer, bare: Answer) -> None:
    """Check that the headers are those of the application's body in a coding."""
    expect(got.status == bare.status, f"status {got.status} instead of {bare.status}")
    _expect_coding(coding, got)
    length = got.values(b"content-length")
    expect(length == [b"%d" % len(got.body)], f"content-length is {length!r} for {len(got.body)} bytes")
    expect(
        got.values(b"content-type") == bare.values(b"content-type"),
        "the content type is not the application's",
    )
    expect(b"accept-encoding" in got.members(b"vary"), f"vary is {got.values(b'vary')!r}")


def _expect_coding(coding: bytes, got: Answer) -> None:
    found = got.values(b"content-encoding")
    expect(found == [coding], f"content-encoding is {found!r}")


def _decoded(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise WrongOutputError(f"the body is not in gzip coding: {error}") from error
