"""Layers with the faults that layers have in the wild: each must be found, or the suite proves nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

from middlewares import Middleware

from .subject import Seen, Subject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from middlewares.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ("Faulty",)

Fault: TypeAlias = "Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]"

_tasks: list[asyncio.Future[Any]] = []


async def hands_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Does nothing at all."""
    await app(scope, receive, send)


async def ends_what_was_cut(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that failed looks complete."""
    started = False

    async def send_noted(message: Message) -> None:
        nonlocal started
        started = started or message["type"] == "http.response.start"
        await send(message)

    try:
        await app(scope, receive, send_noted)
    except Exception:
        if started:
            await send({"type": "http.response.body", "body": b""})
        raise


async def starts_again(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """An error page after the start."""
    try:
        await app(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"sorry"})
        raise


async def swallows_exceptions(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    with contextlib.suppress(Exception):
        await app(scope, receive, send)


async def wraps_exceptions(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await app(scope, receive, send)
    except Exception as error:
        raise RuntimeError("something inside failed") from error


async def swallows_cancellation(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await app(scope, receive, send)


async def holds_the_start(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    held: list[Message] = []

    async def send_late(message: Message) -> None:
        if message["type"] == "http.response.start":
            held.append(message)
            return
        while held:
            await send(held.pop())
        await send(message)

    await app(scope, receive, send_late)


async def holds_chunks(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Joins a body, so that it comes at once."""
    held = b""

    async def send_joined(message: Message) -> None:
        nonlocal held
        if message["type"] == "http.response.body":
            held += bytes(message.get("body", b""))
            if message.get("more_body", False):
                return
            message = {**message, "body": held}
        await send(message)

    await app(scope, receive, send_joined)


async def drops_unknown(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_known(message: Message) -> None:
        if message["type"] in ("http.response.start", "http.response.body") or not message["type"].startswith("http."):
            await send(message)

    await app(scope, receive, send_known)


async def changes_the_scope(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    scope["path"] = "/elsewhere"
    await app(scope, receive, send)


async def changes_the_headers(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_changed(message: Message) -> None:
        if isinstance(message.get("headers"), list):
            message["headers"].append((b"x-added", b"1"))
        await send(message)

    await app(scope, receive, send_changed)


async def changes_the_message(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_changed(message: Message) -> None:
        message["seen"] = True
        await send(message)

    await app(scope, receive, send_changed)


async def reads_headers_twice(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_read(message: Message) -> None:
        if message["type"] == "http.response.start":
            dict(message.get("headers", ()))
        await send(message)

    await app(scope, receive, send_read)


async def needs_keys_of_body(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_strict(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": message["body"], "more_body": message["more_body"]}
        await send(message)

    await app(scope, receive, send_strict)


async def lies_about_length(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Adds to a body whose length is announced."""

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            message = {**message, "body": bytes(message.get("body", b"")) + b"<!-- ads -->"}
        await send(message)

    await app(scope, receive, send_more)


async def adds_a_length(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"content-length", b"7")]}
        await send(message)

    await app(scope, receive, send_named)


async def eats_the_body(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body of the request, and leaves none for the application."""
    events = [await receive()]
    while events[-1].get("more_body", False):
        events.append(await receive())

    async def receive_nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive_nothing, send)


async def leaves_a_task(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    _tasks.append(asyncio.ensure_future(asyncio.Event().wait()))
    await app(scope, receive, send)


async def drops_cookies(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Keeps one header of each name."""

    async def send_mapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*dict(message.get("headers", ())).items()]}
        await send(message)

    await app(scope, receive, send_mapped)


async def answers_by_itself(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def takes_all_for_requests(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Takes every scope for that of a request."""
    scope["headers"]
    await app(scope, receive, send)


async def keeps_the_exception(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A cycle: the exception refers to this frame, and this frame to the exception."""
    failure = None
    try:
        await app(scope, receive, send)
    except Exception as error:  # noqa: BLE001 - raised again below
        failure = error
    if failure is not None:
        raise failure


class Faulty(Subject):
    """A layer with a fault and without a duty."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def record(self) -> Middleware:
        return Middleware(_Layer, fault=self.fault)

    def check(self, seen: Seen) -> None:
        """Find nothing."""


class _Layer:
    def __init__(self, app: ASGIApp, fault: Fault) -> None:
        self.app = app
        self.fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.fault(self.app, scope, receive, send)
