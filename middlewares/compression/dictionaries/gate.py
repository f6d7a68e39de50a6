"""Who may be answered with a dictionary: secure contexts, and nobody who asks across origins.

The size of a body that was encoded with a dictionary tells how alike the two are. A page of another origin that can
make requests and see sizes must therefore not reach such an answer.

Standard: RFC 9842, 9.1 and 9.3; Fetch metadata request headers, 2.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from middlewares.core.headers import find, find_all
from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from middlewares.asgi import Scope
    from middlewares.core.headers import Headers

__all__ = ("is_of_this_origin", "is_secure")


def is_secure(scope: Scope) -> bool:
    """Return whether the client sees a secure context: ``https``, or this machine by its own name.

    Behind a proxy that ends TLS, ``scheme`` must say what the client used.
    """
    if scope.get("scheme") == "https":
        return True
    host = find(scope["headers"], b"host")
    return host is not None and _IS_LOOPBACK[host]


def is_of_this_origin(scope: Scope) -> bool:
    """Return whether a request comes from a page of the origin that it goes to, or is a navigation (RFC 9842, 9.3.3).

    The standard would also allow what CORS lets the other page read. The fields that say so may be added by a layer
    outside of this one, so such a request counts as one of another origin. Clients that do not send ``Sec-Fetch-Site``
    are judged by ``Origin``; those that send neither are no pages.
    """
    headers: Headers = [*scope["headers"]]
    site = find_all(headers, b"sec-fetch-site")
    if site:
        if site == [b"same-origin"] or site == [b"none"]:  # "none": typed by the user
            return True
        mode = find_all(headers, b"sec-fetch-mode")
        # RFC 9842 would trust a request without a mode; every client that sends the site sends it too.
        return mode == [b"navigate"] or mode == [b"same-origin"]
    origins = find_all(headers, b"origin")
    if not origins:
        return True
    own = f"{scope.get('scheme', 'http')}://".encode("latin-1") + (find(headers, b"host") or b"")
    return origins == [own.lower()]


def _is_loopback(host: bytes) -> bool:
    """Return whether a ``Host`` is one that browsers take to this machine (Secure Contexts, 3.1)."""
    name = host.decode("latin-1").lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    else:
        name = name.partition(":")[0].removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


_IS_LOOPBACK = Memo(_is_loopback)
