"""What all tests share: the event loop, and the plugin for tests that need external programs."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester", "tests.programs", "tests.suites"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio; a test module that also runs on Trio overrides this fixture."""
    return "asyncio"
