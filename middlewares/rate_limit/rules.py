"""Which limits hold for which requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal, TypeAlias

from middlewares.core.matching import check_matchers
from middlewares.core.options import check_type, option_types
from middlewares.errors import REQUIRED, UNKNOWN, OptionErrors, Problem, did_you_mean

from .algorithms import make_algorithm
from .keys import compile_key
from .notation import parse_limits, parse_period

__all__ = (
    "AlgorithmName",
    "Cost",
    "Key",
    "Limit",
    "MissingKey",
    "Refundable",
    "Rule",
    "as_rule",
    "check_limits",
    "default_rule",
    "inheriting",
)

AlgorithmName: TypeAlias = Literal["gcra", "strict", "fixed_window", "sliding_window"]
MissingKey: TypeAlias = Literal["ip", "shared", "allow", "deny"]
Limit: TypeAlias = str | Callable[..., Any]
Key: TypeAlias = str | Callable[..., Any] | Collection[str | Callable[..., Any]]
Cost: TypeAlias = int | Callable[..., Any]
Refundable: TypeAlias = int | str

_CLASSES = ("2xx", "3xx", "4xx", "5xx", "exception")
_INHERITED = ("key", "algorithm", "shadow", "on_missing_key", "on_store_failure", "max_wait", "cost")


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Rule:
    """Limits for the requests that satisfy every matcher that is given; without matchers, for all.

    What is ``None`` is as the layer says. Paths are those that the router at this place sees.
    """

    limit: Limit
    """``100/minute``, several with ``;`` between them, or a callable that is given the ``HTTPConnection``, sync or
    async, and returns such a string, or ``None`` for no limit."""
    name: str | None = None
    """What clients and metrics know the rule by; its limits unless given."""
    paths: Collection[str] = ()
    """Path patterns, one of which must match: ``/login``, ``/api/*``, ``/users/{id}``."""
    exclude_paths: Collection[str] = ()
    """Path patterns, none of which may match."""
    methods: Collection[str] = ()
    """Request methods, as in ``POST``; a WebSocket handshake is a ``GET``."""
    hosts: Collection[str] = ()
    """Host names without port, as in ``example.com`` or ``*.example.com``."""
    predicate: Callable[..., Any] | None = None
    """A function, sync or async, that is given the ``HTTPConnection`` and returns whether the rule applies."""
    key: Key | None = None
    """Who shares a quota: ``ip``, ``header:NAME``, ``session``, ``user``, a callable, or several together."""
    algorithm: AlgorithmName | None = None
    """How hits are counted."""
    burst: int | None = None
    """The most units at once, for ``gcra`` and ``strict``."""
    cost: Cost | None = None
    """Units of a request: a number, or a callable, sync or async, that is given the ``HTTPConnection``."""
    cost_after: Callable[..., Any] | None = None
    """Further units, once the response is over: a callable, sync or async, given the ``HTTPConnection`` and the
    status."""
    refund_on: Collection[Refundable] = ()
    """Statuses that cost nothing after all: ``304``, ``5xx``, or ``exception``, which is not what happens because a
    client left."""
    shadow: bool | None = None
    """Whether it only counts, and refuses nobody."""
    ban_after: str | None = None
    """Refusals after which a client is banned, such as ``10/minute``."""
    ban_for: str = "hour"
    """How long a ban lasts, such as ``15 minutes``."""
    on_missing_key: MissingKey | None = None
    """What becomes of a request without key: limited by ``ip``, by one quota ``shared`` by all, ``allow``, ``deny``."""
    on_store_failure: Literal["open", "closed", "local"] | None = None
    """What happens while the store does not answer."""
    max_wait: float | None = None
    """Seconds that a request may wait for its turn instead of being refused."""


def as_rule(problems: OptionErrors, given: Rule | Mapping[str, Any], where: str = "") -> Rule | None:
    """Return a rule as it stands in code or in a file; what is wrong with it goes to ``problems``.

    ``where`` stands before the names of its options there, as in ``rules[2].``.
    """
    options = (
        given if isinstance(given, Mapping) else {field.name: getattr(given, field.name) for field in fields(Rule)}
    )
    found = OptionErrors("rule")
    known = option_types(Rule)
    for name in options.keys() - known.keys():
        found.found.append(Problem(str(name), UNKNOWN, hint=did_you_mean(str(name), known)))
    if "limit" not in options:
        found.found.append(Problem("limit", REQUIRED))
    for field in fields(Rule):
        if field.name in options:
            check_type(found, field, options[field.name], known[field.name])
    rule = None if found.found else Rule(**options)
    if rule is not None:
        check_matchers(found, rule)
        check_limits(found, rule)
    problems.found += (replace(problem, option=where + problem.option) for problem in found.found)
    return None if found.found else rule


def check_limits(problems: OptionErrors, rule: Any) -> None:
    """Record what is wrong with limits and what belongs to them, of a rule or of the layer itself."""
    kind = rule.algorithm or "gcra"
    readers: dict[str, Callable[[str], object]] = {
        "limit": parse_limits,
        "ban_after": parse_limits,
        "ban_for": parse_period,
    }
    for option, read in readers.items():
        given = getattr(rule, option)
        if isinstance(given, str):
            _check(problems, option, given, partial(read, given))
    if isinstance(rule.limit, str) and not problems.found:
        for quota in parse_limits(rule.limit):
            _check(problems, "burst", rule.burst, partial(make_algorithm, kind, quota, rule.burst))
    if rule.key is not None:
        _check(problems, "key", rule.key, lambda: compile_key(rule.key))
    if isinstance(rule.cost, int):
        problems.check(rule.cost >= 0, "cost", "must not be negative", rule.cost)
    for status in rule.refund_on:
        fits = status in _CLASSES or (isinstance(status, int) and 100 <= status <= 599)
        problems.check(fits, "refund_on", "must hold statuses, '2xx' to '5xx', or 'exception'", status)
    if rule.max_wait is not None:
        problems.check(0 <= rule.max_wait <= 60, "max_wait", "must be from 0 to 60 seconds", rule.max_wait)
    name = getattr(rule, "name", None)
    if name is not None:
        # RFC 9651, 3.3.3: a String holds printable ASCII.
        fits = 0 < len(name) <= 64 and name.isascii() and name.isprintable()
        problems.check(fits, "name", "must be 1 to 64 printable ASCII characters", name)


def _check(problems: OptionErrors, option: str, given: object, read: Callable[[], object]) -> None:
    try:
        read()
    except ValueError as error:
        problems.add(option, str(error), given)


def inheriting(rule: Rule, layer: Any) -> Rule:
    """Return a rule with what it leaves to the layer."""
    missing = {name: getattr(layer, name) for name in _INHERITED if getattr(rule, name) is None}
    return replace(rule, **missing)


def default_rule(layer: Any) -> Rule:
    """Return the options of a layer itself as a rule."""
    known = {field.name for field in fields(layer)} - {"exclude_paths"}
    return Rule(**{field.name: getattr(layer, field.name) for field in fields(Rule) if field.name in known})
