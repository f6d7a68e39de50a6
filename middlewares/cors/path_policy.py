"""A policy for some paths of an application."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from middlewares.core.options import check_type, option_fields, option_types
from middlewares.core.paths import path_problem
from middlewares.errors import UNKNOWN, OptionError, OptionErrors, Problem, did_you_mean

from .check import check_policy
from .options import PolicyOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("CORSPolicy", "as_policies")


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CORSPolicy(PolicyOptions):
    """What `CORS` allows on some paths: every option of the layer itself, and the paths. Raises `OptionError`."""

    paths: Collection[str]
    """Path patterns, one of which must match: ``/api/*``, ``/users/{id}``, ``*``."""

    def __post_init__(self) -> None:
        problems = OptionErrors(self)
        cls: Any = type(self)
        hints = option_types(cls)
        for option in option_fields(cls):
            check_type(problems, option, getattr(self, option.name), hints[option.name])
        problems.raise_if_any()
        problems.check(len(self.paths) > 0, "paths", "must hold a pattern, such as '/api/*'", self.paths)
        for pattern in self.paths:
            rule = path_problem(pattern)
            problems.check(rule is None, "paths", rule or "", pattern)
        check_policy(problems, self)
        problems.raise_if_any()


def as_policies(problems: OptionErrors, given: Iterable[CORSPolicy | Mapping[str, Any]]) -> tuple[CORSPolicy, ...]:
    """Return policies as objects, and record what is wrong with those given as tables of options."""
    made = []
    for number, policy in enumerate(given, 1):
        if isinstance(policy, CORSPolicy):
            made.append(policy)
            continue
        try:
            made.append(_build(policy))
        except OptionError as error:
            problems.found += (
                Problem(f"policies[{number}].{problem.option}", problem.rule, problem.value, problem.hint)
                for problem in error.problems
            )
    return tuple(made)


def _build(options: Mapping[str, Any]) -> CORSPolicy:
    known = [option.name for option in fields(CORSPolicy)]
    found = [Problem(str(name), UNKNOWN, None, did_you_mean(str(name), known)) for name in options if name not in known]
    if "paths" not in options:
        found.append(Problem("paths", "must be given", None, "such as ['/api/*']"))
    try:
        policy = CORSPolicy(**{"paths": ["*"], **{name: options[name] for name in known if name in options}})
    except OptionError as error:
        found += error.problems
        raise OptionError("CORSPolicy", found) from None
    if found:
        raise OptionError("CORSPolicy", found)
    return policy
