"""Check what a configuration says and does not use: profiles that are not chosen, and what others say instead.

Only names and types are checked, and of text only what nothing is filled into: the variables, files and modules of
another profile may well be missing here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_origin

from middlewares.core.layer import is_self_checking
from middlewares.core.options import describe, is_collection_type, is_mapping_type, matches, option_fields, option_types
from middlewares.errors import OptionErrors, Problem, did_you_mean
from middlewares.record import UNKNOWN, accepted
from middlewares.when import Conditional

from .convert import WRITTEN, choices, convert, takes_callable
from .report import TableReport
from .resolve import quoted
from .sections import MATCHERS
from .substitution import references

if TYPE_CHECKING:
    from .model import Entry, Setting
    from .report import Report
    from .sections import Sections

__all__ = ("check_unused_changes", "check_unused_defaults")


def check_unused_changes(entry: Entry, owner: str, report: Report) -> None:
    """Check what is said of an entry, and not so here."""
    taken = accepted(entry.cls)
    for change in entry.others:
        for name, setting in change.options.items():
            table = _table(report, entry, owner, name, setting)
            if name in taken.names:
                _add(table, _type_problems(entry.cls, name, setting))
            elif not taken.any_name:
                table.add(Problem(name, UNKNOWN, hint=did_you_mean(name, taken.names)))
        if change.enabled_setting is not None:
            _check_switch(_table(report, entry, owner, "enabled", change.enabled_setting), change.enabled_setting)
        if change.when_setting is not None:
            _check_matchers(_table(report, entry, owner, "when", change.when_setting), change.when)


def check_unused_defaults(sections: Sections, report: Report) -> None:
    """Check the names of all defaults, and the types of those that no entry goes by."""
    classes = [entry.cls for entry in sections.entries if entry.cls is not None]
    is_complete = len(classes) == len(sections.entries)
    known = {name for cls in classes for name in accepted(cls).names}
    used = {(setting.spot.document.name, setting.spot.path) for entry in sections.entries for setting in _all(entry)}
    for name, setting in sections.all_defaults:
        takers = [cls for cls in classes if name in accepted(cls).names]
        table = TableReport(report, setting.spot, setting.section, places={name: setting.spot})
        if not takers:
            if is_complete and setting.spot.document is sections.documents[-1]:
                hint = did_you_mean(name, known)
                words = f"unknown option {quoted(name)}: no entry takes it{'; ' if hint else ''}{hint or ''}"
                report.note(setting.spot.document, setting.spot.key, words, owner=setting.section)
        elif (setting.spot.document.name, setting.spot.path) not in used:
            problems = [_type_problems(cls, name, setting) for cls in takers]
            if all(problems):
                _add(table, problems[0])


def _all(entry: Entry) -> list[Setting]:
    return [*entry.options.values()]


def _table(report: Report, entry: Entry, owner: str, name: str, setting: Setting) -> TableReport:
    shown = f"{setting.section} ({entry.label})" if setting.section else owner
    return TableReport(report, setting.spot, shown, places={name: setting.spot})


def _add(table: TableReport, problems: list[Problem]) -> None:
    for problem in problems:
        table.add(problem)


def _type_problems(cls: Any, name: str, setting: Setting) -> list[Problem]:
    """Return what the type of a value that is not used has against it; foreign classes say nothing of types."""
    if not is_self_checking(cls) or any(references(setting.written)):
        return []
    hint = option_types(cls)[name]
    if "Callable" in str(hint) and any(":" in text for text in _texts(setting.written)):
        return []  # to find it would be to import it
    [field] = [field for field in option_fields(cls) if field.name == name]
    problems = OptionErrors(cls)
    value = convert(setting.written, hint, _ignore)
    if not any(matches(value, choice) for choice in choices(hint) if _is_written(choice)):
        problems.add(field.name, f"must be {describe(hint)}", value)
    return problems.found


def _is_written(hint: Any) -> bool:
    """Return whether a file can hold what an annotation asks for, and not code alone, such as a store."""
    origin = get_origin(hint) or hint
    is_class = isinstance(origin, type) and not dataclasses.is_dataclass(origin)
    known = origin in WRITTEN or is_collection_type(hint) or is_mapping_type(hint) or takes_callable(hint)
    return known or not is_class


def _texts(value: Any) -> list[str]:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return [text for one in inner for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _check_switch(table: TableReport, setting: Setting) -> None:
    checked = OptionErrors(table.owner)
    fits = isinstance(setting.written, bool) or any(references(setting.written))
    checked.check(fits, "enabled", "must be true or false", setting.written)
    _add(table, checked.found)


def _check_matchers(table: TableReport, matchers: dict[str, Setting]) -> None:
    if not matchers:
        table.add(Problem("when", f"must hold at least one of {', '.join(MATCHERS)}"))
    for name, setting in matchers.items():
        table.places[f"when.{name}"] = setting.spot
        if name in MATCHERS:
            problems = _type_problems(Conditional, name, setting)
            _add(table, [Problem(f"when.{name}", one.rule, one.value, one.hint) for one in problems])
        else:
            table.add(Problem(f"when.{name}", UNKNOWN, hint=did_you_mean(name, MATCHERS)))


def _ignore(_path: object, _words: str) -> None:
    """Take no callables: what names one is not looked at."""
