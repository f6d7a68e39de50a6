"""Checks of scopes: what a server hands in when it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .registry import CHECKS, check
from .values import case_fault, is_list_of, pairs_fault, plain_headers, pseudo_fault, shown, value_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from middlewares.asgi import Scope

__all__ = ("is_plain_http", "scope_faults")

_VERSIONS = frozenset(("1.1", "2", "1.0", "3"))
_QUESTION, _SPACE = b"? "
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
_SCHEMES = frozenset(("http", "https"))
_ANY = ("scope http", "scope websocket", "scope lifespan", "scope")
_CONNECTION = ("scope http", "scope websocket")
_LIFESPAN_KEYS = {"type", "asgi", "state"}
_FREE = {"state", "extensions", "headers", "asgi", "app", "router", "session", "user", "auth", "endpoint"}
_STANDARD = {
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "headers",
    "client", "server", "state", "extensions", "subprotocols",
}  # fmt: skip


def is_plain_http(scope: Scope) -> bool:
    """Tell quickly whether an HTTP scope is beyond doubt; others go through all checks.

    Every request takes this way, so it is written out where calls of functions would cost more than what they do.
    """
    get = scope.get
    asgi = get("asgi")
    if type(scope) is not dict or type(asgi) is not dict:
        return False
    try:
        path, raw_path, query, headers = scope["path"], scope["raw_path"], scope["query_string"], scope["headers"]
        client, server = scope["client"], scope["server"]
        usual = (
            tuple(scope),
            scope["http_version"],
            scope["method"],
            scope["scheme"],
            scope["root_path"],
            asgi["version"],
            asgi.get("spec_version", ""),
        )
        if usual not in _usual and not _learn(*usual):
            return False
    except (KeyError, TypeError):  # what is missing or cannot be hashed
        return False
    if type(client) is type(server) is tuple and len(client) == len(server) == 2:
        (host, port), (name, bound) = client, server
        are_addresses = type(host) is type(name) is str and type(port) is type(bound) is int
    else:
        are_addresses = (client is None or _is_address(client)) and (server is None or _is_address(server))
    extensions = get("extensions")
    return (
        type(path) is str
        and "%" not in path
        and "?" not in path
        and (raw_path is None or (type(raw_path) is bytes and _QUESTION not in raw_path))
        and type(query) is bytes
        and _SPACE not in query
        and (not query or query[0] != _QUESTION)
        and are_addresses
        and (extensions is None or _are_plain(extensions))
        and type(get("state", _NO_STATE)) is dict
        and plain_headers(headers)
    )


_MOST_USUAL = 1024
_NO_STATE: dict[str, Any] = {}
_usual: set[tuple[Any, ...]] = set()
"""Keys, and values of which there are few combinations, as they were found good."""


def _learn(keys: tuple[Any, ...], *values: Any) -> bool:
    """Return whether what the server, the protocol and the method determine is good, and if so remember it."""
    version, method, scheme, root_path = values[:4]
    is_good = version in _VERSIONS and method in _METHODS and scheme in _SCHEMES and root_path == ""
    if not is_good or not _are_text(keys) or not _are_text(values):
        return False
    if len(_usual) >= _MOST_USUAL:
        _usual.clear()
    _usual.add((keys, *values))
    return True


def scope_faults(scope: Scope, kind: str) -> list[tuple[str, str]]:
    """Return rule and complaint for everything wrong with a scope."""
    point = f"scope {kind}"
    checks = CHECKS.get(point, CHECKS["scope"])
    return [(rule, fault) for rule, function in checks if (fault := function(scope, scope))]


def _are_text(keys: Iterable[Any]) -> bool:
    try:
        "".join(keys)
    except TypeError:
        return False
    return True


def _is_address(value: Any) -> bool:
    """Return whether a value is a pair of str and int."""
    is_pair = (type(value) is tuple or type(value) is list) and len(value) == 2
    return is_pair and type(value[0]) is str and type(value[1]) is int


def _are_plain(extensions: Any) -> bool:
    return (
        type(extensions) is dict
        and "tls" not in extensions
        and all(type(name) is str and type(settings) is dict for name, settings in extensions.items())
    )


@check("G1", *_ANY)
def _dict_with_str_keys(scope: Any, _: Scope) -> str | None:
    if not isinstance(scope, dict):
        return f"the scope must be a dict; got a {type(scope).__name__}"
    wrong = [key for key in scope if not isinstance(key, str)]
    return f"keys must be str; got {shown(wrong[0])}" if wrong else None


@check("G2", *_ANY)
def _versions_of_asgi(scope: Scope, _: Scope) -> str | None:
    asgi = scope.get("asgi", {})
    if not isinstance(asgi, dict):
        return f"asgi must be a dict; got {shown(asgi)}"
    for key in ("version", "spec_version"):
        if key in asgi and not isinstance(asgi[key], str):
            return f"asgi[{key!r}] must be a str; got {shown(asgi[key])}"
    return None


@check("G6", *_CONNECTION)
def _values_of_scope(scope: Scope, _: Scope) -> str | None:
    """Look at what no other check looks at; frameworks and layers put objects under keys of their own."""
    for key in _STANDARD - _FREE:
        fault = value_fault(scope.get(key)) if key != "subprotocols" else None
        if fault:
            return f"{key}: {fault}"
    return None


@check("G19", *_CONNECTION)
def _extensions(scope: Scope, _: Scope) -> str | None:
    extensions = scope.get("extensions")
    if extensions is None:
        return None
    if not isinstance(extensions, dict):
        return f"extensions must be a dict; got {shown(extensions)}"
    for name, settings in extensions.items():
        if not isinstance(name, str) or not isinstance(settings, dict):
            return f"extensions must hold dicts by name; got {shown({name: settings})}"
    return None


@check("H1", "scope http")
def _http_version(scope: Scope, _: Scope) -> str | None:
    version = scope.get("http_version")
    return None if isinstance(version, str) and version in _VERSIONS else f"http_version is {shown(version)}"


@check("H2", "scope http")
def _method(scope: Scope, _: Scope) -> str | None:
    method = scope.get("method")
    fits = isinstance(method, str) and method and method == method.upper()
    return None if fits else f"method is {shown(method)}"


@check("H3", "scope http")
def _scheme(scope: Scope, _: Scope) -> str | None:
    scheme = scope.get("scheme", "http")
    return None if isinstance(scheme, str) and scheme else f"scheme is {shown(scheme)}"


@check("H4", *_CONNECTION)
def _path(scope: Scope, _: Scope) -> str | None:
    path, raw_path = scope.get("path"), scope.get("raw_path")
    if not isinstance(path, str):
        return f"path must be a str; got {shown(path)}"
    if not isinstance(raw_path, bytes):
        return None
    if "?" in path and b"%3f" not in raw_path.lower():
        return f"path holds the query: {shown(path)}"
    if "%" in path and path.encode(errors="surrogatepass") == raw_path and unquote(path) != path:
        return f"path is still encoded: {shown(path)}"
    return None


@check("H5", *_CONNECTION)
def _raw_path(scope: Scope, _: Scope) -> str | None:
    raw_path = scope.get("raw_path")
    fits = raw_path is None or (isinstance(raw_path, bytes) and b"?" not in raw_path)
    return None if fits else f"raw_path is {shown(raw_path)}"


@check("H6", *_CONNECTION)
def _query_string(scope: Scope, _: Scope) -> str | None:
    query = scope.get("query_string", b"" if scope.get("type") == "websocket" else None)
    if not isinstance(query, bytes):
        return f"query_string must be bytes; got {shown(query)}"
    if query.startswith(b"?"):
        return f"query_string begins with '?': {shown(query)}"
    return f"query_string is decoded: {shown(query)}" if b" " in query else None


@check("H7", *_CONNECTION)
def _root_path(scope: Scope, _: Scope) -> str | None:
    root_path, path = scope.get("root_path", ""), scope.get("path")
    if not isinstance(root_path, str):
        return f"root_path must be a str; got {shown(root_path)}"
    if isinstance(path, str) and not path.startswith(root_path):
        return f"path {shown(path)} does not begin with root_path {shown(root_path)}"
    return None


@check("H8", *_CONNECTION)
def _headers(scope: Scope, _: Scope) -> str | None:
    return pairs_fault(scope["headers"]) if "headers" in scope else "headers are missing"


@check("H9", *_CONNECTION)
def _lower_case(scope: Scope, _: Scope) -> str | None:
    return case_fault(scope.get("headers"))


@check("H10", *_CONNECTION)
def _no_pseudo_headers(scope: Scope, _: Scope) -> str | None:
    return pseudo_fault(scope.get("headers"))


@check("H12", *_CONNECTION)
def _client(scope: Scope, _: Scope) -> str | None:
    client = scope.get("client")
    return None if client is None or _is_address(client) else f"client is {shown(client)}"


@check("H13", *_CONNECTION)
def _server(scope: Scope, _: Scope) -> str | None:
    server: Any = scope.get("server")
    is_socket = isinstance(server, (list, tuple)) and len(server) == 2 and isinstance(server[0], str)
    fits = server is None or _is_address(server) or (is_socket and server[1] is None)
    return None if fits else f"server is {shown(server)}"


@check("H14", *_CONNECTION)
def _state(scope: Scope, _: Scope) -> str | None:
    state = scope.get("state", {})
    return None if isinstance(state, dict) else f"state must be a dict; got {shown(state)}"


@check("W1", "scope websocket")
def _websocket_scope(scope: Scope, _: Scope) -> str | None:
    if "method" in scope:
        return f"method is {shown(scope['method'])}, but a WebSocket has none"
    for key, default in (("http_version", "1.1"), ("scheme", "ws")):
        value = scope.get(key, default)
        if not isinstance(value, str) or not value:
            return f"{key} is {shown(value)}"
    return None


@check("W2", "scope websocket")
def _subprotocols(scope: Scope, _: Scope) -> str | None:
    offered = scope.get("subprotocols", ())
    return None if is_list_of(offered, str) else f"subprotocols are {shown(offered)}"


@check("L1", "scope lifespan")
def _lifespan_scope(scope: Scope, _: Scope) -> str | None:
    state = scope.get("state", {})
    if not isinstance(state, dict):
        return f"state must be a dict; got {shown(state)}"
    connection = sorted((_STANDARD - _LIFESPAN_KEYS) & set(scope))
    return f"keys of a connection stand in it: {', '.join(connection)}" if connection else None


@check("E9", *_CONNECTION)
def _tls(scope: Scope, _: Scope) -> str | None:
    tls = _tls_of(scope)
    if tls is None:
        return None
    for key, kind in (("server_cert", str), ("tls_version", int), ("cipher_suite", int)):
        if key not in tls:
            return f"{key} is missing"
        if tls[key] is not None and not isinstance(tls[key], kind):
            return f"{key} is {shown(tls[key])}"
    suite = tls["cipher_suite"]
    return f"cipher_suite {suite} does not fit into 16 bits" if suite is not None and not 0 <= suite < 1 << 16 else None


@check("E10", *_CONNECTION)
def _client_certificate(scope: Scope, _: Scope) -> str | None:
    tls = _tls_of(scope) or {}
    chain = tls.get("client_cert_chain", ())
    if not is_list_of(chain, str):
        return f"client_cert_chain is {shown(chain)}"
    if chain and not isinstance(tls.get("client_cert_name"), str):
        return "client_cert_name is missing beside a chain"
    error = tls.get("client_cert_error")
    return (
        f"client_cert_error is {shown(error)}" if error is not None and not (isinstance(error, str) and error) else None
    )


def _tls_of(scope: Scope) -> dict[str, Any] | None:
    extensions = scope.get("extensions")
    tls = extensions.get("tls") if isinstance(extensions, dict) else None
    return tls if isinstance(tls, dict) else None
