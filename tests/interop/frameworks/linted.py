"""Put the lint around an application, and let it print what it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from middlewares.testing import Lint

if TYPE_CHECKING:
    from middlewares.testing.lint import Finding

__all__ = ("AGAIN", "FILE", "HANGS_AFTER", "MARK", "linted")

FILE = Path(__file__)
"""The file that the applications answer with."""

AGAIN = "received again"
"""What the application without a framework prints once it has received again after the disconnect."""

MARK = "finding: "
"""What a line with a finding begins with."""

HANGS_AFTER = 0.5
"""Seconds after which the lint takes a ``receive`` for one that never returns."""


def linted(app: Any) -> Lint:
    """Return an application, however its framework types it, inside a lint that prints each finding as JSON."""
    return Lint(app, report=tell, deadline=HANGS_AFTER)


def tell(finding: Finding) -> None:
    """Print a finding."""
    fields = (finding.party, finding.id, finding.detail, finding.history)
    print(f"\n{MARK}{json.dumps(fields)}", flush=True)  # noqa: T201 - the test reads what the server prints
