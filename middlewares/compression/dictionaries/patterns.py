"""Patterns of paths, as browsers and this server read them alike: a subset of URL patterns without groups.

Standard: RFC 9842, 2.1.1; the URL Pattern standard, 2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import Scope

__all__ = ("compile_pattern", "pattern_problem", "request_path")

_LITERAL: Final = r"(?:[A-Za-z0-9._~!$&',;=@/-]|%[0-9A-Fa-f]{2})"
_PATTERN: Final = re.compile(rf"/(?:{_LITERAL}|(?<!\*)\*|(?<=/):[A-Za-z_][A-Za-z0-9_]*(?=/|\Z))*+")
_NAME: Final = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")
_DOT_SEGMENT: Final = re.compile(r"/\.\.?(?=/|\Z)")
_LONGEST: Final = 2048
_PATH_CHARACTERS: Final = "/%!$&'()*+,;=:@"


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern, in words that follow an option's name, or ``None``.

    ``*`` stands for anything, also for nothing and for slashes; ``:name`` for one whole segment. Everything else is
    literal and written as in a URL, with ``%20`` for a space. Groups, expressions and modifiers are refused: those in
    parentheses by RFC 9842 itself, the others because nobody needs them to name a set of releases.
    """
    if pattern[:1] != "/" or pattern[:2] == "//":
        # RFC 9842, 2.1.1: the pattern must be of the dictionary's own origin, which a path is by itself.
        return "must be a path that begins with one '/', such as '/static/app.*.js'"
    if "?" in pattern or "#" in pattern:
        return "must not hold '?' or '#': patterns are compared with the path, not with a query"
    if len(pattern) > _LONGEST or not _PATTERN.fullmatch(pattern):
        return "must be a path of URL characters in which '*' stands for anything and ':name' for one whole segment"
    if _DOT_SEGMENT.search(pattern):
        return "must not hold the segments '.' and '..', which no request has"
    return None


def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Return a function that is true of the paths, percent-encoded, that match a valid pattern."""
    if "*" not in pattern and ":" not in pattern:
        return pattern.__eq__
    first, *rest = (_expression(part) for part in pattern.split("*"))
    # What stands between two stars is taken where it first occurs and never again: since every name in it ends at a
    # slash, a later place cannot match more. So the work is bounded by the lengths of pattern and path multiplied.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(first + middle + last, re.DOTALL).fullmatch


def request_path(scope: Scope) -> str:
    """Return the path of a request as the client wrote it, percent-encoded and without a query."""
    raw: bytes | None = scope.get("raw_path")
    if raw:
        return raw.partition(b"?")[0].decode("latin-1")
    return quote(scope["path"], safe=_PATH_CHARACTERS, errors="replace")


def _expression(part: str) -> str:
    parts: list[str] = []
    end = 0
    for name in _NAME.finditer(part):
        parts += re.escape(part[end : name.start()]), "[^/]+"
        end = name.end()
    return "".join((*parts, re.escape(part[end:])))
