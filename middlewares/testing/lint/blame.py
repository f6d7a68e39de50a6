"""Who stands between two lints, by name."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

__all__ = ("Inside", "look_inside", "name_of", "parameters_fault")

_DEEPEST = 200
_EXPECTED = ["scope", "receive", "send"]


@dataclass(frozen=True, slots=True)
class Inside:
    """What stands inside a lint, as far as it can be seen by following ``.app``."""

    names: tuple[str, ...]
    """The layers up to the next lint, or up to the application and with it."""
    lint: Any = None
    """The next lint, which stands inside them."""

    def __str__(self) -> str:
        return " > ".join(self.names)


def look_inside(app: Any, lint: type) -> Inside:
    """Follow ``.app`` from ``app`` to the next lint, or to the application."""
    names: list[str] = []
    for _ in range(_DEEPEST):
        if isinstance(app, lint):
            return Inside(tuple(names), app)
        inner = getattr(app, "_wrapped", None) or getattr(app, "app", None)  # `When` holds the layer it applies
        is_adapter = type(app).__name__.startswith("_") or hasattr(app, "_wrapped")
        if not callable(inner) or not is_adapter:
            names.append(name_of(app))
        if not callable(inner):
            break
        app = inner
    return Inside(tuple(names))


def name_of(app: Any) -> str:
    """Return the name of a function, or of the class of any other application."""
    name: str = getattr(app, "__qualname__", None) or type(app).__qualname__
    return name.rpartition("<locals>.")[2]


def parameters_fault(app: Any) -> str | None:
    """Say which parameters of ``app`` servers and layers may stumble over."""
    try:
        parameters = [*signature(app).parameters.values()]
    except (TypeError, ValueError):
        return None
    plain = all(p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for p in parameters)
    if plain and all(p.default is Parameter.empty for p in parameters) and [p.name for p in parameters] == _EXPECTED:
        return None
    return f"the parameters are ({', '.join(map(str, parameters))})"
