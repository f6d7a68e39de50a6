"""Tell errors that an application answers without a word of its own from those that say something.

Spring and ASP.NET replace errors without a body. Frameworks in Python rarely send such: theirs repeat the name of the
status as plain text, or as the ``detail`` of a JSON object.
"""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from middlewares.core.fields import parse_digits
from middlewares.core.headers import find
from middlewares.core.refusals import Refusal, phrase

from .handlers import problem_of

if TYPE_CHECKING:
    from middlewares.asgi import Message

__all__ = ("CODE", "Convert", "Suspicion", "length_of", "problem_in", "suspicion")

Convert = Literal["none", "empty", "bare", "json", "all"]
"""Each takes in those before it."""

Suspicion = Literal["none", "held", "certain"]
"""Whether a response is one to replace: that depends on its body where it is held."""

CODE: Final = "problem_details.bare"
"""Why a response was replaced, for machines."""

_LEVELS: Final = ("none", "empty", "bare", "json", "all")
_LONGEST_PHRASE: Final = 64
_LONGEST_JSON: Final = 65_536
_STATUS: Final = ("status", "status_code")
_SAID: Final = (b"application/problem+json", b"application/problem+xml", b"text/event-stream")


def suspicion(start: Message, convert: Convert) -> Suspicion:
    """Return what the start of a response says about its body. Its headers can be read more than once."""
    headers = start.get("headers", ())
    level = _LEVELS.index(convert)
    if not level or not 400 <= start["status"] <= 599 or start.get("trailers"):
        return "none"
    if find(headers, b"content-encoding") is not None:
        return "none"
    media_type, length = _media_type(start), length_of(start)
    if media_type in _SAID:
        return "none"
    if level >= 3 and media_type == b"application/json" and length and length <= _LONGEST_JSON:
        return "held"
    if level >= 4:
        return "certain"
    if length is None:
        is_nothing = media_type is None and find(headers, b"transfer-encoding") is None
        return "held" if is_nothing else "none"
    is_phrase = level >= 2 and media_type == b"text/plain" and length <= _LONGEST_PHRASE
    return "held" if is_phrase or not length else "none"


def problem_in(start: Message, body: bytes, convert: Convert, *, is_head: bool) -> Refusal | None:
    """Return the problem that takes the place of a response which was held, or ``None`` if it says something."""
    status = start["status"]
    problem = Refusal(status=status, code=CODE)
    media_type, length = _media_type(start), length_of(start)
    if not body:
        # The response to HEAD has none in any case; its length tells what that to GET would have.
        is_phrase = media_type == b"text/plain" and length == len(phrase(status))
        return problem if not (is_head and length) or is_phrase or convert == "all" else None
    if media_type == b"application/json" and convert in ("json", "all"):
        return _problem_in_json(status, body) or (problem if convert == "all" else None)
    return problem if convert in ("bare", "json") and _is_phrase(status, body) else None


def length_of(start: Message) -> int | None:
    """Return the announced length of a body."""
    return parse_digits(find(start.get("headers", ()), b"content-length") or b"")


def _media_type(start: Message) -> bytes | None:
    value = find(start.get("headers", ()), b"content-type")
    return value and bytes(value).partition(b";")[0].strip().lower()


def _is_phrase(status: int, body: bytes) -> bool:
    said = body.decode("latin-1").strip().casefold()
    names = {phrase(status).casefold()}
    with suppress(ValueError):
        names.add(HTTPStatus(status).phrase.casefold())  # the older name of some
    return said in names or said in {f"{status} {name}" for name in names}


def _problem_in_json(status: int, body: bytes) -> Refusal | None:
    """Return the problem that ``{"detail": …}`` describes, as FastAPI and Litestar write it; else ``None``."""
    try:
        found = json.loads(body, parse_constant=_refuse)
        if not isinstance(found, dict) or "detail" not in found:
            return None
        members: dict[str, Any] = {
            name: value for name, value in found.items() if name not in ("status_code", "status")
        }
        detail = members.pop("detail")
        if not isinstance(detail, str):
            members["errors"] = detail
        elif not _is_phrase(status, detail.encode("latin-1", "replace")):
            members["detail"] = detail
        return problem_of(members, status, code=CODE)
    except (ValueError, TypeError, RecursionError):
        return None  # it says something, though not in a way that a problem could say it


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
