"""Fill variables and secret files into the text of values: ``${VAR}``, ``${VAR:-default}``, ``${file:/path}``.

This happens after the file was read, in values only, so that what is filled in can add neither keys nor structure.
``$$`` stands for a dollar sign, ``${null}`` for the value that TOML has no word for. A ``$`` that nothing of this
follows is itself.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .positions import Path

__all__ = (
    "MAX_FILLED",
    "MAX_SECRET_BYTES",
    "Filled",
    "Input",
    "Secret",
    "Substitution",
    "holds_password",
    "holds_secret_default",
    "literal",
    "looks_secret",
    "references",
)

MAX_SECRET_BYTES: Final = 64 * 1024
"""The largest file that ``${file:…}`` reads."""

MAX_FILLED: Final = 1024 * 1024
"""Characters that may be filled into one configuration."""

_NULL: Final = "${null}"
_REFERENCE = re.compile(r"\$(?:\$|\{(?P<body>[^}]*)(?P<end>\}?))")
_VARIABLE = re.compile(r"(?s)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?")
_FILE: Final = "file:"
_SECRET_NAME = re.compile(r"secret|passw|passphrase|token|credential|\bdsn\b|_dsn|_key$|^key$|_pwd", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^\s/@]*:[^\s@]+@|://\S*[?&]\w*(?:passw|secret|token)\w*=", re.IGNORECASE)
"""RFC 3986, 3.2.1: a password in a URL, or one in its query."""
_FORM: Final = "write ${NAME}, ${NAME:-default} or ${file:/path}, and $$ for a dollar sign"


class Filled(str):
    """Text that something was filled into, so that it may become a number where an option takes one."""

    __slots__ = ()


class Secret(Filled):
    """Text that nobody is to see: it shows itself as ``…``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


@dataclass(frozen=True, slots=True)
class Input:
    """Where a value came from that was filled in."""

    kind: str
    """``variable``, ``file`` or ``default``: the one behind ``:-``, of a variable that is not set."""
    name: str

    def __str__(self) -> str:
        return {"variable": f"${self.name}", "file": f"file {self.name}", "default": f"default of ${self.name}"}[
            self.kind
        ]


@dataclass(slots=True)
class Substitution:
    """Fills what the environment and files hold into the values of one configuration."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    files: set[str] = field(default_factory=set)
    """The secret files that were read, or should have been."""
    secrets: set[str] = field(default_factory=set, repr=False)
    """What may not be shown."""
    _size: int = field(default=0, repr=False)
    """How much was filled in."""
    _texts: dict[FilePath, str] = field(default_factory=dict, repr=False)
    """What the secret files held: each is read once, so that all of its uses agree."""

    def fill(
        self,
        value: Any,
        folder: FilePath,
        note: Callable[[Path, str], None],
        inputs: list[Input],
        *,
        is_secret: bool = False,
        names: Callable[[str], bool] | None = None,
        path: Path = (),
    ) -> Any:
        """Return ``value`` with its text filled in, also that in lists and tables.

        ``folder`` is where relative paths start; ``note`` is told what is wrong, and where in the value;
        ``inputs`` is extended by what was used. All text of a secret option is kept as a secret, and that under
        keys inside the value that are, by ``names``, those of secrets.
        """
        if isinstance(value, dict):
            return {
                key: self.fill(
                    inner,
                    folder,
                    note,
                    inputs,
                    is_secret=is_secret or (names is not None and names(key)),
                    names=names,
                    path=(*path, key),
                )
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [
                self.fill(inner, folder, note, inputs, is_secret=is_secret, names=names, path=(*path, index))
                for index, inner in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        if value == _NULL:
            return None
        return self._text(value, folder, lambda words: note(path, words), inputs, is_secret=is_secret)

    def _text(
        self, text: str, folder: FilePath, note: Callable[[str], None], inputs: list[Input], *, is_secret: bool
    ) -> str:
        used: list[Input] = []

        def replace(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            if not match["end"]:
                note(f"has a '${{' without its end; {_FORM}")
                return ""
            return self._referred(match["body"], folder, note, used)

        filled = _REFERENCE.sub(replace, text) if "$" in text else text
        inputs += used
        self._size += len(filled) if used else 0
        if self._size > MAX_FILLED:
            note(f"makes the file more than {MAX_FILLED // 1024} KiB larger by what is filled in")
            return Secret()
        if is_secret or holds_password(filled) or any(one.kind == "file" or looks_secret(one.name) for one in used):
            self.secrets |= _secret_parts(filled)
            return Secret(filled)
        return Filled(filled) if used else filled

    def _referred(self, body: str, folder: FilePath, note: Callable[[str], None], used: list[Input]) -> str:
        """Return what a reference stands for; empty if that cannot be had."""
        if body.startswith(_FILE):
            used.append(Input("file", body.removeprefix(_FILE)))
            return self._from_file(body.removeprefix(_FILE), folder, note)
        match = _VARIABLE.fullmatch(body)
        if match is not None and "${" in body:
            note(f"must not hold a reference inside of {_shortened('${' + match['name'] + ':-')!r}; {_FORM}")
            return ""
        if match is None:
            note(f"must not hold {_shortened('${' + body + '}')!r}; {_FORM}")
            return ""
        name, default = match["name"], match["default"]
        found = self.environment.get(name)
        if default is not None and not found:
            used.append(Input("default", name))
            return default.replace("$$", "$")
        used.append(Input("variable", name))
        if found is None:
            note(f"needs the variable {name}, which is not set; set it, or write ${{{name}:-default}}")
            return ""
        if not _is_unicode(found):
            note(f"needs the variable {name}, which is not UTF-8")
            return ""
        if looks_secret(name):
            self.secrets.add(found)
        return found

    def _from_file(self, name: str, folder: FilePath, note: Callable[[str], None]) -> str:
        path = folder / name
        self.files.add(str(path))
        if path in self._texts:
            return self._texts[path]
        try:
            text = _read(path).decode()
        except UnicodeDecodeError:
            note(f"needs the file {_shortened(name)!r}, which is not UTF-8")
            return ""
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            note(f"needs the file {_shortened(name)!r}, which cannot be read: {reason}")
            return ""
        text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        self.secrets.add(text)
        self._texts[path] = text
        return text


def looks_secret(name: str) -> bool:
    """Return whether a variable is, by its name, likely to hold a secret."""
    return _SECRET_NAME.search(name) is not None


def holds_password(text: str) -> bool:
    """Return whether a text is a URL with a password in it."""
    return _PASSWORD.search(text) is not None


def literal(text: str) -> str:
    """Return what of a text stands in the file itself: in the place of each reference its default, or nothing."""
    return _REFERENCE.sub(lambda match: "$" if match[0] == "$$" else _parts(match)[1], text)


def holds_secret_default(text: str) -> bool:
    """Return whether a text gives a default to a variable that is, by its name, likely to hold a secret."""
    found = (_parts(match) for match in _REFERENCE.finditer(text) if match[0] != "$$")
    return any(default and looks_secret(name) for name, default in found)


def _parts(match: re.Match[str]) -> tuple[str, str]:
    """Return the name and the default of a reference, both empty where it is not of a variable."""
    variable = _VARIABLE.fullmatch(match["body"])
    return ("", "") if variable is None else (variable["name"], variable["default"] or "")


def references(value: Any) -> Iterator[str]:
    """Yield each reference in a value as it is written, such as ``${PORT}``."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
    elif isinstance(value, str):
        yield from (match[0] for match in _REFERENCE.finditer(value) if match[0] != "$$")


def _is_unicode(text: str) -> bool:
    """Return whether text from the environment is what it seems: bytes that are no UTF-8 are half characters there."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _secret_parts(text: str) -> set[str]:
    """Return what is secret in a secret text, in the forms in which somebody may repeat it.

    Of a URL it is what stands before the host and in the query: what is told of stores names their schemes.
    """
    scheme, _, rest = text.partition("://")
    if not rest or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return {text}
    rest, _, query = rest.partition("?")
    credentials = rest.rpartition("@")[0]
    values = [pair.partition("=")[2] for pair in re.split("[&#]", query)]
    parts = {credentials, credentials.partition(":")[2], *values}
    return parts | {unquote(part) for part in parts}


def _read(path: FilePath) -> bytes:
    """Return the content of a regular file of at most `MAX_SECRET_BYTES`; raises `OSError` and `ValueError`."""
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep us waiting, a device has no end
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"it is larger than {MAX_SECRET_BYTES // 1024} KiB")
    return content


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
