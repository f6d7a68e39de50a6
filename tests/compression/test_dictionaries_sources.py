"""Dictionaries that are learned from responses or read from files, within their bounds."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from middlewares.compression.dictionaries import Dictionaries, Dictionary
from middlewares.compression.dictionaries.background import Background
from middlewares.compression.dictionaries.sources import Sources
from middlewares.compression.dictionaries.store import Held, Learned
from tests.compression.versions import ALL, NEW, OLD, available, decoded, json_versions, noise, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from middlewares.core.headers import HeaderList

PUBLIC: HeaderList = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=60")]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def learning(**options: Any) -> Dictionaries:
    return Dictionaries([Dictionary(match="/products*", learn=True)], **options)


def learn(dictionaries: Dictionaries, body: bytes, path: str = "/products") -> None:
    learner = dictionaries.learner(request(path), 200, PUBLIC)
    assert learner is not None
    learner.add(body[:100])
    learner.add(memoryview(body)[100:])  # type: ignore[arg-type]  # applications send such bodies too
    learner.finish()
    assert dictionaries.settle()


def is_known(dictionaries: Dictionaries, body: bytes, path: str = "/products") -> bool:
    return dictionaries.offer(request(path), ALL, available(body)) is not None


def test_a_response_becomes_a_dictionary_of_later_ones() -> None:
    dictionaries = learning()
    assert not is_known(dictionaries, OLD)
    learn(dictionaries, OLD)
    codec = dictionaries.offer(request("/products/all"), ALL, available(OLD))
    assert codec is not None
    assert decoded(codec.whole(NEW), b"dcz", OLD) == NEW


def test_several_versions_are_known_at_once() -> None:
    dictionaries = learning()
    learn(dictionaries, OLD)
    learn(dictionaries, NEW)
    learn(dictionaries, NEW)
    assert is_known(dictionaries, OLD)
    assert is_known(dictionaries, NEW)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([(b"cookie", b"a=b")], PUBLIC),
        ([(b"Authorization", b"Basic YTpi")], PUBLIC),
        ([], [(b"cache-control", b"max-age=60")]),
        ([], [(b"cache-control", b"public")]),
        ([], [(b"cache-control", b"public, private, max-age=60")]),
        ([], [(b"cache-control", b"public, no-store, max-age=60")]),
        ([], [*PUBLIC, (b"set-cookie", b"a=b")]),
        ([], [*PUBLIC, (b"vary", b"Cookie")]),
        ([], [*PUBLIC, (b"content-encoding", b"gzip")]),
    ],
)
def test_nothing_is_learned_that_could_be_anyones_own(asked: HeaderList, answered: HeaderList) -> None:
    assert learning().learner(request("/products", *asked), 200, answered) is None


def test_only_whole_answers_to_get_are_learned() -> None:
    dictionaries = learning()
    assert dictionaries.learner(request(method="HEAD"), 200, PUBLIC) is None
    assert dictionaries.learner(request(method="POST"), 200, PUBLIC) is None
    assert dictionaries.learner(request(), 206, PUBLIC) is None
    assert dictionaries.learner(request(scheme="http"), 200, PUBLIC) is None
    assert dictionaries.learner(request("/other"), 200, PUBLIC) is None
    assert Dictionaries([Dictionary(match="/products", path="x")]).learner(request(), 200, PUBLIC) is None


def test_a_body_that_never_ends_is_not_learned() -> None:
    dictionaries = learning()
    learner = dictionaries.learner(request(), 200, PUBLIC)
    assert learner is not None
    learner.add(OLD)
    del learner
    assert dictionaries.settle()
    assert not is_known(dictionaries, OLD)
    assert dictionaries._collected.bytes == 0


def test_a_body_that_is_too_large_is_not_learned() -> None:
    dictionaries = Dictionaries([Dictionary(match="/products", learn=True, maximum_size=len(NEW))])
    learn(dictionaries, NEW)
    learn(dictionaries, NEW + b" ")
    assert is_known(dictionaries, NEW)
    assert not is_known(dictionaries, NEW + b" ")


@pytest.mark.parametrize("body", [b"", b"[]", b"x" * 63])
def test_a_body_that_is_too_small_is_not_learned(body: bytes) -> None:
    dictionaries = learning()
    learn(dictionaries, body)
    assert not is_known(dictionaries, body)


def test_bodies_being_collected_are_bounded_together() -> None:
    dictionaries = learning(maximum_bytes=40_000)
    learners = [learner for _ in range(10) if (learner := dictionaries.learner(request(), 200, PUBLIC)) is not None]
    for number in range(10):
        learners[number].add(bytes(3000))
    assert dictionaries._collected.bytes == 9000
    learners[0].add(bytes(1000))
    learners[0].add(bytes(1000))  # no room: the first is given up, and takes nothing more
    learners[0].add(b"x")
    assert dictionaries._collected.bytes == 6000
    learners.clear()
    assert dictionaries._collected.bytes == 0


def test_what_was_learned_is_forgotten_in_time() -> None:
    clock = Clock()
    dictionaries = Dictionaries([Dictionary(match="/products", learn=True, max_age=60)], clock=clock)
    learn(dictionaries, OLD)
    clock.now += 59
    learn(dictionaries, OLD)
    clock.now += 59
    assert is_known(dictionaries, OLD)
    clock.now += 1
    assert not is_known(dictionaries, OLD)


def test_the_least_recently_used_is_forgotten_first() -> None:
    bodies = [json_versions(seed=seed)[0] for seed in range(6)]
    dictionaries = learning()
    cost = max(dictionaries._cost(len(body)) for body in bodies)
    dictionaries = learning(maximum_bytes=4 * cost)
    for number, body in enumerate(bodies):
        learn(dictionaries, body, f"/products/{number}")
        is_known(dictionaries, bodies[0])
    known = [is_known(dictionaries, body) for body in bodies]
    assert known[0]
    assert known[-1]
    assert sum(known) == 4


def test_one_dictionary_may_belong_to_several_paths() -> None:
    """A drop of it by one path leaves no trace in the others."""
    store = Learned(1000)
    for number in range(100):
        store.add(f"/{number}", Held(b"same" * 20, {number % 3}, 400))
    [held] = store
    assert held.declared == {0, 1, 2}
    assert len(store._latest) <= 18
    store.add("/new", Held(b"other" * 20, {0}, 400))
    store.add("/newer", Held(b"another" * 20, {0}, 400))
    assert store.latest("/99") is None
    store.add("/huge", Held(b"huge" * 20, {0}, 1001))
    assert store.latest("/huge") is None
    assert store.latest("/newer") is not None


def test_learning_does_not_hold_up_the_loop() -> None:
    """Hashing and preparing are done by another thread than that of the loop."""
    threads = []

    class Recorded(Dictionaries):
        __slots__ = ()

        def _prepare(self, held: Held, coding: bytes) -> None:
            threads.append(threading.current_thread())
            super()._prepare(held, coding)

    dictionaries = Recorded([Dictionary(match="/products", learn=True)])
    for _ in range(3):
        learn(dictionaries, OLD)  # what is known already is not prepared again
    dictionaries.offer(request(), b"dcb", available(OLD))
    assert dictionaries.settle()
    assert len(threads) == 2
    assert threading.current_thread() not in threads


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    folder.mkdir()
    return folder


def write(path: Path, body: bytes, modified: int) -> None:
    path.write_bytes(body)
    os.utime(path, (modified, modified))


def test_each_file_of_a_directory_is_a_dictionary(releases: Path) -> None:
    write(releases / "v1.json", OLD, 1)
    write(releases / "v2.json", NEW, 2)
    write(releases / ".v3.json.part", OLD[:500], 3)
    (releases / "empty").touch()
    (releases / "more").mkdir()
    dictionaries = Dictionaries([Dictionary(match="/products", path=str(releases))])
    assert not is_known(dictionaries, OLD)
    assert dictionaries.settle()
    assert is_known(dictionaries, OLD)
    assert is_known(dictionaries, NEW)
    assert not is_known(dictionaries, OLD[:500])


def test_the_first_request_makes_them_be_read(releases: Path) -> None:
    write(releases / "v1.json", OLD, 1)
    dictionaries = Dictionaries([Dictionary(match="/products", path=releases)])
    dictionaries.announce(request(), 200, PUBLIC)
    assert dictionaries._background.join(10)
    assert is_known(dictionaries, OLD)


def test_files_are_looked_at_again_after_a_while(releases: Path) -> None:
    clock = Clock()
    write(releases / "v1.json", OLD, 1)
    dictionaries = Dictionaries([Dictionary(match="/products", path=releases)], clock=clock)
    assert dictionaries.settle()
    before = dictionaries._declared
    write(releases / "v1.json", NEW, 2)
    clock.now += 9.9
    assert is_known(dictionaries, OLD)
    assert dictionaries._background.join(10)
    assert dictionaries._declared is before
    clock.now += 0.1
    is_known(dictionaries, NEW)
    assert dictionaries._background.join(10)
    assert is_known(dictionaries, NEW)
    assert not is_known(dictionaries, OLD)


def sources(*declared: Dictionary, most: int = 10**6, cost: Callable[[int], int] = lambda size: size) -> Sources:
    return Sources(declared, most=most, cost=cost)


def test_what_has_not_changed_is_not_read_again(releases: Path) -> None:
    write(releases / "v1.json", OLD, 1)
    files = sources(Dictionary(match="/", path=releases))
    [held] = files.load().values()
    [again] = files.load().values()
    assert again is held


def test_the_newest_are_kept_when_there_are_too_many(releases: Path, caplog: pytest.LogCaptureFixture) -> None:
    bodies = [noise(1000, seed) for seed in range(5)]
    for number, body in enumerate(bodies):
        write(releases / f"{number}", body, 100 - number)
    files = sources(Dictionary(match="/", path=releases), most=3000)
    for _ in range(2):
        assert [held.data for held in files.load().values()] == bodies[:3]
    assert [record.getMessage().split("/")[-1] for record in caplog.records] == [
        "3 is left out: the dictionaries before it need all the memory there may be",
        "4 is left out: the dictionaries before it need all the memory there may be",
    ]


def test_the_same_bytes_are_held_once(releases: Path) -> None:
    write(releases / "a", OLD, 1)
    write(releases / "b", OLD, 2)
    declared = Dictionary(match="/a", path=releases), Dictionary(match="/b", path=releases / "b")
    files = sources(*declared, most=2 * len(OLD))  # room for two, though there are three files
    [held] = files.load().values()
    assert held.declared == {0, 1}
    (releases / "b").unlink()
    [again] = files.load().values()
    assert again is held
    assert held.declared == {0}


def test_what_cannot_be_read_is_reported_once(releases: Path, caplog: pytest.LogCaptureFixture) -> None:
    (releases / "broken").symlink_to("nowhere")
    write(releases / "large", bytes(2000), 1)
    declared = Dictionary(match="/", path=releases, maximum_size=1000), Dictionary(match="/", path=releases / "none")
    files = sources(*declared)
    for _ in range(2):
        assert files.load() == {}
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert [record.getMessage() for record in caplog.records] == [
        f"dictionary {releases / 'broken'} cannot be read: No such file or directory",
        f"dictionary {releases / 'large'} is left out: it has 2000 bytes, more than maximum_size",
        f"dictionary {releases / 'none'} cannot be read: No such file or directory",
    ]


def test_a_file_that_changes_while_it_is_read_is_left_for_later(
    releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(releases / "v1", OLD, 1)
    seen = os.stat(releases / "v1")  # noqa: PTH116 - what is patched below
    write(releases / "v1", OLD + b" ", 1)
    files = sources(Dictionary(match="/", path=releases))
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", lambda path: seen)
        assert files.load() == {}
    assert len(files.load()) == 1


def test_a_file_that_may_not_be_read_is_reported(releases: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(releases / "v1", OLD, 1)
    files = sources(Dictionary(match="/", path=releases / "v1"))
    [file] = files._files(0, files._declarations[0][1])
    (releases / "v1").unlink()
    assert files._read_file(file) is None
    assert "cannot be read" in caplog.text


def test_an_error_in_the_background_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    background = Background(10)
    assert background.submit(lambda: 1 // 0)  # type: ignore[arg-type]  # it never returns
    assert background.submit(done.set)
    assert background.join(10)
    assert done.is_set()
    assert "ZeroDivisionError" in caplog.text


def test_work_that_finds_no_room_is_left_undone() -> None:
    gate, begun = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait(10)

    background = Background(10)
    assert background.submit(wait, 6)
    assert begun.wait(10)
    assert not background.submit(wait, 5)
    assert background.submit(wait, 4)
    assert sum(background.submit(wait) for _ in range(100)) == 63
    assert not background.join(0)
    gate.set()
    assert background.join(10)
    assert background.submit(wait, 10)
    assert background.join(10)


async def test_everything_may_be_called_in_a_running_loop() -> None:
    dictionaries = learning()
    learn(dictionaries, OLD)
    codec = dictionaries.offer(request(), ALL, available(OLD))
    assert codec is not None
    assert decoded(await asyncio.to_thread(codec.whole, NEW), b"dcz", OLD) == NEW
