"""One entry of a stack: a middleware and its options, checked when it is written."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from starlette.middleware import Middleware as StarletteMiddleware

from middlewares.core.layer import is_self_checking, placeholder
from middlewares.core.options import check_type, option_fields, option_types
from middlewares.errors import REQUIRED, UNKNOWN, OptionError, OptionErrors, Problem, did_you_mean, shown
from middlewares.registry import BUILTIN, load_builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from middlewares.asgi import ASGIApp

__all__ = ("CLASS", "REQUIRED", "UNKNOWN", "Accepted", "Entry", "Middleware", "accepted", "as_record")

Entry: TypeAlias = "StarletteMiddleware | Callable[..., Any]"
"""What a stack is built of: a record, a bare class, or anything else that takes an application and returns one."""

CLASS = "class"
"""What a problem with the middleware itself is about, where others name an option."""

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

# Options of foreign classes, which do not say what is a secret.
_SECRET = re.compile(
    r"secret|passw|passphrase|token|\bdsn\b|(api|private|sign|signing|encryption|access)_?key", re.IGNORECASE
)


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
        cls = repr(self.cls) if self._draw else self.name
        return f"{type(self).__name__}({', '.join((cls, *self._shown_options()))})"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self._shown_options())})"

    def tree(self) -> list[str]:
        """Return the lines that draw this entry: its own, then those of what it holds."""
        return self._draw() if self._draw else [str(self)]

    def contains(self, target: object) -> bool:
        """Return whether this entry is what ``target`` means: a class, its name, or its name in a file."""
        if not isinstance(target, str):
            return target is self.cls
        return target == self.name or (target in BUILTIN and self.cls is load_builtin(target))

    @property
    def _draw(self) -> Callable[[], list[str]] | None:
        """How to draw a stack that stands in the place of a class."""
        return None if isinstance(self.cls, type) else getattr(self.cls, "tree", None)

    def _shown_options(self) -> list[str]:
        """Return the options as they are written, but for the values of secrets."""
        is_secret = accepted(self.cls).is_secret
        by_position = zip(accepted(self.cls).positional_names(len(self.args)), self.args, strict=True)
        options = ["…" if is_secret(name) else shown(value) for name, value in by_position]
        return options + [f"{name}={'…' if is_secret(name) else shown(value)}" for name, value in self.kwargs.items()]


def as_record(entry: Entry) -> Middleware:
    """Return an entry of a stack as a record of ours; raises `OptionError` if it cannot be one."""
    if isinstance(entry, Middleware):
        return entry
    if isinstance(entry, StarletteMiddleware):
        return Middleware(entry.cls, *entry.args, **entry.kwargs)
    return Middleware(entry)


class Accepted(NamedTuple):
    """The options that a middleware takes."""

    names: tuple[str, ...]
    required: tuple[str, ...]
    by_position: tuple[str, ...] = ()
    secrets: frozenset[str] | None = None
    """``None`` where the class does not say."""
    takes_app: bool = True
    """Whether it can be handed an application, as its first argument."""
    any_name: bool = False
    any_position: bool = False

    def is_secret(self, name: str) -> bool:
        """Return whether an option may not be shown: a field with ``repr=False``, or one whose name says so."""
        return bool(_SECRET.search(name)) if self.secrets is None else name in self.secrets

    def positional_names(self, count: int) -> Iterable[str]:
        """Return the names of the first options given by position, empty where they have none."""
        return (*self.by_position, *("",) * count)[:count]


def _check(name: str, cls: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise `OptionError` with everything wrong about building ``cls`` from these options."""
    problems = OptionErrors(name)
    taken = accepted(cls) if callable(cls) else None
    if taken is None or {"receive", "send"} <= {*taken.required}:
        problems.add(CLASS, "must be a middleware class or factory", cls, _advice(cls))
        raise OptionError(name, problems.found)
    if not taken.takes_app:
        problems.add(CLASS, "must take an application as its first argument", cls)
    _check_names(problems, taken, len(args), options)
    if is_self_checking(cls):
        _check_values(problems, cls, {name: value for name, value in options.items() if name in taken.names})
    problems.raise_if_any()


def _advice(cls: Any) -> str | None:
    """Return what to write where ``cls`` is no middleware."""
    if callable(cls):
        return "an application goes into the stack's call"
    if isinstance(cls, (list, tuple)):
        return "give the entries one by one, as in Stack(*entries)"
    return "in code, give the class itself" if isinstance(cls, str) else None


def _check_names(problems: OptionErrors, taken: Accepted, count: int, options: dict[str, Any]) -> None:
    """Record a problem for each option that does not exist or is missing, and if too many are given by position."""
    most = len(taken.by_position)
    if count > most and not taken.any_position:
        rule = f"must be given by name but for the first {most}" if most else "must be given by name"
        problems.found.append(Problem("options", rule))
    by_position = taken.by_position[:count]
    for option in options:
        if option in by_position:
            problems.found.append(Problem(option, "is given twice"))
        elif option not in taken.names and not taken.any_name:
            # The value is not shown: it may be a secret under a misspelt name.
            problems.found.append(Problem(option, UNKNOWN, hint=did_you_mean(option, taken.names)))
    for option in taken.required:
        if option not in options and option not in by_position:
            problems.found.append(Problem(option, REQUIRED))


def _check_values(problems: OptionErrors, cls: Any, options: dict[str, Any]) -> None:
    """Record what the class finds wrong; only with types if it cannot be built for want of a required option."""
    if any(problem.rule == REQUIRED for problem in problems.found):
        typed = OptionErrors(cls)
        for field in option_fields(cls):
            if field.name in options:
                check_type(typed, field, options[field.name], option_types(cls)[field.name])
        problems.found += typed.found
        return
    try:
        cls(placeholder, **options)
    except OptionError as error:
        problems.found += error.problems


def accepted(cls: Any) -> Accepted:
    """Return what options ``cls`` takes: by its fields if it is ours, else by its signature."""
    if is_self_checking(cls):
        options = option_fields(cls)
        return Accepted(
            names=tuple(field.name for field in options),
            required=tuple(field.name for field in options if _has_no_default(field)),
            secrets=frozenset(field.name for field in options if not field.repr),
        )
    try:
        parameters = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):
        return Accepted((), (), any_name=True, any_position=True)
    any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    any_position = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    named = [
        p for p in parameters[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # the first is the application
    return Accepted(
        names=tuple(p.name for p in named if p.kind is not p.POSITIONAL_ONLY),
        required=tuple(p.name for p in named if p.default is p.empty),
        by_position=tuple(p.name for p in named if p.kind is not p.KEYWORD_ONLY),
        takes_app=any_position or any(p.kind in _BY_POSITION for p in parameters[:1]),
        any_name=any_name,
        any_position=any_position,
    )


def _has_no_default(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
