"""Let the duties of layers say what they found."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.composition.entries", "tests.composition.stand_ins")
