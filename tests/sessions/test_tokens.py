"""Values of cookies: what each kind is made of, and that nothing else is opened."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, urlsafe_b64encode
from secrets import token_bytes
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from middlewares.sessions.keys import derive
from middlewares.sessions.tokens import Encrypted, Ids, Signed
from tests.sessions.sites import KEY, OLD_KEY

NAME = "__Host-session"
SEALERS = (Signed, Encrypted, Ids)


@pytest.mark.parametrize("cls", [Signed, Encrypted])
@given(payload=st.binary(max_size=300))
def test_what_was_sealed_is_opened(cls: Any, payload: bytes) -> None:
    sealer = cls([KEY], NAME)
    value = sealer.seal(payload)
    assert sealer.open(value) == (payload, True)
    assert cls([OLD_KEY, KEY], NAME).open(value) == (payload, False)


@pytest.mark.parametrize("cls", SEALERS)
@given(text=st.text(max_size=200), cut=st.integers(0, 60), at=st.integers(0, 60))
def test_nothing_else_is_opened(cls: Any, text: str, cut: int, at: int) -> None:
    sealer = cls([KEY], NAME)
    value = sealer.seal(bytes(18))
    assert sealer.open(text) is None
    assert sealer.open(sealer.kind + text) is None
    assert sealer.open(value[:cut]) is None or cut >= len(value)
    swapped = "A" if value[1 + at % (len(value) - 2)] != "A" else "B"
    place = 1 + at % (len(value) - 2)
    assert sealer.open(value[:place] + swapped + value[place + 1 :]) is None


@pytest.mark.parametrize("cls", SEALERS)
def test_a_value_is_good_for_its_key_and_its_cookie_alone(cls: Any) -> None:
    value = cls([KEY], NAME).seal(bytes(18))
    assert cls([OLD_KEY], NAME).open(value) is None
    assert cls([KEY], "__Host-other").open(value) is None


@given(payload=st.binary(max_size=300))
def test_signatures_are_hmac_and_those_of_itsdangerous(payload: bytes) -> None:
    """Signed with the standard library and with itsdangerous as it is, it is the same value."""
    key = derive(KEY, "signed", NAME)
    value = Signed([KEY], NAME).seal(payload)
    body, _, signature = value.encode().rpartition(b".")
    assert signature == urlsafe_b64encode(hmac.digest(key, body, "sha256")).rstrip(b"=")
    assert body[1:] == urlsafe_b64encode(payload).rstrip(b"=")
    theirs = Signer(key, key_derivation="none", digest_method=hashlib.sha256)
    assert theirs.unsign(value) == body


def test_encrypted_values_tell_nothing_and_never_repeat() -> None:
    sealer = Encrypted([KEY], NAME)
    values = [sealer.seal(b"secret" * 5) for _ in range(50)]
    assert len({*values}) == 50
    assert not any("secret" in value for value in values)


def test_the_key_of_a_process_is_renewed_in_good_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encrypted, "_MOST_MESSAGES", 3)
    sealer = Encrypted([KEY], NAME)
    values = [sealer.seal(b"x") for _ in range(7)]
    assert len({value[:20] for value in values}) == 3  # the salt stands in front
    assert all(sealer.open(value) for value in values)


def test_no_nonce_is_there_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that go on from one, as forks and snapshots of a machine do, would use the same."""
    sealer = Encrypted([KEY], NAME)
    sealer.seal(b"x")  # which draws the salt
    drawn: list[int] = []

    def draw(size: int) -> bytes:
        drawn.append(size)
        return token_bytes(size)

    monkeypatch.setattr(os, "urandom", draw)
    values = [sealer.seal(b"x") for _ in range(3)]
    assert drawn == [12] * 3
    assert len({b64decode(value[1:])[16:28] for value in values}) == 3


def test_all_its_characters_may_stand_in_a_cookie() -> None:
    """RFC 6265, 4.1.1: base64 with its two signs, and the padding."""
    values = [Encrypted([KEY], NAME).seal(bytes(size)) for size in range(100)]
    assert {*"".join(values)} <= {*ascii_letters, *digits, *"+/="}
    assert all(Encrypted([KEY], NAME).open(value) == (bytes(size), True) for size, value in enumerate(values))


def test_forged_salts_are_not_kept() -> None:
    sealer = Encrypted([KEY], NAME)
    for number in range(1000):
        assert sealer.open("E" + Encrypted([OLD_KEY], NAME).seal(bytes([number % 256]))[1:]) is None
    assert len(sealer._known) <= 1
