"""A site with sessions, and browsers that visit it: every request does what the test hands to it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from middlewares import Sessions
from middlewares.testing import ManualClock, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares import Session
    from middlewares.asgi import Receive, Scope, Send
    from middlewares.stores import Store
    from middlewares.testing import Response

__all__ = ("KEY", "OLD_KEY", "Browser", "Counting", "Site", "nothing")

KEY = "Zr8wLxTngv1yXkQYJb4Sg0m5hQ0eD7p2"
OLD_KEY = "kQYJb4Sg0m5hQ0eD7p2Zr8wLxTngv1yX"


def nothing(session: Session) -> None:
    """Leave the session alone."""


class Site:
    """An application inside the layer, with a clock that the test moves."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(1_000_000)
        self.status = 200
        self.headers: tuple[tuple[bytes, bytes], ...] = options.pop("headers", ())
        self.late: Callable[[Session], Any] = nothing
        """What the application does after its headers have left."""
        self.layer = Sessions(self._answer, **{"secret_key": KEY, "clock": self.clock, **options})
        self.cookie = self.layer._keeper.jar.name
        self._acts: dict[str, Callable[[Session], Any]] = {}

    async def visit(
        self, act: Callable[[Session], Any] = nothing, cookies: str | None = None, **options: Any
    ) -> Response:
        """Make one request in which the application does ``act`` with its session."""
        name = str(len(self._acts))
        self._acts[name] = act
        headers = {"x-act": name} | ({} if cookies is None else {"cookie": cookies})
        return await request(self.layer, headers=headers, **options)

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser(self)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = scope["session"]
        await _done(self._acts[dict(scope["headers"])[b"x-act"].decode()], session)
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await _done(self.late, session)
        await send({"type": "http.response.body", "body": b""})


async def _done(act: Callable[[Session], Any], session: Session) -> None:
    result = act(session)
    if inspect.isawaitable(result):
        await result


class Browser:
    """Keeps the cookies that responses set."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self.last: Response | None = None

    async def visit(self, act: Callable[[Session], Any] = nothing, **options: Any) -> Response:
        """Make a request, and keep what it sets."""
        self.last = response = await self.site.visit(act, self.header or None, **options)
        self.keep(response)
        return response

    def keep(self, response: Response) -> None:
        """Do what a browser does with ``Set-Cookie``."""
        for line in response.values("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    async def data(self) -> dict[str, Any]:
        """Return what the session holds."""
        found: list[dict[str, Any]] = []
        await self.visit(lambda session: found.append(dict(session)))
        return found[0]

    @property
    def header(self) -> str:
        """The field that it sends."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def copy(self) -> Browser:
        """Return another browser with the same cookies: a thief's."""
        thief = Browser(self.site)
        thief.cookies = {**self.cookies}
        return thief


class Counting:
    """A store that writes down what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            return found(*arguments, **options)

        return counted
