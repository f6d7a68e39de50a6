"""The lint's own tests run on asyncio; those of its faces on Trio too are in ``test_modes``."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
