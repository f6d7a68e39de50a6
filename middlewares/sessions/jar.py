"""The cookie of a session: its name and attributes, and values of it that are longer than browsers take.

A long value is cut into several cookies: ``K2.`` and the first part in the cookie itself, the next in ``name.1``.
It is sealed as a whole, so that parts of two writes do not fit together.

Standard: RFC 6265 and draft-ietf-httpbis-rfc6265bis, 4.1 and 5.5 to 5.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from middlewares.core.cookies import find_cookies, format_set_cookie
from middlewares.core.headers import find_all

from .errors import SessionTooLarge
from .records import LONGEST

if TYPE_CHECKING:
    from middlewares.core.cookies import SameSite
    from middlewares.core.headers import HeaderList, Headers

__all__ = ("Jar",)

_LONGEST_PAIR: Final = 4096
_MOST_TRIED: Final = 4
"""Different values under one name that are looked at."""
_MOST_PARTS: Final = 2
"""More would make a line of more than 8 KB, which servers in front answer with 400, again and again."""
_LONGEST_VALUE: Final = 7000


class Jar:
    """Reads and writes one cookie. Raises `OptionError` if browsers would refuse it."""

    def __init__(
        self,
        name: str,
        *,
        path: str,
        domain: str | None,
        secure: bool,
        same_site: SameSite,
        partitioned: bool,
        lasts: bool,
        in_parts: bool,
    ) -> None:
        line = format_set_cookie(
            name,
            "",
            path=path,
            domain=domain,
            secure=secure,
            http_only=True,
            same_site=same_site,
            partitioned=partitioned,
        )
        self.name = name
        self._lasts = lasts
        self._last_age: tuple[float, bytes] = (-1.0, b"")
        self._most_parts = _MOST_PARTS if in_parts else 1
        self._raw_name = name.encode()
        self._pair = self._raw_name + b"="
        self._attributes = line.removeprefix(self._raw_name + b"=")

    def values(self, headers: Headers) -> list[str]:
        """Return the different values that a request has, joined from their parts, at most four."""
        fields = [field for name, field in headers if len(name) == 6 and name.lower() == b"cookie"]
        if len(fields) == 1:
            pieces = fields[0].split(self._raw_name)
            if len(pieces) == 1:
                return []
            value = self._only(pieces)
            if value is not None:
                return [value] if len(value) <= _LONGEST_PAIR else []
        found = dict.fromkeys(value for value in find_cookies(fields, self.name) if value)
        values = [value if value[0] != "K" else self._joined(value, fields) for value in [*found][:_MOST_TRIED]]
        return [value for value in values if len(value) <= _LONGEST_VALUE]

    def fits(self, value: str) -> bool:
        """Return whether a value can be sent."""
        return self._parts_of(value) <= self._most_parts and len(value) <= _LONGEST_VALUE

    def lines(self, value: str, seconds: float, headers: Headers) -> HeaderList:
        """Return the ``Set-Cookie`` fields for a value that lives for some seconds; parts not in use are deleted."""
        count = self._parts_of(value)
        if count > self._most_parts or len(value) > _LONGEST_VALUE:
            raise SessionTooLarge(
                f"Sessions: the session takes {len(value)} bytes, and a cookie holds "
                f"{_LONGEST_PAIR - len(self.name)}; keep less in it, or use oversize='chunk', 'spill', or a store"
            )
        age = self._age(seconds)
        if count == 1:
            lines = [(b"set-cookie", b"%b%b%b%b" % (self._pair, value.encode(), age, self._attributes))]
        else:
            size = _LONGEST_PAIR - len(self.name) - 8
            parts = [value[start : start + size] for start in range(0, len(value), size)]
            pairs = [(self._raw_name, f"K{count}.{parts[0]}".encode())]
            pairs += [(self._part(number), part.encode()) for number, part in enumerate(parts[1:], 1)]
            lines = [(b"set-cookie", b"%b=%b%b%b" % (name, part, age, self._attributes)) for name, part in pairs]
        return lines if self._most_parts == 1 else lines + self._deleted_parts(headers, from_=count)

    def deletion(self, headers: Headers) -> HeaderList:
        """Return the ``Set-Cookie`` fields that make a browser forget everything."""
        return [self.deleted(self.name), *self._deleted_parts(headers, from_=1)]

    def _only(self, pieces: list[bytes]) -> str | None:
        """Return the value from a field that is as most are, around its name; ``None`` leaves it to the general way."""
        before, after = pieces[0], pieces[1]
        if len(pieces) != 2 or after[:1] != b"=" or (before and before[-2:] != b"; "):
            return None
        value = after[1:].partition(b";")[0]
        is_plain = value[:1].isalpha() and value[:1] != b"K" and value[-1:] not in (b'"', b" ", b"\t")
        return value.decode("latin-1") if is_plain else None

    def _age(self, seconds: float) -> bytes:
        """Return the attribute that says how long the cookie lives; most live equally long."""
        known = self._last_age
        if known[0] != seconds:
            age = b"; Max-Age=%d" % max(1, min(round(seconds), LONGEST)) if self._lasts else b""
            self._last_age = known = (seconds, age)
        return known[1]

    def _parts_of(self, value: str) -> int:
        if len(self.name) + len(value) <= _LONGEST_PAIR:
            return 1
        size = _LONGEST_PAIR - len(self.name) - 8
        return -(-len(value) // size)

    def _part(self, number: int) -> bytes:
        return b"%b.%d" % (self._raw_name, number)

    def _joined(self, first: str, fields: list[bytes]) -> str:
        count, dot, value = first[1:].partition(".")
        if not dot or not count.isascii() or not count.isdigit() or len(count) > 1 or int(count) > _MOST_PARTS:
            return ""
        for number in range(1, int(count)):
            parts = find_cookies(fields, self._part(number).decode())
            if len(parts) != 1:
                return ""
            value += parts[0]
        return value

    def deleted(self, name: str) -> tuple[bytes, bytes]:
        """Return the ``Set-Cookie`` field that makes a browser forget a cookie with the attributes of this one."""
        # Browsers delete only the cookie of the same path, domain and partition, and take a deletion of a Secure
        # cookie only with Secure (RFC 6265bis, 5.7): so all attributes are repeated.
        gone = b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        return b"set-cookie", b"%b=%b%b" % (name.encode(), gone, self._attributes)

    def _deleted_parts(self, headers: Headers, from_: int) -> HeaderList:
        if self._most_parts == 1:
            return []
        fields = find_all(headers, b"cookie")
        numbers = range(from_, _MOST_PARTS)
        return [self.deleted(self._part(n).decode()) for n in numbers if find_cookies(fields, self._part(n).decode())]
