"""Bring together what a configuration says of each entry: shorthands, the chosen profile, defaults.

An entry's own values count most, but for those of the profile, which is there to change them; what is left is given
by ``[defaults]``. A profile changes entries, and never adds or moves one: the order stands in one place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from middlewares.core.layer import is_self_checking
from middlewares.errors import ConfigError, Problem, did_you_mean
from middlewares.record import UNKNOWN, accepted
from middlewares.registry import BUILTIN

from .convert import TRUTH
from .costs import is_store_option
from .model import Entry, Setting, Spot
from .report import TableReport
from .resolve import quoted
from .shorthands import SHORTHANDS
from .substitution import Filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from .report import Report
    from .sections import Profile, Sections

__all__ = ("apply_defaults", "apply_profile", "as_truth", "chosen_profiles", "expand_shorthands", "name_stores")

_NAME = re.compile(r"[\w.-]+")
"""What may be the name of a store: anything else is a URL, perhaps a wrong one with a password in it."""


def expand_shorthands(sections: Sections, report: Report, fill: Callable[[Setting, str], Any]) -> None:
    """Put the entries that shorthands stand for outside of all others; what the file lists itself stays there."""
    listed = {entry.use for entry in sections.entries}
    made: list[Entry] = []
    for key, setting in sections.shorthands.items():
        problems = TableReport(report, Spot(setting.spot.document, ()))
        names = SHORTHANDS[key]
        for name, value in _wanted(setting, names, problems, key, fill):
            if name not in BUILTIN:
                problems.say(key, f"{key} needs {name!r}, which this version does not have")
            elif name not in listed:
                spot = setting.spot.below(name) if isinstance(setting.written, dict) else setting.spot
                table = value if isinstance(value, dict) else {}
                options = {option: Setting(given, spot.below(option), key) for option, given in table.items()}
                made.append(Entry(name, spot, 0, options=options, section=key))
    sections.entries[:0] = made


def _wanted(
    setting: Setting, names: tuple[str, ...], problems: TableReport, key: str, fill: Callable[[Setting, str], Any]
) -> list[tuple[str, Any]]:
    """Return the middlewares that a shorthand turns on, each with its table of options where it has one."""
    given = setting.written
    if not isinstance(given, dict):
        truth = _switch(setting, problems, key, f"{key} must be true or false, or a table of {', '.join(names)}", fill)
        return [(name, truth) for name in names if truth]
    for name in given.keys() - {*names}:
        problems.add(Problem(f"{key}.{name}", UNKNOWN, hint=did_you_mean(name, names)))
    found = []
    for name in names:
        switch = given.get(name, True)
        if not isinstance(switch, dict):
            one = Setting(switch, setting.spot.below(name))
            words = f"{name} must be true or false, or a table of options"
            switch = _switch(one, problems, f"{key}.{name}", words, fill)
        if switch is not False:
            found.append((name, switch))
    return found


def _switch(
    setting: Setting, problems: TableReport, option: str, words: str, fill: Callable[[Setting, str], Any]
) -> bool:
    """Return the boolean that a setting holds once it is filled in; false if it is none, which is reported."""
    before = len(problems.report.found)
    truth = as_truth(fill(setting, option))
    if truth is None and len(problems.report.found) == before:  # else enough has been said of it
        problems.say(option, words)
    return truth is True


def as_truth(value: Any) -> bool | None:
    """Return a boolean for what a file or a variable holds; ``None`` if it is none."""
    if isinstance(value, Filled):
        return TRUTH.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def chosen_profiles(sections: Sections, chosen: str | None, report: Report) -> list[str]:
    """Return the profiles that hold, those that others inherit from first; raises `ConfigError` for an unknown one."""
    known = sections.profiles
    if chosen is not None and chosen not in known:
        hint = did_you_mean(chosen, known) or (f"there are {', '.join(known)}" if known else "the file has none")
        raise ConfigError(f"{report.documents[0].name}: there is no profile {quoted(chosen)}; {hint}")
    for name, parts in known.items():
        _check_parents(name, parts, sections, report)
    return _ancestors(chosen, sections)[::-1]


def _parent(parts: list[Profile]) -> str | None:
    named = [part.inherits for part in parts if part.inherits is not None]
    return named[-1] if named else None


def _check_parents(name: str, parts: list[Profile], sections: Sections, report: Report) -> None:
    for part in parts:
        if part.inherits is None:
            continue
        problems = TableReport(report, part.spot, f"profile {name}")
        if part.inherits not in sections.profiles:
            hint = did_you_mean(part.inherits, sections.profiles)
            problems.say("inherits", f"there is no profile {quoted(part.inherits)}{'; ' if hint else ''}{hint or ''}")
        elif name in _ancestors(part.inherits, sections):
            problems.say("inherits", f"profile {quoted(name)} inherits from itself")


def _ancestors(name: str | None, sections: Sections) -> list[str]:
    found: list[str] = []
    while name is not None and name in sections.profiles and name not in found:
        found.append(name)
        name = _parent(sections.profiles[name])
    return found


def apply_profile(sections: Sections, chain: list[str], report: Report) -> None:
    """Let the profiles that hold change entries, defaults and stores; of the others the names are checked."""
    for name in sorted(sections.profiles, key=lambda name: chain.index(name) if name in chain else -1):
        for part in sections.profiles[name]:
            if name in chain:
                sections.defaults |= part.defaults
                sections.stores |= part.stores
            for change in part.changes:
                entry = _entry_for(change, sections, TableReport(report, part.spot, f"profile {name}"))
                if entry is None:
                    continue
                if name in chain:
                    _apply(change, entry)
                else:
                    entry.others.append(change)


def _entry_for(change: Entry, sections: Sections, problems: TableReport) -> Entry | None:
    """Return the entry that a profile means."""
    label = change.label
    labels = [entry.label for entry in sections.entries if entry.label]
    found = [entry for entry in sections.entries if entry.label == label]
    if len(found) == 1:
        return found[0]
    spot = problems.spot.below("middleware", label)
    if found:
        words = f"means {len(found)} entries: give each of them an id"
    else:
        hint = did_you_mean(label, labels)
        words = f"there is no entry {quoted(label)}{'; ' if hint else ''}{hint or ''}"
    problems.report.note(spot.document, spot.key, words, owner=problems.owner)
    return None


def _apply(change: Entry, entry: Entry) -> None:
    replaced = Entry(entry.use, entry.spot, 0)
    replaced.options = {name: entry.options[name] for name in change.options.keys() & entry.options.keys()}
    replaced.enabled_setting = entry.enabled_setting if change.enabled_setting is not None else None
    if change.when_setting is not None:
        replaced.when_setting, replaced.when = entry.when_setting, entry.when
    entry.others.append(replaced)
    entry.options |= change.options
    entry.enabled_setting = change.enabled_setting or entry.enabled_setting
    if change.when_setting is not None:
        entry.when_setting, entry.when = change.when_setting, change.when


def apply_defaults(sections: Sections) -> None:
    """Give each default to the entries that take such an option and do not set it."""
    for entry in sections.entries:
        names = accepted(entry.cls).names if entry.cls is not None else ()
        for name in names:
            setting = sections.defaults.get(name)
            if setting is not None and name not in entry.options:
                entry.options[name] = Setting(setting.written, setting.spot, setting.section)


def name_stores(entry: Entry, sections: Sections, problems: TableReport, fill: Callable[[Setting, str], Any]) -> None:
    """Put the URL of a store in the place of its name under ``[stores]``."""
    for option, setting in entry.options.items():
        value = setting.value
        if not is_store_option(option) or not isinstance(value, str) or not _NAME.fullmatch(value):
            continue
        named = sections.stores.get(value)
        if named is not None:
            problems.places[option] = named.spot
            url = fill(named, option)
            setting.value = str(url) if type(url) is Filled else url
            setting.named = named
            setting.inputs += named.inputs
            setting.is_secret = setting.is_secret or named.is_secret
        elif sections.stores and is_self_checking(entry.cls):
            hint = did_you_mean(value, sections.stores)
            problems.say(option, f"{option} names no store under [stores]: {value!r}{'; ' if hint else ''}{hint or ''}")
            problems.silenced.add(option)
