"""Sessions: data of a visitor, in a signed or encrypted cookie or in a store.

::

    app = Sessions(app, secret_key="env:SECRET_KEY")
    # in the application: request.session["cart"] = [...]
"""

from __future__ import annotations

from .errors import SessionError, SessionNotLoaded, SessionTooLarge, SessionTooLate
from .middleware import Sessions
from .records import SessionInfo
from .session import Session

__all__ = (
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionNotLoaded",
    "SessionTooLarge",
    "SessionTooLate",
    "Sessions",
)
