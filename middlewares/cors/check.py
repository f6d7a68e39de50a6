"""Refuse policies that could not work, or that would open more than they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from middlewares.core.fields import is_token
from middlewares.core.origins import origin_problem

from .policy import FORBIDDEN_METHODS

if TYPE_CHECKING:
    from middlewares.errors import OptionErrors

    from .middleware import CORS

__all__ = ("check_policy",)

NORMALIZED_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
"""Methods that browsers send in upper case however a page spells them (Fetch, 2.2.1)."""
HIDDEN_HEADERS: Final = frozenset({"set-cookie", "set-cookie2"})
"""Response headers that no page may read, whatever the server says (Fetch, 2.2.2)."""

# In a pattern: an escape or a character class, where a dot is a dot; and a dot that is any one character.
_LITERAL: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOSE_DOT: Final = re.compile(r"\.(?![*+?{])")


def check_policy(problems: OptionErrors, policy: CORS) -> None:
    """Record everything that is wrong with the options of a policy, each of which is of the right type."""
    _check_origins(problems, policy)
    _check_pattern(problems, policy.allow_origin_regex or "")
    _check_methods(problems, policy)
    _check_headers(problems, policy)
    problems.check(policy.max_age >= 0, "max_age", "must not be negative", policy.max_age)


def _check_origins(problems: OptionErrors, policy: CORS) -> None:
    for origin in policy.allow_origins:
        problem = None if origin == "*" else origin_problem(origin)
        if problem is not None:
            problems.add("allow_origins", problem[0], origin, problem[1])
    if "*" in policy.allow_origins:
        is_alone = len(policy.allow_origins) == 1
        problems.check(is_alone, "allow_origins", "must hold '*' alone", policy.allow_origins)
        problems.check(
            not policy.allow_credentials,
            "allow_credentials",
            "must be false when any origin is allowed: every site could act for the user",
            policy.allow_credentials,
            "list the origins",
        )
        problems.check(
            policy.allow_origin_regex is None,
            "allow_origin_regex",
            "must be left out when any origin is allowed: it could not add one",
            policy.allow_origin_regex,
        )


def _check_pattern(problems: OptionErrors, pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the latter two: a repetition or a nesting too large
        return problems.add("allow_origin_regex", f"must be a regular expression ({error})", pattern)
    problems.check(
        _LOOSE_DOT.search(_LITERAL.sub("x", pattern)) is None,
        "allow_origin_regex",
        "must escape its dots: an unescaped one matches any character, and so other people's hosts",
        pattern,
        r"write '\.'",
    )


def _check_methods(problems: OptionErrors, policy: CORS) -> None:
    for method in policy.allow_methods:
        fits = method == "*" or (is_token(method) and method.upper() not in FORBIDDEN_METHODS)
        if problems.check(fits, "allow_methods", "must hold request methods that browsers send", method):
            is_normal = method in NORMALIZED_METHODS or method.upper() not in NORMALIZED_METHODS
            hint = f"write {method.upper()!r}"
            problems.check(is_normal, "allow_methods", "must be in upper case, as browsers send it", method, hint)


def _check_headers(problems: OptionErrors, policy: CORS) -> None:
    for option in ("allow_headers", "expose_headers"):
        for name in getattr(policy, option):
            problems.check(is_token(name), option, "must hold header names", name)
    for name in policy.expose_headers:
        is_visible = name.lower() not in HIDDEN_HEADERS
        problems.check(is_visible, "expose_headers", "must hold headers that a page may ever read", name)
    problems.check(
        not ("*" in policy.expose_headers and policy.allow_credentials),
        "expose_headers",
        "must name each header when credentials are allowed: '*' is taken for a header of that name",
        policy.expose_headers,
    )
