"""Checks of single events: those of HTTP and of its extensions, and what holds for the events of every protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .registry import CHECKS, check
from .values import case_fault, is_list_of, pairs_fault, pseudo_fault, safety_fault, shown, value_fault

if TYPE_CHECKING:
    from middlewares.asgi import Message, Scope

__all__ = (
    "BODY",
    "DEBUG",
    "DENIAL",
    "DENIAL_BODY",
    "EXTENSION_OF",
    "HINT",
    "PATHSEND",
    "PUSH",
    "START",
    "TRAILERS",
    "ZEROCOPY",
    "event_faults",
)

START, BODY = "http.response.start", "http.response.body"
TRAILERS, PUSH, HINT = "http.response.trailers", "http.response.push", "http.response.early_hint"
PATHSEND, ZEROCOPY, DEBUG = "http.response.pathsend", "http.response.zerocopysend", "http.response.debug"
DENIAL, DENIAL_BODY = "websocket.http.response.start", "websocket.http.response.body"

EXTENSION_OF = {kind: kind for kind in (TRAILERS, PUSH, HINT, PATHSEND, ZEROCOPY, DEBUG)} | {
    DENIAL: "websocket.http.response",
    DENIAL_BODY: "websocket.http.response",
}
"""The key in ``scope["extensions"]`` that allows an event."""

_HEADED = (f"send {START}", f"send {PUSH}", f"send {TRAILERS}", f"send {DENIAL}")
_FREE_VALUES = {"file", "info", "state", "headers", "links"}


def event_faults(message: Message, scope: Scope, direction: str) -> list[tuple[str, str]]:
    """Return rule and complaint for everything wrong with the content of an event of a known type."""
    checks = [*CHECKS.get(f"{direction} {message['type']}", ()), *CHECKS[direction]]
    found = [(rule, fault) for rule, function in checks if (fault := function(message, scope))]
    if len(found) > 1:  # what a rule of its own names is not reported as a wrong value in general, too
        found = [(rule, fault) for rule, fault in found if rule != "G6"]
    return found


@check("G6", "send", "receive")
def _values(message: Message, _: Scope) -> str | None:
    for key, value in message.items():
        if not isinstance(key, str):
            return f"keys must be str; got {shown(key)}"
        fault = None if key in _FREE_VALUES else value_fault(value)
        if fault:
            return f"{key}: {fault}"
    return None


@check("G19", "send")
def _declared(message: Message, scope: Scope) -> str | None:
    extension = EXTENSION_OF.get(message["type"])
    declared = scope.get("extensions")
    if extension is None or (isinstance(declared, dict) and extension in declared):
        return None
    return f"{message['type']} was sent, but the scope does not declare {extension!r}"


@check("H17", "receive http.request")
def _request(message: Message, _: Scope) -> str | None:
    return _body_fault(message, (bytes,))


@check("H22", f"send {START}", f"send {DENIAL}")
def _status(message: Message, _: Scope) -> str | None:
    status = message.get("status")
    fits = isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 999
    return None if fits else f"status is {shown(status)}"


@check("H23", f"send {START}", f"send {TRAILERS}", f"send {DENIAL}")
def _headers(message: Message, _: Scope) -> str | None:
    return pairs_fault(message.get("headers", ()))


@check("H24", *_HEADED)
def _lower_case(message: Message, _: Scope) -> str | None:
    return case_fault(message.get("headers"))


@check("H25", *_HEADED)
def _no_pseudo_headers(message: Message, _: Scope) -> str | None:
    return pseudo_fault(message.get("headers"))


@check("H26", *_HEADED, "send websocket.accept")
def _safe_headers(message: Message, _: Scope) -> str | None:
    return safety_fault(message.get("headers"))


@check("H26", f"send {HINT}")
def _safe_links(message: Message, _: Scope) -> str | None:
    """Look at what becomes the value of a Link header."""
    links: Any = message.get("links")
    if not isinstance(links, Iterable) or isinstance(links, Iterator):
        return None
    return safety_fault([(b"link", link) for link in links])


@check("H30", f"send {BODY}", f"send {DENIAL_BODY}")
def _body(message: Message, _: Scope) -> str | None:
    return _body_fault(message, (bytes, memoryview))


@check("H35", f"send {START}")
def _announces_trailers(message: Message, _: Scope) -> str | None:
    trailers = message.get("trailers", False)
    return None if isinstance(trailers, bool) else f"trailers is {shown(trailers)}"


@check("E1", f"send {PUSH}")
def _push(message: Message, _: Scope) -> str | None:
    path = message.get("path")
    return f"path is {shown(path)}" if not isinstance(path, str) else pairs_fault(message.get("headers", ()))


@check("E2", f"send {ZEROCOPY}")
def _zerocopy(message: Message, _: Scope) -> str | None:
    if not _is_descriptor(message.get("file")):
        return f"file has no descriptor: {shown(message.get('file'))}"
    for key in ("offset", "count"):
        if message.get(key) is not None and not isinstance(message[key], int):
            return f"{key} is {shown(message[key])}"
    return _more_fault(message)


@check("E3", f"send {PATHSEND}")
def _pathsend(message: Message, _: Scope) -> str | None:
    path = message.get("path")
    return None if isinstance(path, str) and Path(path).is_absolute() else f"path is {shown(path)}"


@check("E4", f"send {HINT}")
def _hint(message: Message, _: Scope) -> str | None:
    links: Any = message.get("links")
    return None if is_list_of(links, bytes) else f"links are {shown(links)}"


@check("E5", f"send {START}")
def _names_trailers(message: Message, _: Scope) -> str | None:
    headers = message.get("headers", ())
    if message.get("trailers") is not True or pairs_fault(headers):
        return None
    names = {name.lower() for name, _ in headers}
    return None if b"trailer" in names else "trailers are announced, but no trailer header names them"


@check("E5", f"send {TRAILERS}")
def _trailers(message: Message, _: Scope) -> str | None:
    more = message.get("more_trailers", False)
    return None if isinstance(more, bool) else f"more_trailers is {shown(more)}"


@check("E7", f"send {DEBUG}")
def _debug(message: Message, _: Scope) -> str | None:
    info = message.get("info")
    return None if isinstance(info, dict) else f"info is {shown(info)}"


def _body_fault(message: Message, kinds: tuple[type, ...]) -> str | None:
    body = message.get("body", b"")
    return _more_fault(message) if isinstance(body, kinds) else f"body is {shown(body)}"


def _more_fault(message: Message) -> str | None:
    more = message.get("more_body", False)
    return None if isinstance(more, bool) else f"more_body is {shown(more)}"


def _is_descriptor(file: Any) -> bool:
    if isinstance(file, int):
        return file >= 0
    try:
        return bool(file.fileno() >= 0)
    except Exception:  # noqa: BLE001 - whatever it raises, it has none
        return False
