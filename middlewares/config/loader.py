"""Build a `Stack` from a configuration file, or report everything that is wrong with it at once.

The constructor of each middleware is the only declaration of its options: a problem that it finds is reported here
at the place in the file where the option stands.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from middlewares.core.layer import is_self_checking
from middlewares.errors import OptionError, OptionErrors, Problem, did_you_mean
from middlewares.record import CLASS, UNKNOWN, Middleware, accepted
from middlewares.stack import Stack
from middlewares.when import Conditional, When

from .convert import convert
from .costs import is_store_option
from .declared import option_hints
from .merging import (
    apply_defaults,
    apply_profile,
    as_truth,
    chosen_profiles,
    expand_shorthands,
    name_stores,
)
from .model import Configuration, Entry, Setting
from .report import Report, TableReport
from .resolve import Unresolved, describe_error, resolve_middleware
from .sections import ENTRY_KEYS, MATCHERS, Sections, read_sections
from .substitution import Input, Secret, Substitution
from .unused import check_unused_changes, check_unused_defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from middlewares.asgi import ASGIApp

    from .positions import Path

__all__ = ("PROFILE_VARIABLE", "Loading", "from_config", "load", "load_middleware")

PROFILE_VARIABLE = "MIDDLEWARES_PROFILE"
"""The environment variable that chooses a profile where none is named."""

_NOT_OPTIONS = ("app", "cls", "self")
"""Names that a Python call takes for something else, so that they cannot be handed on as options."""


def from_config(path: str | os.PathLike[str], *, profile: str | None = None) -> Stack:
    """Return the stack that a TOML, YAML or JSON file describes: its entries in order, the first is outermost.

    ::

        [[middleware]]
        use = "gzip"                       # a built-in name, or "package.module:Class"
        enabled = true                     # false: checked, but left out; optional
        when = { paths = ["/api/*"] }      # the matchers of `When`; optional
        minimum_size = 1000                # all other keys are options of the middleware

    ``profile`` chooses one of the file's profiles; without it the variable ``MIDDLEWARES_PROFILE`` does.
    Raises `ConfigError` with every problem of the file, one per line, as ``file:line:column: what is wrong``.
    Entries are counted from 1: ``middleware[2]`` is the second table.
    """
    return load(path, profile=profile).stack


def load_middleware(path: str | os.PathLike[str], *, profile: str | None = None) -> list[Middleware]:
    """Return the entries of a file for ``Starlette(middleware=…)`` and ``FastAPI(middleware=…)``; see `from_config`."""
    return list(from_config(path, profile=profile))


def load(
    path: str | os.PathLike[str], *, profile: str | None = None, environment: Mapping[str, str] | None = None
) -> Configuration:
    """Return what a file describes, with where every value comes from; raises `ConfigError`, see `from_config`.

    ``environment`` is what variables are looked up in, if it is not the process's own.
    """
    return Loading(path, profile, environment).configuration()


class Loading:
    """One reading of a configuration; the arguments are those of `load`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        profile: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if environment is None else environment
        self.path = path
        self.profile = profile or environment.get(PROFILE_VARIABLE) or None
        self.substitution = Substitution(environment)
        self.report = Report(secrets=self.substitution.secrets)

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that was read so far, or should have been."""
        return tuple(dict.fromkeys((os.fsdecode(self.path), *self.report.files, *sorted(self.substitution.files))))

    @property
    def secrets(self) -> frozenset[str]:
        """What nobody is to see of what was read so far."""
        return frozenset(self.substitution.secrets)

    def configuration(self) -> Configuration:
        """Return what the file describes; raises `ConfigError`, see `from_config`."""
        sections = read_sections(self.path, self.report)
        chain = chosen_profiles(sections, self.profile, self.report)
        reports = self._prepare(sections, chain)
        for entry, problems in reports:
            self._build(entry, sections, problems)
        self.report.raise_if_any()
        return Configuration(
            path=os.fsdecode(self.path),
            profile=self.profile,
            profiles=tuple(sections.profiles),
            documents=tuple(sections.documents),
            entries=tuple(sections.entries),
            stack=Stack(*(entry.record for entry in sections.entries if entry.enabled and entry.record is not None)),
            secret_files=tuple(sorted(self.substitution.files)),
            secrets=self.secrets,
        )

    def _prepare(self, sections: Sections, chain: list[str]) -> list[tuple[Entry, TableReport]]:
        """Bring together what is said of each entry, and return it with the report of its problems."""
        expand_shorthands(sections, self.report, self._fill_alone)
        apply_profile(sections, chain, self.report)
        reports = []
        for entry in sections.entries:
            owner = f"middleware[{entry.number}]" if entry.number else entry.section
            problems = TableReport(self.report, entry.spot, owner, also_known=ENTRY_KEYS)
            _resolve(entry, problems)
            reports.append((entry, problems))
        apply_defaults(sections)
        check_unused_defaults(sections, self.report)
        return reports

    def _build(self, entry: Entry, sections: Sections, problems: TableReport) -> None:
        """Make the record of an entry, unless something about it is not right."""
        self._fill_switch(entry, problems)
        matchers = self._matchers(entry, problems)
        if entry.cls is None:
            return
        problems.places |= {name: setting.spot for name, setting in entry.options.items()}
        self._fill_options(entry, problems)
        name_stores(entry, sections, problems, self._fill_alone)
        options = {name: setting.value for name, setting in entry.options.items() if name not in _NOT_OPTIONS}
        for name in entry.options.keys() & {*_NOT_OPTIONS}:
            problems.add(Problem(name, UNKNOWN))
        check_unused_changes(entry, problems.owner, self.report)
        layer = self._attempt(problems, lambda: Middleware(entry.cls, **options))
        if layer is not None and matchers is not None:
            unconditional = layer
            layer = self._attempt(problems, lambda: When(unconditional, **matchers))
        entry.record = layer if problems.is_clean else None

    def _fill_switch(self, entry: Entry, problems: TableReport) -> None:
        setting = entry.enabled_setting
        if setting is None:
            return
        problems.places["enabled"] = setting.spot
        value = self._fill(setting, "enabled", problems)
        truth = as_truth(value)
        checked = OptionErrors(problems.owner)
        checked.check(truth is not None, "enabled", "must be true or false", value)
        for problem in checked.found:
            problems.add(problem)
        setting.value = entry.enabled = truth is not False

    def _matchers(self, entry: Entry, problems: TableReport) -> dict[str, Any] | None:
        """Return the matchers of an entry; ``None`` if it has none, or if they are not right."""
        if entry.when_setting is None:
            return None
        spot = problems.places["when"] = entry.when_setting.spot
        if not entry.when:
            problems.add(Problem("when", f"must hold at least one of {', '.join(MATCHERS)}"))
            return None
        known: dict[str, Any] = {}
        for name, setting in entry.when.items():
            problems.places[f"when.{name}"] = setting.spot
            if name in MATCHERS:
                self._fill(setting, f"when.{name}", problems)
                setting.value = convert(setting.value, option_hints(Conditional)[name], _ignore)
                known[name] = setting.value
            else:
                problems.places[f"when.{name}"] = spot.below(name)
                problems.add(Problem(f"when.{name}", UNKNOWN, hint=did_you_mean(name, MATCHERS)))
        if not known or any(f"when.{name}" in problems.silenced for name in known):
            return None
        # On a layer that does nothing, since the matchers are to be checked even where the middleware is not right.
        checked = self._attempt(problems, lambda: When(_unchanged, **known), prefix="when.")
        return None if checked is None else known

    def _fill_options(self, entry: Entry, problems: TableReport) -> None:
        hints, taken = option_hints(entry.cls), accepted(entry.cls)
        for name, setting in entry.options.items():
            # Of the URL of a store only a password is secret, and that is seen by itself.
            setting.is_secret = taken.is_secret(name) and not is_store_option(name)
            # Classes that are not ours say of nothing what is secret: inside of their tables the names of keys tell.
            self._fill(setting, name, problems, None if is_self_checking(entry.cls) else taken.is_secret)
            noted = _Noted(problems, name)
            setting.value = convert(setting.value, hints.get(name, Any), noted)
            problems.silenced |= noted.options

    def _fill(
        self, setting: Setting, option: str, problems: TableReport, names: Callable[[str], bool] | None = None
    ) -> Any:
        """Fill in a setting; an option with something missing is not judged further."""
        noted = _Noted(problems, option)
        inputs: list[Input] = []
        folder = setting.spot.document.folder
        setting.value = self.substitution.fill(
            setting.written, folder, noted, inputs, is_secret=setting.is_secret, names=names
        )
        setting.inputs = tuple(inputs)
        setting.is_secret = setting.is_secret or _holds_secret(setting.value)
        problems.silenced |= noted.options
        return setting.value

    def _fill_alone(self, setting: Setting, option: str) -> Any:
        """Fill in a setting that belongs to no entry."""
        return self._fill(setting, option, TableReport(self.report, setting.spot, places={option: setting.spot}))

    def _attempt(self, problems: TableReport, build: Callable[[], Middleware], prefix: str = "") -> Middleware | None:
        """Return the record that ``build`` makes, or note why it cannot be made."""
        try:
            return build()
        except OptionError as error:
            for problem in error.problems:
                if problem.option == CLASS and problem.rule != UNKNOWN:
                    problems.say("use", str(problem))
                else:
                    problems.add(replace(problem, option=prefix + problem.option))
        except Exception as error:  # noqa: BLE001 - constructors that are not ours may raise anything
            problems.say("use", f"cannot be built: {describe_error(error, self.report.blotted)}")
        return None


class _Noted:
    """Notes problems of one option, and that there were any."""

    def __init__(self, problems: TableReport, option: str) -> None:
        self.problems = problems
        self.option = option
        self.options: set[str] = set()

    def __call__(self, path: Path, words: str) -> None:
        self.options.add(self.option)
        spot = self.problems.spot_of(self.option).below(*path)
        shown = self.option + "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
        self.problems.is_clean = False
        self.problems.report.note(spot.document, spot.value, f"{shown} {words}", owner=self.problems.owner)


def _resolve(entry: Entry, problems: TableReport) -> None:
    """Find the middleware of an entry."""
    if entry.use is None:
        return
    try:
        entry.cls = resolve_middleware(entry.use)
    except Unresolved as error:
        problems.say("use", str(error))
    else:
        problems.owner += f" ({entry.id or entry.use})"


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_secret, value.values()))
    if isinstance(value, list):
        return any(map(_holds_secret, value))
    return isinstance(value, Secret)


def _ignore(_path: Path, _words: str) -> None:
    """Take no callables: matchers name none."""


def _unchanged(app: ASGIApp) -> ASGIApp:
    return app
