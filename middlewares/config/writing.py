"""Write a configuration as one TOML file: includes, defaults, stores and the profile are written into the entries.

Values stand as they are written, ``${…}`` and all. A secret that is written in the file itself is not: in its place
stands a variable for it, which has to be set.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from middlewares.core.layer import is_self_checking
from middlewares.record import accepted

from .costs import is_store_option
from .notation import toml_lines
from .sections import ENTRY_KEYS, OPTIONS, SECTION
from .substitution import holds_password, holds_secret_default, literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import Configuration, Entry, Setting

__all__ = ("to_toml",)

_FILE = re.compile(r"\$(\$|\{file:([^}]*)\})")


def to_toml(configuration: Configuration) -> str:
    """Return the text of a TOML file that describes the same entries."""
    if not configuration.entries:
        return f"{SECTION} = []\n"
    folder = configuration.documents[-1].folder
    return "\n".join("\n".join(_entry(entry, folder)) + "\n" for entry in configuration.entries)


def _entry(entry: Entry, folder: Path) -> list[str]:
    lines = [f"[[{SECTION}]]", *toml_lines("use", entry.use)]
    if entry.id is not None:
        lines += toml_lines("id", entry.id)
    if entry.enabled_setting is not None:
        lines += toml_lines("enabled", entry.enabled_setting.written)
    if entry.when_setting is not None:
        lines += toml_lines("when", _moved(entry.when_setting, entry.when_setting.written, folder))
    plain = {name: setting for name, setting in entry.options.items() if name not in ENTRY_KEYS}
    for name, setting in sorted(plain.items()):
        lines += _option(entry, name, setting, folder)
    own = {name: setting for name, setting in entry.options.items() if name in ENTRY_KEYS}
    if own:
        lines.append(f"[{SECTION}.{OPTIONS}]")
        for name, setting in sorted(own.items()):
            lines += _option(entry, name, setting, folder)
    return lines


def _option(entry: Entry, name: str, setting: Setting, folder: Path) -> list[str]:
    owner = setting if setting.named is None else setting.named
    given = owner.written
    if setting.is_secret:
        variable = _variable(f"{entry.label.rpartition(':')[2]}_{name}")
        names = accepted(entry.cls).is_secret
        is_declared = names(name) and not is_store_option(name)
        given = _without_secrets(given, variable, is_declared, None if is_self_checking(entry.cls) else names)
    lines = toml_lines(name, _moved(owner, given, folder))
    if given != owner.written:
        lines[-1] += " # a secret that the file holds"
    return lines


def _variable(words: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", words).upper()


def _without_secrets(value: Any, variable: str, is_declared: bool, names: Callable[[str], bool] | None) -> Any:
    """Return the value of a setting that holds a secret, with a variable for each that stands in the file itself.

    A value is secret as a whole if the option declares it, or in a table of a class that is not ours by the name of
    its key; otherwise what was filled in is, and passwords are.
    """
    if isinstance(value, dict):
        return {
            key: _without_secrets(
                one, _variable(f"{variable}_{key}"), is_declared or (names is not None and names(key)), names
            )
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [
            _without_secrets(one, f"{variable}_{number}", is_declared, names) for number, one in enumerate(value, 1)
        ]
    if isinstance(value, str):
        return value if _is_harmless(value, is_declared=is_declared) else f"${{{variable}}}"
    return f"${{{variable}}}" if is_declared and value is not None and not isinstance(value, bool) else value


def _is_harmless(text: str, *, is_declared: bool) -> bool:
    """Return whether nothing secret of a text stands in the file itself."""
    if is_declared and text.startswith(("env:", "file:")):  # which the option reads itself
        return True
    own = literal(text)
    return own == "" if is_declared else not (holds_secret_default(text) or holds_password(own))


def _moved(setting: Setting, value: Any, folder: Path) -> Any:
    """Return a value with the paths of ``${file:…}`` as they are from the directory of the whole configuration."""
    own = setting.spot.document.folder
    if own == folder:
        return value
    if isinstance(value, dict):
        return {key: _moved(setting, inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(setting, inner, folder) for inner in value]
    if not isinstance(value, str):
        return value

    def move(match: re.Match[str]) -> str:
        if match[2] is None or Path(match[2]).is_absolute():
            return match[0]
        return f"${{file:{os.path.relpath(own / match[2], folder)}}}"

    return _FILE.sub(move, value)
