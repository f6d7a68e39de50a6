"""The report of ``middlewares lint`` as a table to read, as JSON, and as SARIF for code scanning.

Standard: SARIF 2.1.0 (OASIS), with what GitHub asks for besides.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from middlewares import __version__
from middlewares.testing.probes.report import ALL_RULES

from .common import aligned

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewares.testing.probes import Merged, Report

__all__ = ("Subject", "render")

_SITE = "https://middlewares.readthedocs.io/"
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Subject:
    """What was checked, and where its source is."""

    name: str
    """As it was named: ``shop:app``."""
    file: str | None
    """The file of its module."""
    line: int
    config: str | None

    @classmethod
    def of(cls, name: str, app: Any, config: str | None) -> Subject:
        """Look where an application comes from."""
        file = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None)
        code = getattr(app, "__code__", None)
        line = code.co_firstlineno if code is not None and code.co_filename == file else 1
        return cls(name, file, line, config)


def render(format_: str, subject: Subject, report: Report) -> str:
    """Return a report in one of the formats, without a line break at its end."""
    return _FORMATS[format_](subject, report)


# -- table


def _table(subject: Subject, report: Report) -> str:
    rows = [("LEVEL", "RULE", "AT FAULT", "TIMES", "FIRST SEEN IN", "WHAT")]
    rows += [
        (one.finding.level, one.finding.id, _culprit(one), str(one.count), one.first.request, one.finding.detail)
        for one in report.findings
    ]
    lines = [*aligned(rows), "", *_advice(report), ""] if report.findings else []
    return "\n".join([*lines, _summary(subject, report)])


def _advice(report: Report) -> list[str]:
    rules = dict.fromkeys(one.finding.id for one in report.findings)
    return [line for rule in rules for line in (f"{rule}: {ALL_RULES[rule].statement}", f"  {ALL_RULES[rule].hint}")]


def _summary(subject: Subject, report: Report) -> str:
    errors, findings = len(report.errors), len(report.findings)
    counted = f"{_plural(errors, 'error')} and {_plural(findings - errors, 'warning')}"
    return f"{subject.name}: {counted} in {_plural(report.requests, 'request')}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _culprit(one: Merged) -> str:
    layer = one.finding.layer
    return one.finding.party if layer is None else f"{one.finding.party} {layer}"


# -- JSON


def _json(subject: Subject, report: Report) -> str:
    errors = len(report.errors)
    document = {
        "tool": {"name": "middlewares", "version": __version__},
        "application": subject.name,
        "config": subject.config,
        "summary": {
            "requests": report.requests,
            "errors": errors,
            "warnings": len(report.findings) - errors,
            "not_started": report.not_started,
            "left_off": report.left_off,
        },
        "findings": [
            {
                **asdict(one.finding),
                "source": ALL_RULES[one.finding.id].source,
                "request": one.first.request,
                "count": one.count,
            }
            for one in report.findings
        ],
        "notes": [
            {"kind": note.kind, "text": note.text, "request": note.first.request, "count": note.count}
            for note in report.notes
        ],
    }
    return json.dumps(document, indent=2)


# -- SARIF


def _sarif(subject: Subject, report: Report) -> str:
    positions = {rule: index for index, rule in enumerate(ALL_RULES)}
    run = {
        "tool": {
            "driver": {
                "name": "middlewares",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": _SITE,
                "rules": [_sarif_rule(rule) for rule in ALL_RULES],
            }
        },
        "invocations": [_sarif_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(subject, one, positions[one.finding.id]) for one in report.findings],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(name: str) -> dict[str, Any]:
    rule = ALL_RULES[name]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.statement},
        "fullDescription": {"text": f"{rule.statement} Source: {rule.source}."},
        "help": {"text": rule.hint},
        "helpUri": f"{_SITE}lint_rules/#{rule.id.lower()}",
        "defaultConfiguration": {"level": "error"},
        "properties": {"party": rule.party, "tags": ["asgi"]},
    }


def _sarif_invocation(report: Report) -> dict[str, Any]:
    notes = [{"level": "note", "message": {"text": str(note)}} for note in report.notes]
    if report.not_started is not None:
        notes.append({"level": "error", "message": {"text": report.not_started}})
    return {"executionSuccessful": report.not_started is None, "toolExecutionNotifications": notes}


def _sarif_result(subject: Subject, one: Merged, position: int) -> dict[str, Any]:
    finding = one.finding
    words = f"{_culprit(one)}: {finding.detail} (first in {one.first.request}). {finding.statement} {finding.hint}"
    who = finding.layer or subject.name
    logical = [
        {"name": who, "fullyQualifiedName": f"{subject.name}/{who}", "kind": "type" if finding.layer else "module"},
        {"name": one.first.request, "fullyQualifiedName": f"{subject.name}/{one.first.request}", "kind": "resource"},
    ]
    # Not over the request: a path that is added must not make an old finding a new one.
    identity = "\0".join((finding.id, finding.level, who, finding.detail))
    return {
        "ruleId": finding.id,
        "ruleIndex": position,
        "level": finding.level,
        "message": {"text": words},
        "locations": [{"physicalLocation": _sarif_place(subject, finding.party), "logicalLocations": logical}],
        "occurrenceCount": one.count,
        "partialFingerprints": {"middlewaresLint/v1": hashlib.sha256(identity.encode()).hexdigest()[:32]},
        "properties": {"party": finding.party, "request": one.first.request, "history": list(finding.history)},
    }


def _sarif_place(subject: Subject, party: str) -> dict[str, Any]:
    """Return the file to open: layers are listed in the configuration file, if there is one."""
    is_layer = party == "middleware" and subject.config is not None
    file = subject.config if is_layer else subject.file
    path = Path(file or subject.name.partition(":")[0].replace(".", "/") + ".py").absolute()
    try:
        artifact = {"uri": quote(path.relative_to(Path.cwd()).as_posix()), "uriBaseId": "%SRCROOT%"}
    except (OSError, ValueError):
        artifact = {"uri": path.as_uri()}
    return {"artifactLocation": artifact, "region": {"startLine": 1 if is_layer else subject.line}}


_FORMATS: dict[str, Callable[[Subject, Report], str]] = {"table": _table, "json": _json, "sarif": _sarif}
