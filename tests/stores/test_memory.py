"""The memory store is bounded, and time is the clock's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from middlewares.stores.memory import MemoryStore
from middlewares.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


async def test_a_full_store_drops_what_would_end_first() -> None:
    store = MemoryStore(max_records=3, clock=ManualClock())
    for key, ttl in (("a", 30), ("b", 10), ("c", 20), ("d", 5)):
        await store.create(key, b"", ttl)
    assert [await store.get(key) is not None for key in "abcd"] == [True, False, True, True]
    assert len(store) == 3


async def test_a_prolonged_record_is_not_the_first_to_go() -> None:
    store = MemoryStore(max_records=2, clock=ManualClock())
    await store.create("a", b"", 10)
    await store.create("b", b"", 20)
    await store.touch("a", 30)
    await store.create("c", b"", 5)
    assert await store.get("a") is not None
    assert await store.get("b") is None


async def test_ended_records_leave_by_and_by() -> None:
    clock = ManualClock()
    store = MemoryStore(clock=clock)
    for number in range(100):
        await store.create(str(number), b"", 1)
    clock.advance(1)
    for number in range(100, 150):
        await store.create(str(number), b"", 1)
    assert len(store) == 50
    clock.advance(1)
    assert await store.collect() == 50
    assert len(store) == 0


class Model(RuleBasedStateMachine):
    """Any sequence of calls leaves what a plain dict would, and no more bookkeeping than records."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = MemoryStore(clock=self.clock)
        self.expected: dict[str, tuple[bytes, float, str | None]] = {}

    def live(self, key: str) -> tuple[bytes, float, str | None] | None:
        found = self.expected.get(key)
        return found if found is not None and found[1] > self.clock() else None

    keys = st.sampled_from("abcde")
    values = st.sampled_from([b"1", b"2"])
    ttls = st.sampled_from([1, 2, 50])
    owners = st.sampled_from([None, "anna", "bert"])

    @rule(key=keys, value=values, ttl=ttls, owner=owners)
    def create(self, key: str, value: bytes, ttl: int, owner: str | None) -> None:
        was = self.live(key)
        assert run(self.store.create(key, value, ttl, owner)) == (was is None or was[0] == value)
        if was is None:
            self.expected[key] = (value, self.clock() + ttl, owner)

    @rule(key=keys, old=st.none() | values, new=values, ttl=ttls, owner=owners)
    def replace(self, key: str, old: bytes | None, new: bytes, ttl: int, owner: str | None) -> None:
        was = self.live(key)
        if was is not None and (old is None or was[0] in (old, new)):
            self.expected[key] = (new, self.clock() + ttl, owner)
            was = self.expected[key]
        assert run(self.store.replace(key, old, new, ttl, owner)) == (None if was is None else was[0])

    @rule(key=keys)
    def delete(self, key: str) -> None:
        assert run(self.store.delete(key)) == (self.live(key) is not None)
        self.expected.pop(key, None)

    @rule(key=keys, ttl=ttls)
    def touch(self, key: str, ttl: int) -> None:
        was = self.live(key)
        assert run(self.store.touch(key, ttl)) == (was is not None)
        if was is not None:
            self.expected[key] = (was[0], self.clock() + ttl, was[2])

    @rule(seconds=st.sampled_from([0, 1, 3]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def same(self) -> None:
        for key in "abcde":
            found = self.live(key)
            assert run(self.store.get(key)) == (None if found is None else found[0])
        for owner in ("anna", "bert"):
            owned = {key for key in self.expected if (found := self.live(key)) and found[2] == owner}
            assert {item.key for item in run(self.store.owned(owner))} == owned


def run(call: Coroutine[Any, Any, T]) -> T:
    """Return what a call gives that never waits."""
    try:
        call.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("waited")


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
