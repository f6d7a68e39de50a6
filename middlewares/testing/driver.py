"""Drive an app or a middleware with single ASGI messages: the driver is the server, led by the test.

Standard: ASGI 3.0, HTTP & WebSocket 2.5, Lifespan 2.0. Runs on asyncio and on Trio.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NoReturn, Self

import anyio
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from .messages import Passed, ResponseEnd, disconnect_event, farewell_after, history
from .scopes import raises_when_closed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anyio.abc import TaskGroup

    from middlewares.asgi import ASGIApp, Message, Scope

__all__ = ("DEADLINE", "ClientDisconnected", "Driver", "DriverError")

DEADLINE = 5.0
"""Seconds that a driver waits for the app unless told otherwise."""

# One turn lets every task that is ready take one step. Enough turns for a message to travel through any
# sensible stack of layers, queues and tasks, and still well under a millisecond.
_TURNS_TO_SETTLE = 100


class DriverError(AssertionError):
    """The app did not do what the test waits for; the message shows what has passed between them."""


class ClientDisconnected(OSError):
    """What ``send`` raises in the app once the client has gone, if the driver was asked for that.

    HTTP & WebSocket 2.4: sending on a closed connection raises a server-specific subclass of `OSError`.
    """


class Driver:
    """Run one call of ``app`` as a task, and pass single messages in and out.

    ::

        async with Driver(GZip(app), http_scope("POST", "/upload")) as call:
            await call.send({"type": "http.request", "body": b"first", "more_body": True})
            await call.assert_silent()  # nothing may be answered before the body is whole
            call.feed({"type": "http.request", "body": b"last"})
            start = await call.receive()
            call.disconnect()
            await call.finish()

    As with a real server, the app is told of a disconnect (again and again) when it asks for an event after
    its response is complete or its WebSocket is closed. Messages are handed over as the objects they are,
    unchecked.

    Leaving the block cancels an app that still runs, and raises what the app raised unless the test has seen it.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        *,
        timeout: float = DEADLINE,
        hold_sends: bool = False,
        fail_sends: bool | None = None,
    ) -> None:
        """Prepare the call; it starts when the block is entered.

        ``timeout``: seconds that each waiting method waits for the app. ``hold_sends``: the app's ``send``
        returns only when the test has received the message, as with a client that reads slowly.
        ``fail_sends``: whether after `disconnect` the app's ``send`` raises `ClientDisconnected` or does nothing.
        Unless it is given, that of a WebSocket raises if the scope says version 2.4 or later, as servers must.
        """
        self.app = app
        self.scope = scope
        self.timeout = timeout
        self.hold_sends = hold_sends
        self.fail_sends = raises_when_closed(scope) if fail_sends is None else fail_sends
        self.messages: list[Passed] = []
        """All messages so far, both ways: events once the app got them, its own once it sent them."""
        self.lost: list[Message] = []
        """What the app sent after `disconnect`."""
        self.cancelled = False
        """Whether the app ended because it was cancelled."""
        self.running = True
        """Whether the app has not ended yet."""
        self.connected = True
        """Whether the test has not let the client go yet."""
        self._inbox: deque[Message] = deque()
        self._outbox: deque[Message] = deque()
        self._taken = 0  # messages that the test has received, to release held sends
        self._receiving = 0  # calls of receive that wait
        self._end = ResponseEnd()
        self._farewell: Message | None = None  # answers receive once the inbox is empty
        self._exception: Exception | None = None
        self._unseen = False
        self._change = anyio.Event()
        self._tasks: TaskGroup
        self._cancellation: anyio.CancelScope

    # -- what the test does

    def feed(self, *messages: Message) -> None:
        """Put events in line for the app, and return at once. `ValueError` after `disconnect`."""
        if not self.connected:
            raise ValueError(f"Driver: no event can follow a disconnect; got {messages!r}")
        self._inbox.extend(messages)
        self._changed()

    async def send(self, message: Message) -> None:
        """Put one event in line, and wait until the app has taken it and all before it."""
        self.feed(message)
        await self._wait(lambda: not self._inbox or not self.running, f"the app did not take {message.get('type')!r}")
        if self._inbox:
            self.fail(f"the app ended without taking {message.get('type')!r}")

    async def receive(self, expected: str | None = None) -> Message:
        """Return the next message of the app, the very object that it sent; wait for it if need be.

        If the app has failed instead, its exception is raised. `DriverError` when the app returns or the
        deadline passes without a message, or when the message's type is not the ``expected`` one.
        """
        await self._wait(
            lambda: bool(self._outbox) or not self.running, f"the app did not send {expected or 'anything'}"
        )
        if not self._outbox:
            self.fail(f"the app ended without sending {expected or 'anything more'}")
        message = self._outbox.popleft()
        self._taken += 1
        self._changed()
        if expected is not None and message.get("type") != expected:
            self.fail(f"the app sent {message.get('type')!r} where {expected!r} was expected")
        return message

    async def settle(self) -> None:
        """Let the app run until it is blocked: it waits for an event, for a held ``send``, or has ended.

        Takes a fixed number of turns of the event loop, and no time; work in threads and timers is not waited
        for.
        """
        for _ in range(_TURNS_TO_SETTLE):
            await checkpoint()

    async def assert_silent(self) -> None:
        """Raise `DriverError` if the app, run until it is blocked, has sent what was not received yet."""
        await self.settle()
        if self._outbox:
            self.fail(f"the app sent {self._outbox[0].get('type')!r} where it should have waited")
        self._raise_from_app()

    def disconnect(self, code: int = 1005, reason: str = "") -> None:
        """Let the client go: after the events still in line, each ``receive`` answers a disconnect.

        ``code`` and ``reason`` are those of a WebSocket close. `ValueError` for a lifespan, which has no
        client.
        """
        self._farewell = disconnect_event(self.scope["type"], code, reason)
        self.connected = False
        self._changed()

    async def cancel(self) -> None:
        """Cancel the app, and wait until it has ended.

        Cancellation is anyio's: every ``await`` of the app raises until it ends, except in a shielded scope.
        """
        self._cancellation.cancel()
        await self._wait(lambda: not self.running, "the app did not end when cancelled")

    async def finish(self) -> None:
        """Wait until the app has returned, and raise what it raised."""
        await self._wait(lambda: not self.running, "the app did not return")
        self._raise_from_app()

    def fail(self, complaint: str) -> NoReturn:
        """Raise what the app raised; if nothing, `DriverError` with the complaint and what has passed."""
        self._raise_from_app()
        state = "waits for an event" if self.waiting else "runs" if self.running else "has ended"
        raise DriverError(f"{complaint}; it {state}. Passed so far:\n{history(self.messages)}")

    @property
    def sent(self) -> list[Message]:
        """All that the app has sent so far, received by the test or not; without what was `lost`."""
        return [message for sender, message in self.messages if sender == "app"]

    @property
    def waiting(self) -> bool:
        """Whether the app waits for an event at this moment; see `settle`."""
        return self._receiving > 0

    @property
    def exception(self) -> Exception | None:
        """What the app raised, if it has; reading it counts as having seen it."""
        self._unseen = False
        return self._exception

    # -- what the app is given

    async def _app_receive(self) -> Message:
        self._receiving += 1
        try:
            await self._until(lambda: bool(self._inbox) or self._farewell is not None)
        finally:
            self._receiving -= 1
        # No await from here on: a cancelled wait loses no event.
        if self._inbox:
            message = self._inbox.popleft()
        else:
            message = dict(self._farewell or {})
        self.messages.append(Passed("test", message))
        self._changed()
        return message

    async def _app_send(self, message: Message) -> None:
        if not self.connected:
            self.lost.append(message)
            return self._refuse_send()
        self.messages.append(Passed("app", message))
        self._outbox.append(message)
        number = self._taken + len(self._outbox)
        if self._end.is_reached_by(message):
            self._farewell = farewell_after(message)
        self._changed()
        if self.hold_sends:
            await self._until(lambda: self._taken >= number or not self.connected)
            if self._taken < number:
                self._refuse_send()

    def _refuse_send(self) -> None:
        if self.fail_sends:
            raise ClientDisconnected("the client has disconnected")

    # -- the task of the app

    async def __aenter__(self) -> Self:
        self._cancellation = anyio.CancelScope()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cancellation.cancel()
        # An exception of the test does not enter the task group, which would wrap it; a cancellation must.
        if kind is not None and issubclass(kind, anyio.get_cancelled_exc_class()):
            await self._tasks.__aexit__(kind, error, traceback)
        else:
            await self._tasks.__aexit__(None, None, None)
        if self._unseen and error is None:
            self._raise_from_app()
        elif self._unseen and error is not None:
            error.add_note(f"The app raised {self._exception!r}.")

    async def _run(self) -> None:
        try:
            with self._cancellation:
                await self.app(self.scope, self._app_receive, self._app_send)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self._exception = error
            self._unseen = True
        except anyio.get_cancelled_exc_class():
            # By the app on its own account, or because the test is cancelled: either way the app has ended.
            self.cancelled = True
        finally:
            self.cancelled = self.cancelled or self._cancellation.cancelled_caught
            self.running = False
            self._changed()

    # -- waiting and failing

    def _changed(self) -> None:
        """Wake all who wait, so that they look again."""
        self._change.set()
        self._change = anyio.Event()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._change.wait()

    async def _wait(self, holds: Callable[[], bool], complaint: str) -> None:
        """Wait until something holds; past the deadline, fail with ``complaint``."""
        with anyio.move_on_after(self.timeout):
            await self._until(holds)
        # A cancelled test may be woken by the end of its app first; it is not to blame the app then.
        await checkpoint_if_cancelled()
        if not holds():
            self.fail(f"{complaint} within {self.timeout:g} s")

    def _raise_from_app(self) -> None:
        if self._exception is not None:
            self._unseen = False
            raise self._exception
