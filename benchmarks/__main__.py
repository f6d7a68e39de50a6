"""``python -m benchmarks [case…]``: measure, print a table per case, and hold the bars against it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from middlewares.errors import did_you_mean

from . import cases, report
from .arguments import count, milliseconds
from .measure import CaseResult, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)

_README = Path(__file__).parent / "README.md"
_MARKS = "<!-- results -->", "<!-- /results -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    It is 1 if one of ours gives a wrong answer and, with ``--check``, if a bar is missed or cannot be judged.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        return _list()
    if options.write and options.case:
        parser.error("--write takes the whole table, so it measures every case: leave the names out")
    try:
        chosen = cases.select(options.case)
    except LookupError as unknown:
        hint = did_you_mean(str(unknown.args[0]), [case.name for case in cases.ALL]) or "see --list"
        parser.error(f"there is no case {unknown.args[0]!r}; {hint}")
    print(report.conditions() + "\n")
    results: list[CaseResult] = []
    for case in chosen:
        results.append(measure(case, rounds=options.rounds, window_ms=options.window))
        print(report.text(results[-1]), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps(report.as_json(results), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    if options.write:
        _write(report.markdown(results))
    return _status(results, check=options.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help="names of cases, or their beginnings up to a hyphen (default: all)")
    parser.add_argument("--rounds", type=count, default=40, help="rounds per case (default: %(default)s)")
    parser.add_argument(
        "--window",
        type=milliseconds,
        default=5.0,
        metavar="MS",
        help="milliseconds per window (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to this file")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a bar is missed or not judged")
    parser.add_argument("--write", action="store_true", help="put the table in benchmarks/README.md")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    return parser


def _list() -> int:
    width = max(len(case.name) for case in cases.ALL)
    for case in cases.ALL:
        print(f"{case.name.ljust(width)}  {case.what}")
    return 0


def _status(results: Sequence[CaseResult], *, check: bool) -> int:
    wrong = any(subject.wrong and not subject.peer for result in results for subject in result.subjects)
    unmet = any(verdict.met is not True for result in results for verdict in report.judge(result))
    return int(wrong or (check and unmet))


def _write(table: str) -> None:
    """Replace what stands between the marks in the README."""
    before, begin, rest = _README.read_text(encoding="utf-8").partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    if not begin or not end:
        raise SystemExit(f"{_README.name}: the marks {' and '.join(_MARKS)} are missing")
    _README.write_text(f"{before}{begin}\n\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
