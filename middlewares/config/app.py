"""An application inside the stack of a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .loader import load
from .model import Configuration

if TYPE_CHECKING:
    import os

    from middlewares.adapt import Interface
    from middlewares.asgi import ASGIApp, Receive, Scope, Send
    from middlewares.stack import Stack

__all__ = ("ConfiguredApp",)


class ConfiguredApp:
    """An application inside the stack that a file describes.

    ::

        application = ConfiguredApp(get_asgi_application(), "middlewares.toml")

    ``profile`` chooses one of the file's profiles, else ``MIDDLEWARES_PROFILE`` does. ``interface`` says what the
    application is where that cannot be told from its parameters. Raises `ConfigError` with everything that is wrong
    with the file, and `OptionError` for what is no application.
    """

    def __init__(
        self,
        app: Any,
        config: str | os.PathLike[str] | Configuration = "middlewares.toml",
        *,
        profile: str | None = None,
        interface: Interface | None = None,
    ) -> None:
        self.inner = app
        """The application, as it was given."""
        self.interface = interface
        self.configuration = config if isinstance(config, Configuration) else load(config, profile=profile)
        self.app: ASGIApp = self.configuration.stack(app, interface=interface)
        """The application inside all layers."""

    @property
    def stack(self) -> Stack:
        """The layers, outermost first."""
        return self.configuration.stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def __repr__(self) -> str:
        return f"ConfiguredApp({self.inner!r}, {self.configuration.path!r})"
