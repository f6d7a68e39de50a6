"""The rules of ASGI as numbered statements: the one declaration that checks, findings and the documentation share."""

from __future__ import annotations

from .extensions import EXTENSION_RULES
from .general import GENERAL
from .http import HTTP_RULES
from .lifespan import LIFESPAN_RULES
from .rule import Party, Rule
from .websocket import WEBSOCKET_RULES

__all__ = ("RULES", "Party", "Rule")

RULES: dict[str, Rule] = {
    rule.id: rule for rule in (*GENERAL, *HTTP_RULES, *WEBSOCKET_RULES, *LIFESPAN_RULES, *EXTENSION_RULES)
}
"""Every rule by its id."""
