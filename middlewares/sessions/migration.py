"""Read the session cookies of Starlette and Flask, so that moving over logs nobody out.

Both sign with SHA-1 and a salt that other uses of the same secret share, and neither can end a session early: so they
are read up to a date only, from a cookie of their own name, and never written.
"""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from middlewares.core.cookies import find_cookies
from middlewares.core.headers import find_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from middlewares.core.headers import Headers

__all__ = ("OldCookies",)

_MOST_TRIED: Final = 4
_LONGEST: Final = 4096

Reader = tuple[float, "Callable[[str], Any]"]


class OldCookies:
    """Reads cookies of other frameworks until the end of a day (UTC)."""

    def __init__(
        self,
        cookie: str,
        keys: Sequence[str],
        *,
        starlette_until: date | None,
        flask_until: date | None,
        max_age: int | None,
    ) -> None:
        self.cookie = cookie
        self._readers: list[Reader] = []
        for until, reader in ((starlette_until, _starlette), (flask_until, _flask)):
            if until is not None:
                ends = datetime.combine(until + timedelta(days=1), time(), UTC).timestamp()
                self._readers += [(ends, reader(key, max_age)) for key in keys]

    def is_in(self, headers: Headers) -> bool:
        """Return whether a request has an old cookie, genuine or not."""
        return bool(find_cookies(find_all(headers, b"cookie"), self.cookie))

    def read(self, headers: Headers, now: float) -> dict[str, Any] | None:
        """Return the data of a genuine old cookie of a request."""
        readers = [reader for ends, reader in self._readers if now < ends]
        if not readers:
            return None
        found = []
        for value in [*dict.fromkeys(find_cookies(find_all(headers, b"cookie"), self.cookie))][:_MOST_TRIED]:
            if len(value) <= _LONGEST:
                found += [data for reader in readers if (data := _tried(reader, value)) is not None]
        return found[0] if len(found) == 1 else None  # two genuine ones: somebody planted one of them


def _tried(reader: Callable[[str], Any], value: str) -> dict[str, Any] | None:
    try:
        data = reader(value)
    except (BadData, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _starlette(key: str, max_age: int | None) -> Callable[[str], Any]:
    signer = TimestampSigner(key)
    return lambda value: json.loads(b64decode(signer.unsign(value.encode(), max_age=max_age)))


def _flask(key: str, max_age: int | None) -> Callable[[str], Any]:
    options = {"key_derivation": "hmac", "digest_method": sha1}
    serializer = URLSafeTimedSerializer(key, salt="cookie-session", signer_kwargs=options)

    def read(value: str) -> Any:
        # Flask compresses what is long, with a dot in front: that could be a bomb, and needs the key to be one.
        return serializer.loads(value, max_age=max_age)

    return read
