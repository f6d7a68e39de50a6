"""One entry of a stack: a middleware and its options, checked when it is written."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.middleware import Middleware as StarletteMiddleware

from middlewares.core.layer import is_self_checking, placeholder
from middlewares.core.options import option_fields
from middlewares.errors import OptionError, OptionErrors, Problem, did_you_mean
from middlewares.registry import BUILTIN, load_builtin

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.asgi import ASGIApp

__all__ = ("REQUIRED", "UNKNOWN", "Entry", "Middleware", "as_record")

Entry: TypeAlias = "StarletteMiddleware | Callable[..., Any]"
"""What a stack is built of: a record, a bare class, or anything else that takes an application and returns one."""

UNKNOWN = "is unknown"
"""The rule of a problem about an option that does not exist."""

REQUIRED = "is required"
"""The rule of a problem about an option that is missing."""


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Middleware(StarletteMiddleware):
    """A middleware and its options, checked when it is written.

    Starlette and FastAPI take it wherever they take their own record; there, an error in an option would otherwise
    show only when the first request or the lifespan builds the application.

    Raises `OptionError` with every problem: options that do not exist, that are missing, or that cannot be right.
    """

    cls: Any

    def __init__(self, cls: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(cls, *args, **kwargs)
        _check(self.name, cls, args, kwargs)

    @property
    def name(self) -> str:
        """The name of the class, or of whatever else builds the layer."""
        return getattr(self.cls, "__name__", type(self.cls).__name__)

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """Return ``app`` inside this middleware."""
        wrapped: ASGIApp = self.cls(app, *self.args, **self.kwargs)
        return wrapped

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join((self.name, *self._shown_options()))})"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self._shown_options())})"

    def tree(self) -> list[str]:
        """Return the lines that draw this entry: its own, then those of what it holds."""
        draw = None if isinstance(self.cls, type) else getattr(self.cls, "tree", None)
        return draw() if draw else [str(self)]

    def contains(self, target: object) -> bool:
        """Return whether this entry is what ``target`` means: a class, its name, or its name in a file."""
        if isinstance(target, str) and target in BUILTIN:
            return self.cls is load_builtin(target)
        return target in (self.cls, self.name)

    def _shown_options(self) -> list[str]:
        secret = {field.name for field in fields(self.cls) if not field.repr} if is_self_checking(self.cls) else set()
        shown = [repr(value) for value in self.args]
        return shown + [f"{name}={'…' if name in secret else repr(value)}" for name, value in self.kwargs.items()]


def as_record(entry: Entry) -> Middleware:
    """Return an entry of a stack as a record of ours; raises `OptionError` if it cannot be one."""
    if isinstance(entry, Middleware):
        return entry
    if isinstance(entry, StarletteMiddleware):
        return Middleware(entry.cls, *entry.args, **entry.kwargs)
    return Middleware(entry)


def _check(name: str, cls: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise `OptionError` with everything wrong about building ``cls`` from these options."""
    problems = OptionErrors(name)
    if not problems.check(callable(cls), "class", "must be a middleware class or factory", cls):
        problems.raise_if_any()
    known, required = _parameters(cls)
    if known is not None:
        for option in options.keys() - known:
            problems.add(option, UNKNOWN, options[option], did_you_mean(option, known))
        if not args:
            for option in sorted(required - options.keys()):
                problems.found.append(Problem(option, REQUIRED))
    if is_self_checking(cls) and not any(problem.rule == REQUIRED for problem in problems.found):
        known_options = {option: value for option, value in options.items() if option in (known or ())}
        _build(problems, cls, args, known_options)
    problems.raise_if_any()


def _build(problems: OptionErrors, cls: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    try:
        cls(placeholder, *args, **options)
    except OptionError as error:
        problems.found += error.problems
    except TypeError as error:
        # Positional options, which our layers do not take.
        problems.found.append(Problem("options", f"must be given by name: {error}"))


def _parameters(cls: Any) -> tuple[set[str] | None, set[str]]:
    """Return the names of the options that ``cls`` takes (``None``: any), and of those that it needs."""
    if is_self_checking(cls):
        options = option_fields(cls)
        return {field.name for field in options}, {field.name for field in options if _has_no_default(field)}
    try:
        parameters = list(inspect.signature(cls).parameters.values())[1:]  # the first is the application
    except (TypeError, ValueError):
        return None, set()
    named = {parameter.name: parameter for parameter in parameters if parameter.kind not in _VARIADIC}
    required = {name for name, parameter in named.items() if parameter.default is parameter.empty}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return None if takes_any else set(named), required


def _has_no_default(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
