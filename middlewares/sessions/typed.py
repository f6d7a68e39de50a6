"""Views of a session as an object of a class: a dataclass, or a model of pydantic or msgspec."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import SessionError

if TYPE_CHECKING:
    from .state import State

__all__ = ("Typed",)

_T = TypeVar("_T")


class Typed(Generic[_T]):
    """An object made of a session's data, or of the table under one key; its fields are saved with the session."""

    def __init__(self, model: type[_T], key: str | None, data: dict[str, Any]) -> None:
        self.key = key
        self.model = model
        held: Any = data if key is None else data.get(key, {})
        try:
            self.value: _T = _made(model, held)
        except (TypeError, ValueError) as error:
            raise SessionError(f"Sessions: the session does not fit {model.__name__}: {error}") from error
        fields = _fields(self.value)
        self._before = fields if key is None else {key: fields}

    def write(self, state: State) -> None:
        """Put the fields of the object into the session."""
        fields = _fields(self.value)
        if self.key is not None:
            fields = {self.key: fields}
        # Defaults of a session that has none of it are no change: nobody has written anything yet.
        if fields != self._before and any(state.data.get(name) != value for name, value in fields.items()):
            state.data.update(fields)
            state.changed = True


def _made(model: Any, held: Any) -> Any:
    if hasattr(model, "model_validate"):  # pydantic
        return model.model_validate(held)
    if dataclasses.is_dataclass(model):
        make: Any = model
        names = {field.name for field in dataclasses.fields(model) if field.init}
        return make(**{name: value for name, value in dict(held).items() if name in names})
    if hasattr(model, "__struct_fields__"):
        import msgspec

        return msgspec.convert({**held}, model)
    raise TypeError("a dataclass, or a model of pydantic or msgspec, is needed")


def _fields(value: Any) -> dict[str, Any]:
    if hasattr(value, "model_dump"):
        dumped: dict[str, Any] = value.model_dump(mode="json")
        return dumped
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    import msgspec

    built: dict[str, Any] = msgspec.to_builtins(value)
    return built
