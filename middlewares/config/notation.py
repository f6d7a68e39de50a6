"""Write values as they stand in a TOML file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any, Final

__all__ = ("NULL", "notation", "toml_key", "toml_lines")

NULL: Final = '"${null}"'
"""What stands for the value that TOML has no word for."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 100


def notation(value: Any) -> str:
    """Return a value as TOML writes it; what TOML cannot write, such as a function, by its import path."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A JSON string is a TOML string but for the character DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{toml_key(str(key))} = {notation(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Collection):
        return f"[{', '.join(map(notation, value))}]"
    return notation(str(value)) if isinstance(value, PurePath) else notation(_import_path(value))


def toml_key(name: str) -> str:
    """Return a key as TOML writes it."""
    return name if _BARE.fullmatch(name) else notation(name)


def toml_lines(name: str, value: Any) -> list[str]:
    """Return ``name = value``, with the items of a long list on lines of their own."""
    whole = f"{toml_key(name)} = {notation(value)}"
    if len(whole) <= _WIDTH or not isinstance(value, list):
        return [whole]
    return [f"{toml_key(name)} = [", *(f"    {notation(item)}," for item in value), "]"]


def _import_path(value: Any) -> str:
    """Return where an object of code comes from: ``package.module:name``."""
    owner = value if hasattr(value, "__qualname__") else type(value)
    return f"{owner.__module__}:{owner.__qualname__}"
