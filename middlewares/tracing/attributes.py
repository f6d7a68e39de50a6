"""What a span says of its request, from the beginning: built only if somebody looks at it.

Most samplers decide by the trace id alone, and what they do not take needs no attributes.

Standard: OpenTelemetry semantic conventions 1.44, HTTP server spans.
"""

from __future__ import annotations

import re
from codecs import utf_8_decode as _utf8
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from middlewares.core.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, ItemsView, Iterator, KeysView, ValuesView

    from middlewares.asgi import Scope
    from middlewares.core.headers import Headers

    from .methods import Methods

__all__ = (
    "REDACTED_PARAMETERS",
    "CapturedHeaders",
    "Description",
    "RequestAttributes",
    "captured",
    "compile_redaction",
    "printable",
    "text",
)

REDACTED_PARAMETERS: Final = (
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
)
"""Parameters of a query that grant access to whoever knows them (``url.query`` in the conventions)."""

CapturedHeaders = Mapping[bytes, bool]
"""Names of headers, in lower case, and whether only their presence is told."""

_REDACTED: Final = "REDACTED"
_LONGEST: Final = 8192
"""Characters of a value: spans wait in memory for their export, and some servers take headers of any length."""
_MOST_VALUES: Final = 32
_ENCODED: Final = re.compile(r"(?<![^&;])([^&;=%]*+%[^&;=]*+)=[^&;]*+")
"""A pair of a query whose name is encoded in part."""
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# RFC 3986, 3.2.2: an address in brackets, or a name; RFC 9110, 7.2: and a port, which may be empty.
_HOST: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z._~%!$&'()*+,;=-]{1,255}))(?::([0-9]{0,5}))?")


def _parse_host(value: bytes) -> tuple[str, int | None] | None:
    """Return the name and port in a ``Host``; ``None`` if it is none."""
    match = _HOST.fullmatch(value)
    if match is None:
        return None
    port = int(match[3]) if match[3] else None
    return (match[1] or match[2]).decode().lower(), port if port and port < 65_536 else None


_hosts: Final = Memo(_parse_host)


class Description:
    """What there is to tell of a request."""

    __slots__ = ("_headers", "_methods", "_redact")

    def __init__(self, methods: Methods, redact: Callable[[str], str], headers: CapturedHeaders) -> None:
        self._methods = methods
        self._redact = redact
        self._headers = headers

    def of(self, scope: Scope) -> dict[str, Any]:
        """Return the attributes of a request."""
        attributes = _attributes(scope, self._methods.attribute(scope), self._redact)
        if self._headers:
            attributes.update(captured("http.request.header.", self._headers, scope["headers"]))
        return attributes


class RequestAttributes(Mapping[str, Any]):
    """The attributes with which a span begins, as a mapping that is filled when it is first read."""

    __slots__ = ("_built", "_description", "_scope")

    def __init__(self, scope: Scope, description: Description) -> None:
        self._scope = scope
        self._description = description
        self._built: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        self._built = built = self._description.of(self._scope)
        return built

    def __getitem__(self, name: str) -> Any:
        return (self._built or self._all())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._built or self._all())

    def __len__(self) -> int:
        return len(self._built or self._all())

    # What a mapping makes of these three would look up each value by itself.

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return (self._built or self._all()).keys()

    def items(self) -> ItemsView[str, Any]:
        """Return names and values."""
        return (self._built or self._all()).items()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return (self._built or self._all()).values()


def captured(prefix: str, wanted: CapturedHeaders, headers: Headers) -> dict[str, list[str]]:
    """Return the attributes of the headers that are wanted, each with its values, of which the first 32 are kept."""
    if not wanted:
        return {}
    found: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in wanted:
            values = found.setdefault(prefix + lower.decode("latin-1"), [])
            if len(values) < _MOST_VALUES:
                values.append(_REDACTED if wanted[lower] else text(value))
    return found


def compile_redaction(parameters: Collection[str]) -> Callable[[str], str]:
    """Return a function that hides the values of some parameters of a query, and leaves all else as it is.

    Names count as applications read them: ``%73ig`` is ``sig``, and ``+`` is a space.
    """
    secret = frozenset(spelling for name in parameters for spelling in (name, name.replace(" ", "+")))
    names = "|".join(re.escape(parameter) for parameter in sorted(secret))
    expression = re.compile(rf"(?<![^&;])({names})=[^&;]*")

    def hidden(pair: re.Match[str]) -> str:
        return f"{pair[1]}={_REDACTED}" if unquote_plus(pair[1]) in secret else pair[0]

    def redact(query: str) -> str:
        if "%" in query:
            query = _ENCODED.sub(hidden, query)
        # Most queries hold no secret, and to see that takes a fifth of what the expression takes.
        if secret.isdisjoint([pair.partition("=")[0] for pair in query.split("&")]) and ";" not in query:
            return query
        return expression.sub(rf"\1={_REDACTED}", query)

    return redact if secret else str


def text(value: bytes) -> str:
    """Return what a stranger sent, as text that can be exported: valid, and not too long."""
    try:
        if len(value) <= _LONGEST:
            return value.decode()
        # What is cut may end in the middle of a character, which is left out then.
        return _utf8(value[:_LONGEST], "strict", False)[0]
    except UnicodeDecodeError:
        return value[:_LONGEST].decode("latin-1")


def _attributes(scope: Scope, method: str, redact: Callable[[str], str]) -> dict[str, Any]:
    host = agent = None
    forwarded: list[bytes] = []
    for name, value in scope["headers"]:  # once, as each pass takes as long as all else
        size = len(name)
        if size == 4:
            if host is None and name.lower() == b"host":
                host = value
        elif size == 10:
            if agent is None and name.lower() == b"user-agent":
                agent = value
        elif size == 15 and name.lower() == b"x-forwarded-for":
            forwarded.append(value)
    scheme = scope.get("scheme") or "http"
    raw: bytes | None = scope.get("raw_path")
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": scheme,
        # As it was sent, or as near to it as the server tells.
        "url.path": text(raw.partition(b"?")[0]) if raw else printable(scope["path"]),
    }
    given = scope.get("method", method)
    if given != method:
        attributes["http.request.method_original"] = printable(given)
    query: bytes = scope.get("query_string") or b""
    if query:
        attributes["url.query"] = redact(text(query))
    if scope["type"] == "websocket":
        attributes["network.protocol.name"] = "websocket"
    elif version := scope.get("http_version"):
        attributes["network.protocol.version"] = version
    if agent is not None:
        attributes["user_agent.original"] = text(agent)
    _add_server(attributes, scope, host, _PORTS.get(scheme))
    _add_client(attributes, scope, forwarded)
    return attributes


def _add_server(attributes: dict[str, Any], scope: Scope, host: bytes | None, default_port: int | None) -> None:
    if host is None:
        address, port = scope.get("server") or (None, None)
    else:
        address, port = _hosts[host] or (None, None)
        port = port or default_port
    if address:
        attributes["server.address"] = address
        if port:
            attributes["server.port"] = port


def _add_client(attributes: dict[str, Any], scope: Scope, forwarded: list[bytes]) -> None:
    client = scope.get("client")
    if not client or not client[0]:
        return
    host, port = client
    attributes["client.address"] = address = printable(host)
    # A layer or server that takes the client from a header knows no port, or has it from there too.
    if port and not (forwarded and _is_forwarded(forwarded, host, port)):
        attributes["network.peer.address"] = address
        attributes["network.peer.port"] = port


def _is_forwarded(forwarded: list[bytes], host: str, port: int) -> bool:
    """Return whether a proxy has told of a client with this port: then it is not the peer."""
    told = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return any(told == part.strip() for value in forwarded for part in value.decode("latin-1").split(","))


def printable(value: str, longest: int = _LONGEST) -> str:
    """Return a text so that it can be exported: without halves of surrogate pairs, and not too long."""
    if value.isascii() and len(value) <= longest:
        return value
    return value[:longest].encode("utf-8", "replace").decode()
