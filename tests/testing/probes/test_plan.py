"""The plan holds every course for paths that were named, and only safe methods for those that were discovered."""

from __future__ import annotations

import pytest

from middlewares.testing.probes import Paths, Probe, plan
from middlewares.testing.probes.plan import UNKNOWN_PATH

SAFE = {"GET", "HEAD", "OPTIONS"}


def of(probes: tuple[Probe, ...], path: str, kind: str = "http") -> list[Probe]:
    return [probe for probe in probes if (probe.path, probe.kind) == (path, kind)]


def test_the_root_and_an_unknown_path_are_always_asked():
    probes = plan()
    for path in ("/", UNKNOWN_PATH):
        assert of(probes, path)
        assert of(probes, path, "websocket")


def test_names_are_different():
    names = [probe.name for probe in plan(["/a"], Paths(("/b",), ("/c",)))]
    assert len(names) == len(set(names))


def test_a_named_path_is_asked_in_every_way():
    probes = of(plan(["/named"]), "/named")
    assert {probe.options["method"] for probe in probes} == {*SAFE, "POST", "PROBE"}
    assert {probe.leaves for probe in probes} == {"last", "before", "in request", "in response"}
    assert {probe.scope(None)["asgi"]["spec_version"] for probe in probes} == {"2.0", "2.3", "2.4", "2.5"}
    assert {"extensions" in probe.scope(None) for probe in probes} == {True, False}
    headers = [dict(probe.scope(None)["headers"]) for probe in probes]
    assert any(b"accept-encoding" in found for found in headers)
    assert any(b"accept-encoding" not in found for found in headers)
    assert any(b"access-control-request-method" in found for found in headers)


def test_a_body_comes_whole_and_in_parts_as_long_as_its_length_says():
    posts = [probe for probe in of(plan(), "/") if probe.options["method"] == "POST" and probe.leaves == "last"]
    assert {len(probe.events) for probe in posts} == {1, 4}
    for probe in posts:
        length = int(dict(probe.scope(None)["headers"])[b"content-length"])
        assert sum(len(event["body"]) for event in probe.events) == length
        assert [event["more_body"] for event in probe.events] == [True] * (len(probe.events) - 1) + [False]


def test_a_discovered_path_is_asked_only_what_is_safe():
    probes = plan([], Paths(("/orders",), ("/feed",)))
    assert {probe.options["method"] for probe in of(probes, "/orders")} == SAFE
    assert of(probes, "/orders", "websocket") == []
    assert of(probes, "/feed") == []
    assert of(probes, "/feed", "websocket")


def test_what_is_named_and_discovered_is_asked_once_in_full():
    probes = plan(["/orders"], Paths(("/orders", "/"), ("/orders",)))
    assert probes == plan(["/orders"])


def test_a_target_is_taken_apart():
    [probe, *_] = of(plan(["/a%20b/%C3%A9?q=%20"]), "/a%20b/%C3%A9?q=%20")
    scope = probe.scope({"key": 1})
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/é", b"/a%20b/%C3%A9", b"q=%20")
    assert scope["state"] == {"key": 1}


def test_a_scope_of_an_unknown_type_is_part_of_it():
    assert plan()[-1].scope(None)["type"] not in ("http", "websocket", "lifespan")


@pytest.mark.parametrize("path", ["", "products", "http://shop.example/"])
def test_a_path_that_is_none_is_refused(path: str):
    with pytest.raises(ValueError, match="a path must begin with '/'"):
        plan([path])


def test_a_path_that_cannot_be_encoded_is_refused_and_left_out_of_those_found():
    """The command line gives such text for bytes that are not UTF-8."""
    with pytest.raises(ValueError, match="a path must be encodable as UTF-8"):
        plan(["/\udcff"])
    assert plan((), Paths(("/\udcff",), ("/\udcff",))) == plan()
