"""An application inside the stack of a configuration file, which can be read anew while it serves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from middlewares.adapt import adapt
from middlewares.reload import ReloadingApp
from middlewares.reload.app import Loaded

from .loader import Loading
from .model import Configuration
from .secrecy import without_secrets

if TYPE_CHECKING:
    from middlewares.adapt import Interface
    from middlewares.stack import Stack

__all__ = ("ConfiguredApp",)


class ConfiguredApp(ReloadingApp):
    """An application inside the stack that a file describes.

    ::

        application = ConfiguredApp(get_asgi_application(), "middlewares.toml")

    ``profile`` chooses one of the file's profiles, else ``MIDDLEWARES_PROFILE`` does. ``interface`` says what the
    application is where that cannot be told from its parameters. Raises `ConfigError` with everything that is wrong
    with the file, and `OptionError` for what is no application.

    The file is read anew by `reload`, by the signal SIGHUP, and with ``watch`` whenever it, a file that it includes
    or a file of ``${file:…}`` changes, which is looked for each ``interval`` seconds. What is wrong then is logged,
    with everything that `ConfigError` says, and the stack stays as it is. Requests under way finish on the stack
    they began with, which is closed after ``grace`` seconds at the latest; see `ReloadingApp`.
    """

    def __init__(
        self,
        app: Any,
        config: str | os.PathLike[str] | Configuration = "middlewares.toml",
        *,
        profile: str | None = None,
        interface: Interface | None = None,
        watch: bool = False,
        interval: float = 1.0,
        grace: float = 60.0,
    ) -> None:
        self.inner = app
        """The application, as it was given."""
        self.interface = interface
        self._path: str | os.PathLike[str]
        self._given: Configuration | None = None
        self._newest: Configuration
        if isinstance(config, Configuration):
            self._path, self._profile, self._given = config.path, profile or config.profile, config
        else:
            self._path, self._profile = config, profile
        self._attempt: Loading | None = None
        """The last reading of the file."""
        adapted = adapt(app, interface)
        failure: Exception | None = None
        try:
            super().__init__(adapted, self._read, watch=watch, interval=interval, grace=grace)
        except Exception as error:  # noqa: BLE001 - building runs constructors that are not ours
            failure = self._told(error)
        if failure is not None:
            raise failure  # here, so that it knows nothing of the error that it stands for
        self.configuration: Configuration = self._newest
        """What the file says."""

    @property
    def stack(self) -> Stack:
        """The layers, outermost first."""
        return self.configuration.stack

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that the configuration depends on, those that were missing when it was last read too."""
        return self._files.files

    async def reload(self) -> bool:
        """Read the file anew, and exchange the stack; return whether it differs.

        Raises `ConfigError` with everything that is wrong with the file, and what building or starting the stack
        raises: nothing has changed then.
        """
        differs = False
        failure: Exception | None = None
        try:
            differs = await super().reload()
        except Exception as error:  # noqa: BLE001 - building runs constructors that are not ours
            # One of the files that the new text names may be what is missing: its coming is waited for as well.
            attempted = () if self._attempt is None else self._attempt.files
            self._files.watch(dict.fromkeys((*self._files.files, *attempted)))
            failure = self._told(error)
        if failure is not None:
            raise failure
        self.configuration = self._newest
        return differs

    def _told(self, error: Exception) -> Exception:
        """Return an error, or what says the same without secrets."""
        secrets = self._newest.secrets if self._attempt is None else self._attempt.secrets
        return without_secrets(error, f"the stack of {os.fsdecode(self._path)} was built", secrets)

    def _read(self) -> Loaded:
        given, self._given = self._given, None
        if given is None:
            self._attempt = Loading(self._path, self._profile)
            given = self._attempt.configuration()
        self._newest = given
        return Loaded(given.stack, given.files)

    def __repr__(self) -> str:
        return f"ConfiguredApp({self.inner!r}, {self.configuration.path!r})"
