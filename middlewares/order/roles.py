"""What part a layer plays in a stack: the names that the rules of order speak of."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from middlewares.errors import OptionError, Problem, did_you_mean
from middlewares.registry import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("ANYWHERE", "KNOWN", "ROLES", "checked_roles", "role_of")

ANYWHERE: Final = "anywhere"
"""The role of a layer that only looks on: it may stand anywhere, and more than once."""

ROLES: Final = {
    "health": "answers health checks",
    "proxy_headers": "reads the client's address, scheme and host from headers of a trusted proxy",
    "trusted_hosts": "refuses requests for hosts that are not ours",
    "https_redirect": "redirects plain HTTP to HTTPS",
    "request_id": "gives each request an id",
    "tracing": "opens the span of a request",
    "access_log": "logs each request",
    "metrics": "counts and times requests",
    "cors": "lets pages of other origins read responses",
    "security_headers": "adds headers such as Content-Security-Policy",
    "error_page": "turns exceptions into responses",
    "maintenance": "refuses requests while the application is not to be used",
    "drain": "lets requests finish before the application shuts down",
    "timeout": "cuts requests that take too long",
    "concurrency_limit": "limits how many requests are worked on at once",
    "rate_limit": "limits requests by address, or by anything else that is known before the user",
    "sessions": "loads and saves the session",
    "csrf": "refuses requests that another site made a browser send",
    "auth": "refuses requests of strangers, and says who the user is",
    "user_rate_limit": "limits requests by user",
    "compression": "compresses response bodies",
    "body_rewrite": "changes what is in response bodies",
    "etag": "makes entity tags and answers conditional requests",
    "cache": "keeps responses and answers with them",
    "signature": "checks a signature or digest of the request body as it was sent",
    "decompress": "decompresses request bodies",
    "body_limit": "refuses request bodies that are too long",
    "streaming": "itself streams, pushes, or sends trailers",
    "base_http": "is built on Starlette's BaseHTTPMiddleware and has no other role",
    ANYWHERE: "only looks on; may stand anywhere, more than once",
}
"""Every role, and what a layer with that role does."""

KNOWN: Final = {
    "asgi_correlation_id.middleware:CorrelationIdMiddleware": "request_id",
    "asgi_csrf:asgi_csrf": "csrf",
    "brotli_asgi:BrotliMiddleware": "compression",
    "hypercorn.middleware.http_to_https:HTTPToHTTPSRedirectMiddleware": "https_redirect",
    "hypercorn.middleware.proxy_fix:ProxyFixMiddleware": "proxy_headers",
    "opentelemetry.instrumentation.asgi:OpenTelemetryMiddleware": "tracing",
    "slowapi.middleware:SlowAPIASGIMiddleware": "rate_limit",
    "slowapi.middleware:SlowAPIMiddleware": "rate_limit",
    "starlette.middleware.authentication:AuthenticationMiddleware": "auth",
    "starlette.middleware.base:BaseHTTPMiddleware": "base_http",
    "starlette.middleware.body_limit:RequestBodyLimitMiddleware": "body_limit",
    "starlette.middleware.cors:CORSMiddleware": "cors",
    "starlette.middleware.errors:ServerErrorMiddleware": "error_page",
    "starlette.middleware.gzip:GZipMiddleware": "compression",
    "starlette.middleware.httpsredirect:HTTPSRedirectMiddleware": "https_redirect",
    "starlette.middleware.opentelemetry:OpenTelemetryMiddleware": "tracing",
    "starlette.middleware.sessions:SessionMiddleware": "sessions",
    "starlette.middleware.trustedhost:TrustedHostMiddleware": "trusted_hosts",
    "starlette_compress:CompressMiddleware": "compression",
    "uvicorn.middleware.proxy_headers:ProxyHeadersMiddleware": "proxy_headers",
}
"""Roles of classes that others wrote, by import path; a subclass has the role of its base."""

# Built-in names that are not the name of a role themselves.
_BY_NAME: Final = {
    "brotli": "compression",
    "compress": "compression",
    "gzip": "compression",
    "problem_details": "error_page",
    "server_timing": ANYWHERE,
    "zstd": "compression",
}


def role_of(cls: Any, options: Mapping[str, Any], added: Mapping[Any, str]) -> str | None:
    """Return the role of a layer that ``cls`` builds from ``options``; ``None`` if it has none that is known.

    Looked for, in this order: ``added``, the attribute ``order_role`` of the class (a role, or a function of the
    options that returns one), the name under which it is built in, and `KNOWN`, also for the classes it derives from.

    Raises `OptionError` if ``order_role`` names no role.
    """
    while isinstance(cls, partial):
        cls, options = cls.func, {**cls.keywords, **options}
    bases: tuple[Any, ...] = cls.__mro__ if isinstance(cls, type) else (cls,)
    for base in bases:
        if found := _added_role(base, added):
            return found
    declared: Any = getattr(cls, "order_role", None)
    if declared is not None:
        role: Any = declared(options) if callable(declared) else declared
        return _checked_role(cls, role)
    for base in bases:
        if found := _builtin_role(base) or KNOWN.get(_path(base)):
            return found
    return None


def checked_roles(added: Mapping[Any, str] | None) -> Mapping[Any, str]:
    """Return the roles that a caller adds; raises `OptionError` for each that is none."""
    problems = [Problem("roles", *_no_role(role)) for role in (added or {}).values() if role not in ROLES]
    if problems:
        raise OptionError("Stack", problems)
    return added or {}


def _added_role(cls: Any, added: Mapping[Any, str]) -> str | None:
    return next((role for key, role in added.items() if key is cls or key == _path(cls)), None)


def _checked_role(cls: Any, role: str | None) -> str | None:
    if role is None or role in ROLES:
        return role
    raise OptionError(getattr(cls, "__name__", type(cls).__name__), [Problem("order_role", *_no_role(role))])


def _no_role(role: Any) -> tuple[str, str, str | None]:
    return "must be a role that the rules of order know", repr(role), did_you_mean(str(role), ROLES)


def _builtin_role(cls: Any) -> str | None:
    """Return the role that the built-in name of a class tells; it can only be a class whose module is loaded."""
    for name, target in BUILTIN.items():
        module, _, attribute = target.partition(":")
        if getattr(sys.modules.get(module), attribute, None) is cls:
            return _BY_NAME.get(name, name if name in ROLES else None)
    return None


def _path(cls: Any) -> str:
    return f"{getattr(cls, '__module__', '')}:{getattr(cls, '__qualname__', '')}"
