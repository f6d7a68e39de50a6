"""Spans in memory, a clean context, and no failure of the layer that only the log would tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from middlewares.core.observer import INTERNAL_ERRORS
from tests.tracing.collected import Collected

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def spans() -> Iterator[Collected]:
    """What is exported, and the provider that exports it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Collected(provider, exporter)
    provider.shutdown()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    before = INTERNAL_ERRORS["Tracing"]
    assert not context.get_current()
    yield
    assert not context.get_current(), "a context is still attached"
    assert INTERNAL_ERRORS["Tracing"] == before, caplog.text
    assert "Failed to detach" not in caplog.text
