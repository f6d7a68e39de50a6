"""Whatever requests are like, and in whatever order they come, each histogram has each of them where it belongs."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from middlewares import Metrics
from middlewares.core.exchange import Exchange
from middlewares.core.observed_channels import HTTPCall, open_call
from middlewares.testing import http_scope

from .test_middleware import sending

if TYPE_CHECKING:
    from collections.abc import Collection

BOUNDS = (0.005, 0.01, 0.1, 1.0)
SIZES = (100.0, 1000.5, 1e4, 1e6)


class Told(NamedTuple):
    """What is told of a request."""

    method: str
    status: int
    first_byte: float | None
    rest: float
    received: int
    sent: int

    def may_have_body(self) -> bool:
        """Return whether the response has one: what begins none is answered with 500, outside."""
        return self.method != "HEAD" and (self.first_byte is None or self.status not in (204, 304))


TIMES = st.sampled_from((0.0, *BOUNDS, 0.0049, 0.0051, 0.5, 2.0)) | st.floats(0, 3)
COUNTS = st.sampled_from((0, 1, 100, 101, 1000, 1001, 10_000, 2_000_000)) | st.integers(0, 1 << 40)
REQUESTS = st.builds(
    Told,
    method=st.sampled_from(("GET", "HEAD", "POST")),
    status=st.sampled_from((200, 204, 304, 404, 503)),
    first_byte=st.none() | TIMES,
    rest=TIMES,
    received=COUNTS,
    sent=COUNTS,
)


def count(layer: Metrics, told: Told) -> None:
    exchange = Exchange(layer)
    scope = http_scope(told.method, "/a")
    call = open_call(HTTPCall, layer._plan, layer, scope, scope, exchange, _none, _none)
    call.began = 0.0
    call.first_byte, call.ended = told.first_byte, (told.first_byte or 0.0) + told.rest
    call.is_complete = told.first_byte is not None
    call.status = told.status if call.is_complete else None
    call.is_fine = call.is_complete and told.status < 500
    call.received, call.sent = told.received, told.sent
    layer.finish(call, layer.begin(call))


async def _none(*_: Any) -> Any:
    raise AssertionError


def buckets(registry: CollectorRegistry, name: str) -> tuple[list[float], float]:
    """Return the counts of a histogram, over all series, as its buckets have them; and its sum."""
    found: dict[float, float] = {}
    total = 0.0
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name == f"http_server_{name}_bucket":
                bound = float(sample.labels["le"])
                found[bound] = found.get(bound, 0) + sample.value
            elif sample.name == f"http_server_{name}_sum":
                total += sample.value
    return [found[bound] for bound in sorted(found)], total


def expected(bounds: tuple[float, ...], values: Collection[float]) -> tuple[list[float], Any]:
    counts = [0.0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return [*accumulate(counts)], pytest.approx(sum(values))


@given(requests=st.lists(REQUESTS, min_size=1, max_size=12))
def test_each_histogram_has_every_value_in_its_bucket(requests: list[Told]) -> None:
    registry = CollectorRegistry()
    layer = Metrics(sending(), registry=registry, buckets=BOUNDS, size_buckets=SIZES)
    for told in requests:
        count(layer, told)
    firsts = [told.first_byte for told in requests if told.first_byte is not None]
    durations = [(told.first_byte or 0.0) + told.rest for told in requests]
    bodies = [told.sent if told.may_have_body() else 0 for told in requests]
    assert buckets(registry, "request_duration_seconds") == expected(BOUNDS, durations)
    assert buckets(registry, "time_to_first_byte_seconds") == expected(BOUNDS, firsts)
    assert buckets(registry, "request_body_size_bytes") == expected(SIZES, [told.received for told in requests])
    assert buckets(registry, "response_body_size_bytes") == expected(SIZES, bodies)
