"""What can go wrong with a session in the hands of an application."""

from __future__ import annotations

from middlewares.errors import MiddlewaresError

__all__ = ("SessionError", "SessionNotLoaded", "SessionTooLarge", "SessionTooLate", "too_late")


class SessionError(MiddlewaresError):
    """A session cannot do what it was asked for."""


class SessionNotLoaded(SessionError):
    """A session in a store on the network was read before ``await session.load()``."""


class SessionTooLate(SessionError):
    """A session was changed after the headers of the response had left, and is in a cookie or needs a new one."""


class SessionTooLarge(SessionError):
    """A session does not fit into a cookie."""


def too_late() -> SessionTooLate:
    """Return the error for a change that only a cookie could keep."""
    return SessionTooLate(
        "Sessions: the headers of the response have left, and the session's cookie would have to be among them; "
        "change it earlier, or keep sessions in a store"
    )
