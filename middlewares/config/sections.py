"""Take a file and those that it includes apart: entries, defaults, stores, profiles.

Nothing is filled in and no middleware is looked up here; what has the wrong shape is reported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from middlewares.errors import ConfigError, OptionErrors, Problem, did_you_mean
from middlewares.record import REQUIRED, UNKNOWN
from middlewares.registry import BUILTIN

from .document import Document, read_document
from .model import Entry, Setting, Spot
from .report import TableReport
from .shorthands import SHORTHANDS

if TYPE_CHECKING:
    from .report import Report

__all__ = (
    "ENTRY_KEYS",
    "MATCHERS",
    "MOST_FILES",
    "OPTIONS",
    "PROFILE_KEYS",
    "TOP_KEYS",
    "Profile",
    "Sections",
    "read_sections",
)

SECTION = "middleware"
OPTIONS = "options"
ENTRY_KEYS = ("use", "id", "enabled", "when", OPTIONS)
"""What every entry knows; all other keys are options, and so are those in the table ``options``."""
MATCHERS = ("paths", "exclude_paths", "methods", "hosts")
PROFILE_KEYS = ("inherits", "defaults", "stores", SECTION)
TOP_KEYS = (SECTION, "defaults", "stores", "profile", "include", *SHORTHANDS)
_SCHEMA_KEY = "$schema"
"""By which editors find the schema of a JSON or YAML file."""
MOST_FILES = 32
MOST_ENTRIES = 256
"""Entries of all files together, and profiles, and stores."""


@dataclass(slots=True)
class Profile:
    """What one file says of one profile."""

    name: str
    spot: Spot
    inherits: str | None = None
    defaults: dict[str, Setting] = field(default_factory=dict)
    stores: dict[str, Setting] = field(default_factory=dict)
    changes: list[Entry] = field(default_factory=list)
    """What it gives to the entry of that name; here ``use`` is the name."""


@dataclass(slots=True)
class Sections:
    """The parts of a file and of those that it includes, in the order in which they count."""

    documents: list[Document] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    defaults: dict[str, Setting] = field(default_factory=dict)
    stores: dict[str, Setting] = field(default_factory=dict)
    profiles: dict[str, list[Profile]] = field(default_factory=dict)
    shorthands: dict[str, Setting] = field(default_factory=dict)
    all_defaults: list[tuple[str, Setting]] = field(default_factory=list)
    """Those of every file and every profile, whether they take effect or not."""


def read_sections(path: str | os.PathLike[str], report: Report) -> Sections:
    """Read a file and those that it includes; raises `ConfigError` if the file itself cannot be read."""
    sections = Sections()
    _Reader(report, sections).read(read_document(path), [])
    if not any(SECTION in document.data or _has_shorthand(document) for document in sections.documents):
        # The file may have been cut short, and a stack without its guards must not start as if all were well.
        document = sections.documents[-1]
        is_toml = document.format == "TOML"
        missing = f"{document.table(SECTION)} table" if is_toml else f"key {SECTION!r}"
        words = f"there is no {missing}; write {document.empty(SECTION)} if none is meant"
        TableReport(report, Spot(document, ())).say(SECTION, words)
    return sections


def _has_shorthand(document: Document) -> bool:
    return bool(SHORTHANDS.keys() & document.data.keys())


class _Reader:
    """Reads one file after the other."""

    def __init__(self, report: Report, sections: Sections) -> None:
        self.report = report
        self.sections = sections
        self.known: set[str] = set()
        """The real paths of the files that have been read."""

    def read(self, document: Document, chain: list[str]) -> None:
        """Read what a file includes, then the file itself."""
        self.report.documents.append(document)
        real = os.path.realpath(document.name)
        self.known.add(real)
        top = TableReport(self.report, Spot(document, ()))
        for key in document.data.keys() - {*TOP_KEYS, _SCHEMA_KEY}:
            top.add(Problem(key, UNKNOWN, hint=did_you_mean(key, TOP_KEYS)))
        for spot, name in self._includes(top, document):
            self._include(spot, name, [*chain, real])
        self.sections.documents.append(document)
        for index, table in enumerate(_tables(top, document)):
            if len(self.sections.entries) >= MOST_ENTRIES:
                self._say(Spot(document, (SECTION, index)), f"{SECTION}: more than {MOST_ENTRIES} entries")
                break
            self._entry(Spot(document, (SECTION, index)), index, table)
        self.sections.defaults |= self._defaults(top, "defaults")
        self.sections.stores |= self._stores(top, "stores")
        for name in SHORTHANDS.keys() & document.data.keys():
            self.sections.shorthands[name] = Setting(document.data[name], Spot(document, (name,)), name)
        for name, table in _table(top, "profile").items():
            if len(self.sections.profiles) >= MOST_ENTRIES:
                self._say(Spot(document, ("profile", name)), f"profile: more than {MOST_ENTRIES} profiles")
                break
            self._profile(Spot(document, ("profile", name)), name, table)

    def _includes(self, top: TableReport, document: Document) -> list[tuple[Spot, str]]:
        given = document.data.get("include", [])
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            top.say("include", "include must be a file name, or a list of them")
            return []
        spot = Spot(document, ("include",))
        return [(spot if given is not names else spot.below(index), name) for index, name in enumerate(names)]

    def _include(self, spot: Spot, name: str, chain: list[str]) -> None:
        path = str(spot.document.folder / name)
        real = os.path.realpath(path)
        if real in chain:
            self._say(spot, f"include: {name!r} includes this file, so neither can be read first")
        elif real in self.known:
            return  # by another way; its entries stand there once
        elif len(self.known) >= MOST_FILES:
            self._say(spot, f"include: more than {MOST_FILES} files")
        else:
            self.report.files.append(path)
            try:
                document = read_document(path)
            except ConfigError as error:
                self._not_read(spot, path, error)
            else:
                self.read(document, chain)

    def _not_read(self, spot: Spot, path: str, error: ConfigError) -> None:
        prefix = f"{path}: "
        if len(error.problems) == 1 and error.problems[0].startswith(prefix):
            self._say(spot, f"include: {error}")
        else:
            self.report.quote(spot.document, error.problems)

    def _say(self, spot: Spot, words: str) -> None:
        self.report.note(spot.document, spot.value, words)

    def _entry(self, spot: Spot, index: int, table: dict[str, Any]) -> None:
        problems = TableReport(self.report, spot, f"{SECTION}[{index + 1}]")
        entry = _parse_entry(problems, table, index + 1)
        if "use" not in table:
            problems.add(Problem("use", REQUIRED))
        self.sections.entries.append(entry)

    def _defaults(self, problems: TableReport, section: str) -> dict[str, Setting]:
        found = _settings(problems, "defaults", section)
        self.sections.all_defaults += found.items()
        return found

    def _stores(self, problems: TableReport, section: str) -> dict[str, Setting]:
        """Return the stores of a file or a profile, which are to be text, whether an entry names them or not."""
        found = _settings(problems, "stores", section)
        if len(found) > MOST_ENTRIES:
            problems.say("stores", f"stores: more than {MOST_ENTRIES} stores")
            return {}
        for name, setting in found.items():
            if not isinstance(setting.written, str):
                option = f"stores.{name}"
                problems.places[option] = setting.spot
                problems.say(option, f"{option} must be a string, the URL of a store")
        return found

    def _profile(self, spot: Spot, name: str, table: Any) -> None:
        problems = TableReport(self.report, spot, f"profile {name}", also_known=PROFILE_KEYS)
        if not isinstance(table, dict):
            problems.spot = Spot(spot.document, spot.path[:-1])
            problems.say(name, f"must be a table of {', '.join(PROFILE_KEYS)}")
            return
        for key in table.keys() - {*PROFILE_KEYS}:
            problems.add(Problem(key, UNKNOWN))
        section = f"profile {name}"
        profile = Profile(name, spot)
        profile.inherits = _get(problems, table, "inherits", str, "the name of a profile")
        profile.defaults = self._defaults(problems, section)
        profile.stores = self._stores(problems, section)
        for label, change in _table(problems, SECTION).items():
            place = spot.below(SECTION, label)
            if not isinstance(change, dict):
                problems.say(f"{SECTION}.{label}", f"{SECTION}.{label} must be a table of what is changed")
                continue
            changes = TableReport(self.report, place, f"profile {name} ({label})")
            for key in ("use", "id"):
                if key in change:
                    changes.add(Problem(key, UNKNOWN))
            without = {key: value for key, value in change.items() if key not in ("use", "id")}
            changed = _parse_entry(changes, without, 0, section)
            changed.use = label
            profile.changes.append(changed)
        self.sections.profiles.setdefault(name, []).append(profile)


def _parse_entry(problems: TableReport, table: dict[str, Any], number: int, section: str = "") -> Entry:
    """Return the entry of a table as far as its shape is right."""
    spot = problems.spot
    entry = Entry(_get(problems, table, "use", str, "a string"), spot, number)
    entry.id = _get(problems, table, "id", str, "a string")
    if entry.id in BUILTIN and entry.id != entry.use:
        # Profiles know entries by both, and so do readers.
        problems.say("id", f"id must not be the name of another middleware; got {entry.id!r}")
    if "enabled" in table:
        entry.enabled_setting = Setting(table["enabled"], spot.below("enabled"), section)
    when = _get(problems, table, "when", dict, f"a table of {', '.join(MATCHERS)}")
    if when is not None:
        entry.when_setting = Setting(when, spot.below("when"), section)
        entry.when = {name: Setting(value, spot.below("when", name), section) for name, value in when.items()}
    entry.options = {
        name: Setting(value, spot.below(name), section) for name, value in table.items() if name not in ENTRY_KEYS
    }
    inner = _get(problems, table, OPTIONS, dict, "a table of options") or {}
    for name, value in inner.items():
        if name in entry.options:
            problems.say(f"{OPTIONS}.{name}", f"{name} is given twice")
        entry.options[name] = Setting(value, spot.below(OPTIONS, name), section)
    return entry


def _tables(top: TableReport, document: Document) -> list[dict[str, Any]]:
    """Return the tables of the entries of a file."""
    tables = document.data.get(SECTION, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        top.say(SECTION, f"{SECTION} must be an array of tables: write {document.table(SECTION)}")
        return []
    return tables


def _settings(problems: TableReport, key: str, section: str) -> dict[str, Setting]:
    spot = problems.spot
    return {name: Setting(value, spot.below(key, name), section) for name, value in _table(problems, key).items()}


def _table(problems: TableReport, key: str) -> dict[str, Any]:
    """Return a table inside a table; empty if there is none, or something else in its place."""
    table: Any = problems.spot.document.data
    for part in problems.spot.path:
        table = table[part]
    found = table.get(key, {})
    if isinstance(found, dict):
        return found
    problems.say(key, f"{key} must be a table")
    return {}


def _get(problems: TableReport, table: dict[str, Any], key: str, kind: type, words: str) -> Any:
    """Return the value of a key; ``None`` if there is none, or one of the wrong type."""
    if key not in table:
        return None
    checked = OptionErrors(problems.owner)
    if checked.check(isinstance(table[key], kind), key, f"must be {words}", table[key]):
        return table[key]
    problems.add(*checked.found)
    return None
