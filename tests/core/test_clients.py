"""Clients are told by their addresses; who is not known is none of them."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from middlewares.core.clients import Clients

CLIENTS = Clients([ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")])


@pytest.mark.parametrize(
    ("client", "is_one"),
    [
        (("10.1.2.3", 80), True),
        (["10.255.255.255", 0], True),
        (("::ffff:10.1.2.3", 80), True),
        (("2001:db8::1", 80), True),
        (("11.0.0.1", 80), False),
        (("testclient", 80), False),
        (("", None), False),
        ((None, None), False),
        (("\ud800", 1), False),
        (None, False),
    ],
)
def test_a_request_is_of_clients_in_the_networks(client: Any, is_one: bool) -> None:
    for _ in range(2):  # also when it is known already
        assert CLIENTS.have_sent({"type": "http", "client": client}) is is_one


def test_a_scope_may_tell_of_no_client() -> None:
    assert CLIENTS.have_sent({"type": "http"}) is False
