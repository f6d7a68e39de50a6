"""Read ``Cookie`` fields and write ``Set-Cookie`` fields.

Reading follows what browsers send, writing what they accept, and both draw the same lines: a cookie is cut at
``;`` and at its first ``=``, only spaces and tabs around it are dropped, and nothing is decoded. Old quoting
and ``$Version`` rules are not read, since they let one cookie hide in another.

Standard: RFC 6265, sections 4.1 and 4.2, with the name prefixes, ``SameSite`` and limits of its successor
(draft-ietf-httpbis-rfc6265bis), and ``Partitioned`` (draft-cutler-httpbis-partitioned-cookies).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from middlewares.core.fields import OWS, is_token
from middlewares.errors import OptionErrors, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("SameSite", "find_cookie", "find_cookies", "format_set_cookie", "parse_cookies")

SameSite = Literal["strict", "lax", "none"]
"""Which cross-site requests carry the cookie; ``"none"`` means all of them."""

# RFC 6265, 4.1.1: cookie-octet is visible ASCII without quote, comma, semicolon and backslash.
_COOKIE_OCTETS: Final = bytes(set(range(0x21, 0x7F)) - set(b'",;\\'))
# RFC 6265, 4.1.1: path-value is any character except controls and the semicolon.
_PATH_OCTETS: Final = bytes(set(range(0x20, 0x7F)) - set(b";"))
_HOST_OCTETS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

# RFC 6265bis, 5.5 and 5.6: browsers cut lifetimes to 400 days, and drop a cookie whose name and value are
# longer than this together, or an attribute whose value is.
_LONGEST_LIFE: Final = 400 * 24 * 3600
_LONGEST_PAIR: Final = 4096
_LONGEST_PATH: Final = 1024
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

# RFC 9110, 5.6.7: names in dates are English, whatever the locale.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# RFC 6265bis, 4.1.3, and for those with "http" draft-ietf-httpbis-layered-cookies: browsers compare prefixes
# without regard to case.
_SECURE_PREFIXES: Final = ("__secure-", "__http-", "__host-")
_HTTP_PREFIXES: Final = ("__http-", "__host-http-")
_HOST_PREFIX: Final = "__host-"


def parse_cookies(fields: Iterable[bytes]) -> dict[str, str]:
    """Return the cookies of all ``Cookie`` fields of a request by name, in the order in which they were sent.

    HTTP/2 and HTTP/3 may send one cookie per field (RFC 9113, 8.2.3); pass every one. Bytes become characters
    as Latin-1, and one pair of quotes around a value is removed, since RFC 6265, 4.1.1 lets it stand there.

    Of several cookies with one name the last wins, as in Django and Starlette. A server should not rely on
    the order (RFC 6265, 4.2.2): a sibling domain can plant a cookie of the same name. Where this matters, as
    for sessions, weigh all values that `find_cookies` returns.
    """
    return {name.decode("latin-1"): _value(value) for name, value in _pairs(fields)}


def find_cookie(fields: Iterable[bytes], name: str) -> str | None:
    """Return the value that `parse_cookies` gives for ``name``, skipping fields that cannot hold it."""
    found = find_cookies(fields, name)
    return found[-1] if found else None


def find_cookies(fields: Iterable[bytes], name: str) -> list[str]:
    """Return every value sent under ``name``, in the order of sending; browsers put longer paths first."""
    try:
        wanted = name.encode("latin-1")
    except UnicodeEncodeError:
        return []
    possible = (field for field in fields if wanted in field)
    return [_value(value) for key, value in _pairs(possible) if key == wanted]


def format_set_cookie(
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    expires: datetime | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = False,
    same_site: SameSite | None = None,
    partitioned: bool = False,
) -> bytes:
    """Return the value of a ``Set-Cookie`` field (RFC 6265, 4.1) that browsers will not turn down.

    ``max_age`` is in seconds, 34560000 (400 days) at most; 0 deletes the cookie, and then ``Expires`` says so
    too unless it is given. ``expires`` has a time zone. ``None`` leaves an attribute out.

    Raises `OptionError` with everything that is wrong: a name that is no token, a value with other characters
    than cookie-octets (encode it first), more than 4096 bytes of both, and combinations that browsers refuse,
    such as ``same_site="none"``, ``partitioned`` or the prefix ``__Secure-`` without ``secure``, or
    ``__Host-`` with a domain. Values may be secret, so errors do not show them.
    """
    problems = OptionErrors("Set-Cookie")
    _check_pair(problems, name, value)
    _check_lifetime(problems, max_age, expires)
    _check_reach(problems, path, domain)
    _check_promises(problems, name, path, domain, secure, http_only)
    _check_sites(problems, same_site, partitioned, secure)
    problems.raise_if_any()

    if max_age == 0 and expires is None:
        expires = _LONG_AGO
    parts = [
        f"{name}={value}",
        None if max_age is None else f"Max-Age={max_age}",
        None if expires is None else f"Expires={_http_date(expires)}",
        None if path is None else f"Path={path}",
        None if domain is None else f"Domain={domain}",
        "Secure" if secure else None,
        "HttpOnly" if http_only else None,
        None if same_site is None else f"SameSite={same_site.capitalize()}",
        "Partitioned" if partitioned else None,
    ]
    return "; ".join(part for part in parts if part is not None).encode("ascii")


def _pairs(fields: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and values of all cookies; what has no name or no ``=`` is left out."""
    for field in fields:
        for pair in field.split(b";"):
            name, equals, value = pair.partition(b"=")
            # Never str.strip(): it would drop U+0085 and U+00A0 too, and "\xa0__Host-id" would pass for
            # "__Host-id", past the browser's check of that prefix.
            name = name.strip(OWS)
            if name and equals:
                yield name, value.strip(OWS)


def _value(value: bytes) -> str:
    if len(value) >= 2 and value.startswith(b'"') and value.endswith(b'"'):
        value = value[1:-1]
    return value.decode("latin-1")


def _consists_of(text: str, octets: bytes) -> bool:
    return text.isascii() and not text.encode().translate(None, octets)


def _check_pair(problems: OptionErrors, name: str, value: str) -> None:
    problems.check(is_token(name), "name", "must be a token such as '__Host-session'", name)
    if not _consists_of(value, _COOKIE_OCTETS):
        rule = "must be ASCII without controls, spaces, quotes, commas, semicolons and backslashes"
        problems.found.append(Problem("value", rule, hint="encode it, for example as base64url"))
    length = len(name) + len(value)
    if length > _LONGEST_PAIR:
        rule = f"must have at most {_LONGEST_PAIR} bytes together with the name"
        problems.found.append(Problem("value", rule, str(length), hint="browsers drop longer cookies"))


def _check_lifetime(problems: OptionErrors, max_age: int | None, expires: datetime | None) -> None:
    if max_age is not None:
        rule = f"must be 0 to {_LONGEST_LIFE} seconds (400 days)"
        problems.check(0 <= max_age <= _LONGEST_LIFE, "max_age", rule, max_age)
    if expires is not None:
        fits = expires.utcoffset() is not None and 1970 <= expires.year <= 9998
        problems.check(fits, "expires", "must have a time zone and a year from 1970 to 9998", expires)


def _check_reach(problems: OptionErrors, path: str | None, domain: str | None) -> None:
    if path is not None:
        fits = path.startswith("/") and len(path) <= _LONGEST_PATH and _consists_of(path, _PATH_OCTETS)
        rule = f"must begin with '/' and be at most {_LONGEST_PATH} ASCII characters, none a control or ';'"
        problems.check(fits, "path", rule, path)
    if domain is not None:
        hint = "leave out the leading dot" if domain.startswith(".") else None
        problems.check(_is_host(domain), "domain", "must be a host name such as 'example.com'", domain, hint)


def _check_promises(
    problems: OptionErrors, name: str, path: str | None, domain: str | None, secure: bool, http_only: bool
) -> None:
    """Hold the cookie to what the prefix of its name promises (RFC 6265bis, 4.1.3)."""
    folded = name.lower()
    if folded.startswith(_SECURE_PREFIXES):
        problems.check(secure, "secure", f"must be True for a cookie named {name}", secure)
    if folded.startswith(_HTTP_PREFIXES):
        problems.check(http_only, "http_only", f"must be True for a cookie named {name}", http_only)
    if folded.startswith(_HOST_PREFIX):
        problems.check(path == "/", "path", f"must be '/' for a cookie named {name}", path)
        problems.check(domain is None, "domain", f"must be None for a cookie named {name}", domain)


def _check_sites(problems: OptionErrors, same_site: SameSite | None, partitioned: bool, secure: bool) -> None:
    fits = same_site in (None, "strict", "lax", "none")
    problems.check(fits, "same_site", "must be 'strict', 'lax', 'none' or None", same_site)
    # RFC 6265bis, 5.7, and draft-cutler-httpbis-partitioned-cookies: browsers drop both without Secure.
    if same_site == "none":
        problems.check(secure, "secure", "must be True with same_site='none'", secure)
    if partitioned:
        problems.check(secure, "secure", "must be True with partitioned", secure)


def _is_host(domain: str) -> bool:
    """Tell whether ``domain`` is a host name (RFC 1123, 2.1): labels of letters, digits and inner hyphens."""
    return len(domain) <= 253 and all(
        0 < len(label) <= 63
        and not label.startswith("-")
        and not label.endswith("-")
        and _consists_of(label, _HOST_OCTETS)
        for label in domain.split(".")
    )


def _http_date(moment: datetime) -> str:
    """Return an IMF-fixdate (RFC 9110, 5.6.7) such as ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    utc = moment.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _MONTHS[utc.month - 1]
    return f"{day}, {utc.day:02} {month} {utc.year:04} {utc:%H:%M:%S} GMT"
