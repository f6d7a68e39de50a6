"""The lint: a layer that checks what passes on both its sides against the rules of ASGI, and names who broke one.

::

    lint = Lint(Stack(Middleware(GZip))(app))
    await request(lint)
    assert lint.findings == []
"""

from __future__ import annotations

from .findings import Finding, LintError
from .layer import Lint
from .registry import CHECKED
from .rules import RULES, Rule

__all__ = ("CHECKED", "RULES", "Finding", "Lint", "LintError", "Rule")
