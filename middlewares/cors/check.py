"""Refuse policies that could not work, or that would open more than they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from middlewares.core.fields import is_token
from middlewares.core.origin_set import OriginPattern, parse_pattern, pattern_problem

from .preflight import FORBIDDEN_METHODS
from .suffixes import COMMON_SUFFIXES, is_public_suffix

if TYPE_CHECKING:
    from middlewares.errors import OptionErrors

    from .options import PolicyOptions

__all__ = ("check_policy",)

NORMALIZED_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
"""Methods that browsers send in upper case however a page spells them (Fetch, 2.2.1)."""
HIDDEN_HEADERS: Final = frozenset({"set-cookie", "set-cookie2"})
"""Response headers that no page may read, whatever the server says (Fetch, 2.2.2)."""
FORBIDDEN_HEADERS: Final = frozenset(
    """
    accept-charset accept-encoding access-control-request-headers access-control-request-method
    access-control-request-private-network connection content-length cookie cookie2 date dnt expect host keep-alive
    origin referer set-cookie te trailer transfer-encoding upgrade via
    """.split()  # noqa: SIM905 - shorter than a list of its own
)
"""Request headers that no page may set, so that no preflight asks for them (Fetch, 2.2.2)."""
FORBIDDEN_PREFIXES: Final = ("proxy-", "sec-")

# In a pattern: an escape or a character class, where a dot is a dot; and a dot that is any one character.
_LITERAL: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOSE_DOT: Final = re.compile(r"\.(?![*+?{])")
# A group of nothing but a repetition, repeated: there are exponentially many ways to try it.
_NESTED: Final = re.compile(r"\((?:\?:|\?P<\w+>)?[^()|*+?{}](?:[*+]|\{\d*,\})\??\)(?:[*+]|\{\d*,\})")

# Names that nobody lists: an expression that matches two of them matches whatever stands in their place.
_STRANGERS: Final = ("qzxv", "wkjyqu")
_NOBODYS: Final = ("invalid", "test")


def check_policy(problems: OptionErrors, policy: PolicyOptions) -> None:
    """Record everything that is wrong with the options of a policy, each of which is of the right type."""
    for origin in policy.allow_origins:
        if origin != "*":
            _check_origin(problems, policy, origin)
    if policy.allows_any:
        _check_any(problems, policy)
    if policy.allow_origin_regex is not None and _check_regex(problems, policy.allow_origin_regex):
        _check_reach(problems, policy, policy.allow_origin_regex)
    _check_null(problems, policy)
    _check_methods(problems, policy)
    _check_request_headers(problems, policy)
    _check_exposed(problems, policy)
    problems.check(policy.max_age >= 0, "max_age", "must not be negative", policy.max_age)


def _check_origin(problems: OptionErrors, policy: PolicyOptions, origin: str) -> None:
    pattern = parse_pattern(origin)
    if pattern is None:
        problem = pattern_problem(origin)
        rule, hint = problem or ("", None)
        if origin == "null":
            hint = f"{hint}; where that is meant, set dangerously_allow_null_origin"
        problems.add("allow_origins", rule, origin, hint)
    elif policy.allow_credentials:
        _check_trust(problems, policy, pattern)


def _check_trust(problems: OptionErrors, policy: PolicyOptions, pattern: OriginPattern) -> None:
    """Check an origin that is allowed with credentials: its pages can act for the user."""
    if not policy.dangerously_allow_insecure_origins:
        problems.check(
            pattern.base.is_secure,
            "allow_origins",
            "must not hold plain http together with allow_credentials: whoever is on the network can speak for it",
            str(pattern),
            f"write {str(pattern).replace('http', 'https', 1)!r}, or set dangerously_allow_insecure_origins",
        )
    if pattern.is_below and not pattern.base.is_loopback and not policy.dangerously_allow_public_suffixes:
        problems.check(
            not is_public_suffix(pattern.base.host),
            "allow_origins",
            "must not hold all hosts of a public suffix together with allow_credentials: anybody can get one",
            str(pattern),
            f"name your own, as in '{pattern.base.scheme}://*.yours.{pattern.base.host}', "
            "or set dangerously_allow_public_suffixes",
        )


def _check_any(problems: OptionErrors, policy: PolicyOptions) -> None:
    problems.check(len(policy.allow_origins) == 1, "allow_origins", "must hold '*' alone", policy.allow_origins)
    problems.check(
        not policy.allow_credentials or policy.dangerously_allow_any_origin_with_credentials,
        "allow_credentials",
        "must be false when any origin is allowed: every site could act for the user",
        policy.allow_credentials,
        "list the origins, or set dangerously_allow_any_origin_with_credentials",
    )
    for option in ("allow_origin_regex", "allow_origin_callable"):
        value = getattr(policy, option)
        problems.check(
            value is None, option, "must be left out when any origin is allowed: it could not add one", value
        )


def _check_regex(problems: OptionErrors, pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the latter two: a repetition or a nesting too large
        problems.add("allow_origin_regex", f"must be a regular expression ({error})", pattern)
        return False
    bare = _LITERAL.sub("x", pattern)
    is_quick = problems.check(
        _NESTED.search(bare) is None,
        "allow_origin_regex",
        "must not repeat a mere repetition, as '([a-z]+)+' does: one long origin could stop the application",
        pattern,
        "leave one of them out",
    )
    is_narrow = problems.check(
        _LOOSE_DOT.search(bare) is None,
        "allow_origin_regex",
        "must escape its dots: an unescaped one matches any character, and so other people's hosts",
        pattern,
        r"write '\.'",
    )
    return is_quick and is_narrow


def _check_reach(problems: OptionErrors, policy: PolicyOptions, pattern: str) -> None:
    """Check an expression by origins of strangers: with credentials it must not match whoever comes."""
    if not policy.allow_credentials or policy.dangerously_allow_any_origin_with_credentials:
        return
    schemes = ("https", "http") if policy.dangerously_allow_insecure_origins else ("https",)
    match = re.compile(pattern).fullmatch

    def reaches(*hosts: str) -> bool:
        return any(all(match(f"{scheme}://{host}") for host in hosts) for scheme in schemes)

    if reaches(*(f"{name}.{domain}" for name, domain in zip(_STRANGERS, _NOBODYS, strict=True))):
        problems.add(
            "allow_origin_regex",
            "must not match any origin together with allow_credentials: every site could act for the user",
            pattern,
            "end it in a domain of yours, or set dangerously_allow_any_origin_with_credentials",
        )
    elif not policy.dangerously_allow_public_suffixes:
        for suffix in COMMON_SUFFIXES:
            problems.check(
                not reaches(*(f"{name}.{suffix}" for name in _STRANGERS)),
                "allow_origin_regex",
                f"must not match all hosts of {suffix} together with allow_credentials: anybody can get one",
                pattern,
                "name your own, or set dangerously_allow_public_suffixes",
            )


def _check_null(problems: OptionErrors, policy: PolicyOptions) -> None:
    problems.check(
        not (policy.dangerously_allow_null_origin and policy.allow_credentials),
        "dangerously_allow_null_origin",
        "must be false together with allow_credentials: any site can make a sandboxed page, and act for the user",
        policy.dangerously_allow_null_origin,
    )
    for name in policy.allow_origin_vary:
        problems.check(is_token(name) and name != "*", "allow_origin_vary", "must hold header names", name)
    problems.check(
        policy.allow_origin_callable is not None or not policy.allow_origin_vary,
        "allow_origin_vary",
        "must be left out without allow_origin_callable: nothing else looks at request headers",
        policy.allow_origin_vary,
    )


def _check_methods(problems: OptionErrors, policy: PolicyOptions) -> None:
    for method in policy.allow_methods:
        fits = method == "*" or (is_token(method) and method.upper() not in FORBIDDEN_METHODS)
        if problems.check(fits, "allow_methods", "must hold request methods that browsers send", method):
            is_normal = method in NORMALIZED_METHODS or method.upper() not in NORMALIZED_METHODS
            hint = f"write {method.upper()!r}"
            problems.check(is_normal, "allow_methods", "must be in upper case, as browsers send it", method, hint)


def _check_request_headers(problems: OptionErrors, policy: PolicyOptions) -> None:
    for name in policy.allow_headers:
        if problems.check(is_token(name), "allow_headers", "must hold header names", name):
            lower = name.lower()
            is_settable = lower not in FORBIDDEN_HEADERS and not lower.startswith(FORBIDDEN_PREFIXES)
            rule = "must hold headers that a page may set: browsers never ask for this one"
            problems.check(is_settable, "allow_headers", rule, name, "leave it out")


def _check_exposed(problems: OptionErrors, policy: PolicyOptions) -> None:
    for name in () if policy.expose_headers == "auto" else policy.expose_headers:
        problems.check(is_token(name), "expose_headers", "must hold header names", name)
        is_visible = name.lower() not in HIDDEN_HEADERS
        problems.check(is_visible, "expose_headers", "must hold headers that a page may ever read", name)
    problems.check(
        not ("*" in policy.expose_headers and policy.allow_credentials),
        "expose_headers",
        "must name each header when credentials are allowed: '*' is taken for a header of that name",
        policy.expose_headers,
    )
