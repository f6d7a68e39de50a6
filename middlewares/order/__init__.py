"""Advice on the order of layers: rules as data, warnings for a stack that breaks them, and the order that they advise.

::

    for warning in stack.check():
        print(warning)
    stack = stack.sorted()

The rules speak of roles, which layers of ours have by name, known classes of others by import path, and any other
class by its attribute ``order_role``.
"""

from __future__ import annotations

from .advice import OrderWarning, check, sort
from .layers import PlacedLayer
from .roles import KNOWN, ROLES
from .rules import ORDER_RULES, TWICE, OrderRule

__all__ = ("KNOWN", "ORDER_RULES", "ROLES", "TWICE", "OrderRule", "OrderWarning", "PlacedLayer", "check", "sort")
