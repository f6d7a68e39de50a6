"""What can go wrong with a session in the hands of an application."""

from __future__ import annotations

from middlewares.errors import MiddlewaresError

__all__ = ("SessionError", "SessionNotLoaded", "SessionTooLarge", "SessionTooLate")


class SessionError(MiddlewaresError):
    """A session cannot do what it was asked for."""


class SessionNotLoaded(SessionError):
    """A session in a store on the network was read before ``await session.load()``."""


class SessionTooLate(SessionError):
    """A session was changed after the headers of the response had left, and is in a cookie or needs a new one."""


class SessionTooLarge(SessionError):
    """A session does not fit into a cookie."""
