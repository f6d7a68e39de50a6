"""The contract of stores, asked of every one: memory, SQLite, and a real Valkey."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from middlewares.stores import QuickStore

if TYPE_CHECKING:
    from middlewares.stores import Store


async def ended(store: Store, key: str) -> None:
    """Return once a record is gone."""
    async with asyncio.timeout(5):
        while await store.get(key) is not None:  # noqa: ASYNC110 - a store tells nobody when a record ends
            await asyncio.sleep(0.005)


async def test_what_was_created_can_be_read(store: Store) -> None:
    assert await store.get("a") is None
    assert await store.create("a", b"\x00one", 60)
    assert await store.get("a") == b"\x00one"


async def test_what_can_be_read_at_once_is_what_can_be_read(store: Store) -> None:
    """Memory and SQLite answer without waiting; Redis cannot."""
    assert isinstance(store, QuickStore) == (type(store).__name__ != "RedisStore")
    if isinstance(store, QuickStore):
        assert store.get_now("a") is None
        await store.create("a", b"one", 60)
        assert store.get_now("a") == b"one"
        await store.create("short", b"one", 0.01)
        await ended(store, "short")
        assert store.get_now("short") is None


async def test_creating_never_overwrites(store: Store) -> None:
    await store.create("a", b"one", 60)
    assert not await store.create("a", b"two", 60)
    assert await store.get("a") == b"one"


async def test_creating_may_be_repeated(store: Store) -> None:
    """The first answer may have been lost on the way."""
    await store.create("a", b"one", 60)
    assert await store.create("a", b"one", 60)


async def test_replacing_never_creates(store: Store) -> None:
    assert await store.replace("a", b"one", b"two", 60) is None
    assert await store.replace("a", None, b"two", 60) is None
    assert await store.get("a") is None


@pytest.mark.parametrize(
    ("old", "held"),
    [
        pytest.param(b"one", b"two", id="as expected"),
        pytest.param(None, b"two", id="whatever it is"),
        pytest.param(b"other", b"one", id="somebody was faster"),
    ],
)
async def test_replacing_says_what_the_store_then_holds(store: Store, old: bytes | None, held: bytes) -> None:
    await store.create("a", b"one", 60)
    assert await store.replace("a", old, b"two", 60) == held
    assert await store.get("a") == held


async def test_replacing_may_be_repeated(store: Store) -> None:
    await store.create("a", b"one", 60)
    assert await store.replace("a", b"one", b"two", 60) == b"two"
    assert await store.replace("a", b"one", b"two", 60) == b"two"


async def test_nothing_comes_back_after_deleting(store: Store) -> None:
    await store.create("a", b"one", 60)
    assert await store.delete("a")
    assert not await store.delete("a")
    assert await store.replace("a", b"one", b"two", 60) is None
    assert not await store.touch("a", 60)
    assert await store.get("a") is None


async def test_records_end(store: Store) -> None:
    """To the millisecond or so: this waits for a short one to be over, and the long one is still there."""
    await store.create("short", b"one", 0.03)
    await store.create("long", b"one", 60)
    await ended(store, "short")
    assert await store.replace("short", b"one", b"two", 60) is None
    assert not await store.touch("short", 60)
    assert await store.create("short", b"two", 60)
    assert await store.get("long") == b"one"


@pytest.mark.parametrize("prolong", ["touch", "replace"])
async def test_records_live_on_when_touched_or_replaced(store: Store, prolong: str) -> None:
    await store.create("a", b"one", 0.2)
    await store.create("control", b"one", 0.2)
    if prolong == "touch":
        assert await store.touch("a", 60)
    else:
        await store.replace("a", b"one", b"two", 60)
    await ended(store, "control")
    assert await store.get("a") is not None


async def test_a_lost_race_does_not_prolong(store: Store) -> None:
    await store.create("a", b"one", 0.1)
    await store.replace("a", b"other", b"two", 60)
    await ended(store, "a")


async def test_records_of_an_owner_are_listed(store: Store) -> None:
    await store.create("a", b"one", 60, owner="anna")
    await store.create("b", b"two", 90, owner="anna")
    await store.create("c", b"three", 60, owner="bert")
    await store.create("d", b"four", 60)
    found = sorted(await store.owned("anna"))
    assert [(item.key, item.value, item.owner) for item in found] == [("a", b"one", "anna"), ("b", b"two", "anna")]
    assert 59 < found[0].ttl <= 60
    assert 89 < found[1].ttl <= 90
    await store.delete("a", owner="anna")
    assert [item.key for item in await store.owned("anna")] == ["b"]


async def test_an_owner_outlives_the_first_of_its_records(store: Store) -> None:
    await store.create("a", b"one", 60, owner="anna")
    await store.create("b", b"one", 0.05, owner="anna")
    await ended(store, "b")
    assert [item.key for item in await store.owned("anna")] == ["a"]


async def test_replacing_can_give_a_record_an_owner(store: Store) -> None:
    await store.create("a", b"one", 60)
    await store.replace("a", b"one", b"two", 60, owner="anna")
    assert [item.key for item in await store.owned("anna")] == ["a"]
    await store.replace("a", b"two", b"three", 60, owner="bert")
    assert await store.owned("anna") == []
    assert [item.key for item in await store.owned("bert")] == ["a"]


async def test_an_ended_record_belongs_to_nobody(store: Store) -> None:
    await store.create("a", b"one", 0.01, owner="anna")
    await ended(store, "a")
    await store.create("a", b"two", 60, owner="bert")
    assert await store.owned("anna") == []


async def test_all_records_can_be_gone_through(store: Store) -> None:
    keys = [f"key*{number}" for number in range(1200)]
    for key in keys:
        await store.create(key, key.encode(), 60)
    found = {item.key: item.value async for item in store.items()}
    assert found == {key: key.encode() for key in keys}


async def test_overlapping_changes_are_all_counted(store: Store) -> None:
    """A hundred tasks each add one by comparing and replacing: none is lost, and none counted twice."""
    await store.create("count", b"0", 60)

    async def add() -> None:
        held = await store.get("count")
        while held is not None:
            wanted = b"%d:%d" % (int(held.split(b":")[0]) + 1, id(asyncio.current_task()))
            before, held = held, await store.replace("count", held, wanted, 60)
            if held == wanted:
                return
            assert held != before

    await asyncio.gather(*(add() for _ in range(100)))
    final = await store.get("count")
    assert final is not None
    assert final.split(b":")[0] == b"100"


async def test_of_many_creators_one_wins(store: Store) -> None:
    made = await asyncio.gather(*(store.create("a", b"%d" % number, 60) for number in range(50)))
    assert sum(made) == 1


async def test_closing_may_be_repeated_and_the_next_call_opens_again(store: Store, url: str) -> None:
    await store.create("a", b"one", 60)
    await store.aclose()
    await store.aclose()
    assert await store.get("a") == b"one"
