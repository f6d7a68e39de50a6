"""What an exception is to a client: a status, or a problem with words of its own; else a 500 that says nothing more.

Standard: RFC 9457, 3.1 (members) and 3.2 (extension members: names of at least three letters, digits and ``_``).
"""

from __future__ import annotations

import json
import logging
import pkgutil
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.exceptions import HTTPException

from middlewares.core.headers import remove
from middlewares.core.matching import ask
from middlewares.core.refusals import Refusal, phrase

if TYPE_CHECKING:
    from middlewares.asgi import Scope
    from middlewares.errors import OptionErrors

__all__ = ("OF_BODY", "Handler", "Handlers", "problem_of")

Handler: TypeAlias = int | Callable[..., Any]
"""A status, or a function of the ``HTTPConnection`` and the exception that returns one, or a table of members."""

_log = logging.getLogger("middlewares")

_UNHANDLED: Final = Refusal(status=500, code="unhandled", close_code=1011)  # RFC 6455, 7.4.1: an unexpected condition
_WORDS: Final = ("type", "title", "detail", "instance")
_EXTENSION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,}")
_STATUSES: Final = range(400, 600)

OF_BODY: Final = (
    b"content-type", b"content-length", b"content-language", b"content-location", b"content-disposition", b"etag",
    b"last-modified", b"accept-ranges", b"content-md5", b"digest", b"content-digest", b"repr-digest",
    b"transfer-encoding",
)  # fmt: skip
"""Headers that speak of another body than that of a problem (RFC 9110, 8.3 to 8.8 and 14.3; RFC 9530), or frame it."""


class Handlers:
    """What is made of exceptions, by class; that of the nearest base counts."""

    __slots__ = ("_by_class",)

    def __init__(self, problems: OptionErrors, given: Mapping[Any, Handler]) -> None:
        """Look up what is given by name, and record a problem for each that is wrong."""
        self._by_class: dict[type, Handler] = {}
        for key, handler in given.items():
            cls, hint = _class(key)
            if isinstance(cls, type) and issubclass(cls, Exception):
                self._by_class[cls] = handler
            else:
                problems.add("handlers", "must be for exception classes, or 'package.module:Class'", key, hint)
            is_status = not isinstance(handler, int) or _is_status(handler)
            problems.check(is_status, "handlers", "must name statuses from 400 to 599", handler)

    async def problem_of(self, error: Exception, scope: Scope) -> Refusal:
        """Return how a client is told of an exception."""
        error = _only(error)
        handler = next((self._by_class[cls] for cls in type(error).__mro__ if cls in self._by_class), None)
        if isinstance(handler, int):
            return _handled(handler)
        try:
            if handler is not None:
                return _of_answer(await ask(handler, scope, error))
            if isinstance(error, HTTPException) and _is_status(error.status_code):
                return _of_http_exception(error)
        except Exception:  # noqa: BLE001 - users' functions may raise anything; what they were asked about goes first
            with suppress(Exception):  # so may handlers and filters of logs
                _log.warning("problem_details: the handler of %s failed", type(error).__name__, exc_info=True)
        return _UNHANDLED


def problem_of(found: Mapping[Any, Any], status: int, **options: Any) -> Refusal:
    """Return the problem that a table of members describes; raises `ValueError` or `TypeError` if it is none."""
    members = {name: value for name, value in found.items() if name not in (*_WORDS, "status")}
    words = {name: found[name] for name in _WORDS if name in found}
    if wrong := [name for name in members if not (isinstance(name, str) and _EXTENSION.fullmatch(name))]:
        raise ValueError(f"{wrong[0]!r} cannot be the name of a member (RFC 9457, 3.2)")
    if not all(isinstance(word, str) for word in words.values()):
        raise TypeError(f"{', '.join(_WORDS)} must be strings; got {words!r}")
    json.dumps(members, allow_nan=False)
    return _handled(status, members=members, **words, **options)


def _handled(status: int, **options: Any) -> Refusal:
    given = {"code": "problem_details.handled", "close_code": 1011 if status >= 500 else 1008, **options}
    return Refusal(status=status, **given)


def _of_answer(found: Any) -> Refusal:
    """Return what the answer of a user's function means; raises `ValueError` or `TypeError` if it means nothing."""
    if found is None:
        return _UNHANDLED
    status = found.get("status", 500) if isinstance(found, Mapping) else found
    if not _is_status(status):
        raise ValueError(f"a handler must return a status from 400 to 599, or a table of members; got {found!r}")
    return problem_of(found, status) if isinstance(found, Mapping) else _handled(status)


def _of_http_exception(error: HTTPException) -> Refusal:
    detail: Any = error.detail  # FastAPI takes anything that JSON can hold
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _items(error.headers)]
    headers = tuple(remove(pairs, *OF_BODY))
    if isinstance(detail, str):
        words = "" if detail == phrase(error.status_code) else detail
        return _handled(error.status_code, detail=words, headers=headers)
    try:
        json.dumps(detail, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _handled(error.status_code, headers=headers)
    return _handled(error.status_code, members={"errors": detail}, headers=headers)


def _items(headers: Mapping[str, str] | None) -> list[tuple[str, str]]:
    return [*headers.items()] if headers else []


def _is_status(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found in _STATUSES


def _only(error: Exception) -> Exception:
    """Return the one exception that groups hold, as those of task groups in layers in between do."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _class(key: Any) -> tuple[Any, str | None]:
    """Return what a key stands for, and why that was not found."""
    if not isinstance(key, str):
        return key, None
    try:
        return pkgutil.resolve_name(key), None
    except Exception as error:  # noqa: BLE001 - importing runs code that may raise anything
        return None, f"{type(error).__name__}: {error}"
