"""Turn results into tables, JSON and verdicts on the bars."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .case import Bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .measure import CaseResult, SubjectResult, Timing

__all__ = ("Verdict", "aligned", "as_json", "conditions", "judge", "markdown", "text")

_REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_NONE = "-"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar and what was measured."""

    bar: Bar
    met: bool | None
    """``None`` if it could not be judged."""
    measured: float | None

    def __str__(self) -> str:
        if self.measured is None:
            return f"bar not judged: {self.bar}"
        unit = " µs" if self.bar.ratio is None else ""
        return f"bar {'met' if self.met else 'MISSED'}: {self.bar}; measured {self.measured:.2f}{unit}"


def judge(result: CaseResult) -> list[Verdict]:
    """Hold the case's bars against what was measured with the garbage collector off."""
    by_label = {subject.label: subject for subject in result.subjects}
    verdicts = []
    for bar in result.case.bars:
        if bar.peer is None:
            overhead = _overhead(_ours(result).off, result.bare.off)
            measured, most = None if overhead is None else overhead / 1000, bar.overhead_us
        elif bar.body_bytes:
            measured, most = _bytes_ratio(result, by_label[bar.peer]), bar.ratio
        else:
            measured, most = _ratio(result, by_label[bar.peer], "off", totals=bar.totals), bar.ratio
        assert most is not None
        verdicts.append(Verdict(bar, None if measured is None else measured <= most, measured))
    return verdicts


def text(result: CaseResult) -> str:
    """Return the case's heading, its table in aligned columns, and its verdicts."""
    lines = [f"{result.case.name}: {result.case.what}", *aligned(_table(result))]
    lines += [f"  {subject.label}: {subject.problem}" for subject in result.subjects if subject.problem]
    lines += [f"  {verdict}" for verdict in judge(result)]
    return "\n".join(lines) + "\n"


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first column is text and whose others are numbers."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join([row[0].ljust(widths[0]), *numbers]))
    return lines


def markdown(results: Iterable[CaseResult]) -> str:
    """Return all cases as Markdown, with the conditions of the run."""
    parts = [conditions() + "\n"]
    for result in results:
        head, *rows = _table(result)
        parts.append(f"### {result.case.name}\n\n{result.case.what[:1].upper()}{result.case.what[1:]}.\n")
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
        notes = [f"{subject.label}: {subject.problem}" for subject in result.subjects if subject.problem]
        notes += [str(verdict) for verdict in judge(result)]
        if notes:
            parts.append("\n".join(f"- {note}" for note in notes) + "\n")
    return "\n".join(parts)


def as_json(results: Iterable[CaseResult]) -> dict[str, Any]:
    """Return everything that was measured, in values that JSON can hold; times in nanoseconds."""
    return {
        "conditions": conditions(),
        "cases": [
            {
                "name": result.case.name,
                "what": result.case.what,
                "bare": asdict(result.bare),
                "subjects": [asdict(subject) for subject in result.subjects],
                "bars": [{"bar": str(v.bar), "met": v.met, "measured": v.measured} for v in judge(result)],
            }
            for result in results
        ],
    }


def conditions() -> str:
    """Return one line on what the run ran on: Python, processor, versions of the peers."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _peers())
    return f"{platform.python_implementation()} {platform.python_version()} on {_processor()}; {versions}."


def _table(result: CaseResult) -> list[list[str]]:
    """Return the head and a row for the bare application and each subject that was measured."""
    head = ["", "ns", "median ns", "overhead µs", "ours/this"]
    if result.case.totals:
        head.append("ours/this in total")
    head += ["gc on: ns", "gc on: overhead µs", "gc on: ours/this"]
    if result.case.totals:
        head.append("body bytes")
    measured = [subject for subject in (result.bare, *result.subjects) if subject.off is not None]
    return [head, *(_row(result, subject) for subject in measured)]


def _row(result: CaseResult, subject: SubjectResult) -> list[str]:
    assert subject.off is not None
    assert subject.on is not None
    totals = result.case.totals
    row = [
        subject.label,
        f"{subject.off.best:,.0f}",
        f"{subject.off.median:,.0f}",
        _microseconds(result, subject, "off"),
        _shown(_ratio(result, subject, "off")),
    ]
    if totals:
        row.append(_shown(_ratio(result, subject, "off", totals=True)))
    row += [
        f"{subject.on.best:,.0f}",
        _microseconds(result, subject, "on"),
        _shown(_ratio(result, subject, "on")),
    ]
    if totals:
        row.append(_NONE if subject.body_bytes is None else f"{subject.body_bytes:,.0f}")
    return row


def _microseconds(result: CaseResult, subject: SubjectResult, collector: str) -> str:
    if subject is result.bare:
        return _NONE
    overhead = _overhead(getattr(subject, collector), getattr(result.bare, collector))
    return _NONE if overhead is None else f"{overhead / 1000:.2f}"


def _bytes_ratio(result: CaseResult, subject: SubjectResult) -> float | None:
    """Return how large our bodies are, as a share of a peer's."""
    ours = _ours(result)
    if ours.body_bytes is None or subject.body_bytes is None:
        return None
    return ours.body_bytes / subject.body_bytes


def _ratio(result: CaseResult, other: SubjectResult, collector: str, *, totals: bool = False) -> float | None:
    """Return ours/other, of overheads or of totals; ``None`` where one was not measured or costs nothing."""
    own, theirs, bare = (getattr(subject, collector) for subject in (_ours(result), other, result.bare))
    if not other.peer or own is None or theirs is None or bare is None:
        return None
    if totals:
        return float(own.best / theirs.best)
    above, below = _overhead(own, bare), _overhead(theirs, bare)
    return above / below if above is not None and below is not None and below > 0 else None


def _overhead(timing: Timing | None, bare: Timing | None) -> float | None:
    """Return nanoseconds over the bare application."""
    return None if timing is None or bare is None else timing.best - bare.best


def _ours(result: CaseResult) -> SubjectResult:
    return next(subject for subject in result.subjects if not subject.peer)


def _shown(ratio: float | None) -> str:
    return _NONE if ratio is None else f"{ratio:.2f}"


def _peers() -> list[str]:
    lines = _REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line and not line.startswith("#")]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
