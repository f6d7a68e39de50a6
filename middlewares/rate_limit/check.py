"""Find everything that is wrong with the options of a limiter before it serves a request."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from middlewares.core.addresses import parse_networks
from middlewares.core.options import check_types
from middlewares.core.paths import path_problem
from middlewares.errors import OptionErrors
from middlewares.stores import url_problem

from .notation import parse_limits
from .rules import as_rule, check_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from middlewares.core.addresses import Network

    from .rules import Rule

__all__ = ("check_mark", "check_options", "warn_of_processes")

_LEAST = {"max_waiting": 1, "ipv6_factor": 0, "processes": 1, "lease": 1}
_PER_CENT = ("headers_below", "jitter")
_log = logging.getLogger("middlewares")


def check_options(layer: Any) -> tuple[list[Rule], tuple[Network, ...], tuple[Network, ...]]:
    """Return the rules, and the networks that are let in and kept out. Raises `OptionError` with every problem."""
    problems = OptionErrors(layer)
    check_types(problems, layer)
    problems.raise_if_any()
    check_limits(problems, layer)
    for option, least in _LEAST.items():
        value = getattr(layer, option)
        problems.check(value >= least, option, f"must be at least {least}", value)
    for option in _PER_CENT:
        value = getattr(layer, option)
        problems.check(0 <= value <= 100, option, "must be from 0 to 100 per cent", value)
    problems.check(layer.deadline > 0, "deadline", "must be above 0", layer.deadline)
    problems.check(layer.namespace.isidentifier(), "namespace", "must be a name such as 'shop'", layer.namespace)
    for pattern in layer.exclude_paths:
        words = path_problem(pattern)
        problems.check(words is None, "exclude_paths", words or "", pattern)
    for option in ("messages", "message_bytes"):
        _check_notation(problems, option, getattr(layer, option))
    if isinstance(layer.store, str):
        found = url_problem(layer.store)
        problems.check(found is None, "store", found[0] if found else "", _scheme(layer.store), found and found[1])
    rules = [as_rule(problems, rule, f"rules[{number}].") for number, rule in enumerate(layer.rules, 1)]
    allowed = parse_networks(problems, "allow", layer.allow)
    denied = parse_networks(problems, "deny", layer.deny)
    problems.check(layer.limit is not None or bool(rules), "limit", "must be given where there are no rules", None)
    right = [rule for rule in rules if rule is not None]
    _check_names(problems, layer, right)
    problems.raise_if_any()
    return right, allowed, denied


def warn_of_processes(layer: Any) -> None:
    """Log that a quota is not what it seems where several processes count it each for itself."""
    told = os.environ.get("WEB_CONCURRENCY", "")  # what servers read, and `middlewares run --workers` sets
    processes = max(layer.processes, int(told) if told.isdecimal() and len(told) < 5 else 1)
    if processes > 1 and isinstance(layer.store, str) and layer.store.startswith("memory:"):
        _log.warning(
            "RateLimit: with store 'memory://' each of %d processes counts for itself, so clients have up to %d times "
            "their quota; use 'sqlite:///limits.db' on one machine, 'redis://host:6379/0' on many",
            processes,
            processes,
        )


def check_mark(limit: str, name: str | None, options: Mapping[str, Any]) -> Rule:
    """Return the rule that the mark of an endpoint is. Raises `OptionError`."""
    problems = OptionErrors("limited")
    rule = as_rule(problems, {**options, "limit": limit, **({} if name is None else {"name": name})})
    problems.raise_if_any()
    if rule is None:  # never: then there were problems
        raise ValueError("limited: no rule")
    return rule


def _scheme(url: str) -> str:
    """Return what may be shown of a URL, which may hold a password."""
    return url.partition("://")[0][:20]


def _check_notation(problems: OptionErrors, option: str, text: str | None) -> None:
    if text is not None:
        try:
            parse_limits(text)
        except ValueError as error:
            problems.add(option, str(error), text)


def _check_names(problems: OptionErrors, layer: Any, rules: list[Rule]) -> None:
    """Record rules that clients could not tell apart: their policies would count in one place."""
    seen: set[str] = set()
    for entry in (layer, *rules):
        name = entry.name or (entry.limit if isinstance(entry.limit, str) else None)
        if name is not None and name in seen:
            problems.add("rules", "must have names that differ", name, "give each rule a name")
        seen.add(name or "")
