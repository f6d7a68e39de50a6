"""Ids are unique, well-formed, sort by time, and are never made twice by a process and its child."""

from __future__ import annotations

import os
import re
import threading
import time
import uuid

import pytest

from middlewares.core.observer import INTERNAL_ERRORS
from middlewares.request_id.generators import GENERATORS, Checked, TimeOrdered, ULIDs, UUID4s, UUID7s, is_valid

MANY = 2_000


@pytest.mark.parametrize("name", GENERATORS)
def test_ids_are_valid_and_none_comes_twice(name: str) -> None:
    generate = GENERATORS[name]()
    made = [generate() for _ in range(MANY)]
    assert len({*made}) == MANY
    assert all(is_valid(text.encode()) for text in made)


@pytest.mark.parametrize(("generate", "version"), [(UUID4s(), 4), (UUID7s(), 7)])
def test_uuids_say_what_they_are(generate: UUID4s | UUID7s, version: int) -> None:
    for _ in range(MANY):
        text = generate()
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, version, uuid.RFC_4122)


@pytest.mark.parametrize("generate", [UUID4s(), UUID7s()])
def test_what_is_random_of_a_uuid_takes_every_value(generate: UUID4s | UUID7s) -> None:
    """No bit but those of the version, the variant and the time stands still."""
    made = [uuid.UUID(generate()).int for _ in range(MANY)]
    always, never = made[0], ~made[0]
    for number in made:
        always &= number
        never &= ~number
    fixed = (always | never) & ((1 << 62) - 1)
    assert fixed == 0


def test_a_uuid_of_version_7_holds_the_time_in_milliseconds_and_4096_parts() -> None:
    at = 1_700_000_000_123
    parsed = uuid.UUID(UUID7s(lambda: at * 1_000_000 + 500_000)())
    assert parsed.int >> 80 == at
    assert parsed.int >> 64 & 0xFFF == 2048


def test_the_time_of_a_ulid_is_written_in_base_32() -> None:
    made = ULIDs(lambda: 1_469_918_176_385 * 1_000_000)()
    assert re.fullmatch("01ARYZ6S41[0-9A-HJKMNP-TV-Z]{16}", made)  # the time of the specification's own example


@pytest.mark.parametrize("cls", [UUID7s, ULIDs])
@pytest.mark.parametrize("step", [0, 1, 100, -1_000, 10_000_000, -3_600_000_000_000])
def test_ids_sort_in_the_order_they_are_made_whatever_the_clock_does(cls: type[TimeOrdered], step: int) -> None:
    now = iter(range(10**18, 10**18 + step * 6_000, step) if step else [10**18] * 6_000)
    generate = cls(lambda: next(now))
    made = [generate() for _ in range(6_000)]
    assert made == sorted(made)
    assert len({*made}) == len(made)


def test_threads_that_wake_at_once_do_not_add_up_the_time_that_they_slept() -> None:
    class Raced(UUID7s):
        """Another thread makes an id, while this one turns to another millisecond."""

        __slots__ = ("others",)

        others: int

        def _turned(self, now: int) -> int:
            if self.others:
                self.others -= 1
                self()
            return super()._turned(now)

    at = 1_700_000_000_123
    generate = Raced(lambda: at * 1_000_000)
    generate.others = 3
    made = [uuid.UUID(generate()).int >> 80 for _ in range(3)]
    assert made == [at] * 3


@pytest.mark.parametrize("name", GENERATORS)
def test_threads_never_get_the_same(name: str) -> None:
    generate = GENERATORS[name]()
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([generate() for _ in range(MANY)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*made}) == len(made) == 4 * MANY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("name", GENERATORS)
def test_a_forked_process_makes_ids_of_its_own(name: str) -> None:
    """Also with the clock of the parent: what is random differs."""
    generate = GENERATORS[name]()
    if isinstance(generate, TimeOrdered):
        generate = type(generate)(lambda: 10**18)
    generate()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.write(writer, generate().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        theirs = pipe.read()
    assert is_valid(theirs.encode())
    assert theirs[-12:] != generate()[-12:]


@pytest.mark.parametrize(
    "generate", [lambda: "", lambda: "a b", lambda: "a\r\nset-cookie: x=1", lambda: 7, lambda: "a" * 129, lambda: 1 / 0]
)
def test_a_function_that_makes_no_id_is_replaced_counted_and_logged_once(
    generate: object, caplog: pytest.LogCaptureFixture
) -> None:
    checked, before = Checked(generate), INTERNAL_ERRORS["RequestID"]  # type: ignore[arg-type]  # what a user may give
    assert uuid.UUID(checked()).version == uuid.UUID(checked()).version == 7
    assert INTERNAL_ERRORS["RequestID"] == before + 2
    assert len(caplog.records) == 1


def test_making_ids_takes_no_time_of_its_own() -> None:
    """A clock that stands still for a while is not waited for."""
    generate, began = UUID7s(lambda: 10**18), time.perf_counter()
    for _ in range(10_000):
        generate()
    assert time.perf_counter() - began < 2
