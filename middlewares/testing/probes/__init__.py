"""Run a whole application through generated requests under the lint: what ``middlewares lint`` does.

::

    session = Session()
    app = Stack(session.lint, Middleware(GZip), session.lint)(shop)
    report = session.run(app, plan(["/products"]))
    assert not report.errors

Runs on asyncio, in an event loop of its own.
"""

from __future__ import annotations

from .discovery import MOST_PATHS, Paths, discover
from .plan import Probe, plan
from .report import ALL_RULES, HANG, Merged, Note, Report
from .session import Session

__all__ = (
    "ALL_RULES",
    "HANG",
    "MOST_PATHS",
    "Merged",
    "Note",
    "Paths",
    "Probe",
    "Report",
    "Session",
    "discover",
    "plan",
)
