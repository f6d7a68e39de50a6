"""Write the same configuration in each format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from middlewares.config.notation import notation, toml_key

__all__ = ("FORMATS", "as_text", "write")

FORMATS = ("m.toml", "m.yaml", "m.json", "pyproject.toml")
"""A file of each format."""


def as_text(name: str, data: dict[str, Any]) -> str:
    """Return a configuration in the format of a file's name."""
    if name.endswith(".yaml"):
        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
    if name.endswith(".json"):
        return json.dumps(data, indent=2, ensure_ascii=False)
    prefix = "tool.middlewares." if name == "pyproject.toml" else ""
    return "\n".join(_toml(prefix, data)) + "\n"


def write(name: str, data: dict[str, Any]) -> str:
    """Write a configuration, and return its text."""
    text = as_text(name, data)
    Path(name).write_text(text, encoding="utf-8")
    return text


def _toml(prefix: str, data: dict[str, Any]) -> list[str]:
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    entries = {key: value for key, value in data.items() if key == "middleware" and value}
    plain = {key: value for key, value in data.items() if key not in tables and key not in entries}
    lines = [f"[{prefix[:-1]}]"] if prefix else []
    lines += [f"{toml_key(key)} = {notation(value)}" for key, value in plain.items()]
    for key, table in tables.items():
        lines += [
            f"[{prefix}{toml_key(key)}]",
            *(f"{toml_key(name)} = {notation(item)}" for name, item in table.items()),
        ]
    for entry in entries.get("middleware", []):
        lines += [f"[[{prefix}middleware]]", *(f"{toml_key(name)} = {notation(item)}" for name, item in entry.items())]
    return lines
