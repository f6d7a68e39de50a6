"""Write a configuration as one TOML file: includes, defaults, stores and the profile are written into the entries.

Values stand as they are written, ``${…}`` and all. A secret that is written in the file itself is not: in its place
stands a variable for it, which has to be set.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .notation import toml_key, toml_lines
from .sections import ENTRY_KEYS, OPTIONS, SECTION
from .substitution import references

if TYPE_CHECKING:
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
    given = setting.written if setting.named is None else setting.named.written
    owner = setting if setting.named is None else setting.named
    if setting.is_secret and not _is_harmless(setting, given):
        variable = re.sub(r"\W", "_", f"{entry.label.rpartition(':')[2]}_{name}").upper()
        return [f'{toml_key(name)} = "${{{variable}}}" # a secret that the file holds']
    return toml_lines(name, _moved(owner, given, folder))


def _is_harmless(setting: Setting, given: Any) -> bool:
    """Return whether nothing of a secret option's value stands in the file itself."""
    if isinstance(given, list):
        return all(_is_harmless(setting, item) for item in given)
    if not isinstance(given, str):
        return given is None
    if given.startswith(("env:", "file:")):  # which the option reads itself
        return True
    used = list(references(given))
    own = given
    for reference in used:
        own = own.replace(reference, "")
    holds_default = any(":-" in reference for reference in used)
    scheme, is_url, rest = own.partition("://")
    if is_url and scheme.isalnum():
        password = rest.rpartition("@")[0].partition(":")[2]
        return not password and "?" not in rest and not (holds_default and "@" in rest)
    return bool(used) and not own and not holds_default


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
